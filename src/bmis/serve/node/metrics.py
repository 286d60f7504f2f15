"""What a node counts, for Prometheus; no name, number or UID is in it."""

from collections.abc import Callable

from bmis.errors import ConfigError
from bmis.serve.metrics import Registry
from bmis.serve.node.spool import Spool


class NodeMetrics:
    """The counters of a node.

    Args:
        spool: Its spool, of which sizes are asked.

    Example:
        >>> from pathlib import Path
        >>> metrics = NodeMetrics(Spool(Path("spool"), limit=10**9))
        >>> metrics.received("kept")
        >>> b'bmis_node_objects_total{outcome="kept"} 1.0' in metrics.text()
        True
    """

    def __init__(self, spool: Spool) -> None:
        made = self._registry = Registry()
        self._objects = made.counter(
            "bmis_node_objects_total",
            "Objects that came: kept, known already, no room, or refused.",
            "outcome",
        )
        self._series = made.counter(
            "bmis_node_series_total",
            "Series that were complete: answered, no rule or picture, or failed in part or whole.",
            "outcome",
        )
        self._results = made.counter(
            "bmis_node_results_total",
            "Results by destination: sent, or failed, each time.",
            "destination",
            "outcome",
        )
        made.gauge("bmis_node_spool_bytes", "Bytes in the spool.", spool.size)
        for table in ("objects", "results"):
            made.gauge(
                f"bmis_node_waiting_{table}", f"{table.title()} that wait.", _count(spool, table)
            )
            made.gauge(
                f"bmis_node_dead_{table}",
                f"{table.title()} that are dead letters.",
                _count(spool, table, "dead"),
            )

    def received(self, outcome: str) -> None:
        """Count an object that came."""
        self._objects.labels(outcome).inc()

    def series(self, outcome: str) -> None:
        """Count a series that was complete."""
        self._series.labels(outcome).inc()

    def result(self, destination: str, outcome: str) -> None:
        """Count a result on its way."""
        self._results.labels(destination, outcome).inc()

    def text(self) -> bytes:
        """All counters as Prometheus reads them."""
        return self._registry.text()

    def listen(self, port: int) -> Callable[[], None]:
        """Give the text to whoever asks on this machine; what ends that.

        Raises:
            ConfigError: The port cannot be listened on.
        """
        try:
            return self._registry.listen(port)
        except OSError as error:
            raise ConfigError(
                f"127.0.0.1:{port}: cannot listen here ({error.strerror or error}); choose "
                "another --metrics-port"
            ) from error


def _count(spool: Spool, table: str, state: str = "waiting") -> Callable[[], float]:
    return lambda: float(spool.count(table, state))
