"""What a service counts, for Prometheus; no address, name or content of a client is in it."""

from collections.abc import Callable
from typing import Any

from bmis.errors import require

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Registry:
    """Counters under names, and all of them as text.

    Example:
        >>> registry = Registry()
        >>> registry.counter("bmis_cups_total", "Cups of tea.", "kind").labels("green").inc()
        >>> b'bmis_cups_total{kind="green"} 1.0' in registry.text()
        True
    """

    def __init__(self) -> None:
        self._client = require("prometheus_client", extra="serve")
        self._registry = self._client.CollectorRegistry()

    def counter(self, name: str, text: str, *labels: str) -> Any:
        """A counter, for each value of its labels."""
        return self._client.Counter(name, text, labels, registry=self._registry)

    def seconds(self, name: str, text: str, *labels: str) -> Any:
        """How often something took how long."""
        return self._client.Histogram(name, text, labels, registry=self._registry, buckets=_SECONDS)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A number that is asked for when the text is."""
        self._client.Gauge(name, text, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All counters as Prometheus reads them."""
        text: bytes = self._client.generate_latest(self._registry)
        return text

    def listen(self, port: int) -> Callable[[], None]:
        """Give the text to whoever asks on this machine, at ``/metrics``; what ends that.

        Raises:
            OSError: The port cannot be listened on.
        """
        server, _ = self._client.start_http_server(port, "127.0.0.1", self._registry)

        def close() -> None:
            server.shutdown()
            server.server_close()

        return close


class Metrics:
    """The counters of one service.

    Args:
        waiting: Gives the number of requests that wait or are computed.

    Example:
        >>> metrics = Metrics(lambda: 0)
        >>> metrics.request("/health", 200, seconds=0.001)
        >>> b'bmis_requests_total{route="/health",status="200"} 1.0' in metrics.text()
        True
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        made = self._registry = Registry()
        self._requests = made.counter(
            "bmis_requests_total", "Answers by route and status.", "route", "status"
        )
        self._seconds = made.seconds(
            "bmis_request_seconds",
            "Time from the request's header to the end of its answer.",
            "route",
        )
        self._pictures = made.counter("bmis_pictures_total", "Pictures that got a mask.", "model")
        self._odd = made.counter(
            "bmis_out_of_distribution_total",
            "Pictures that are unlike the training images of the network.",
            "model",
        )
        made.gauge("bmis_waiting", "Requests that wait or are computed.", waiting)

    def request(self, route: str, status: int, *, seconds: float) -> None:
        """Count an answer.

        Args:
            route: The pattern of the address, never the address itself.
            status: Status of HTTP.
            seconds: How long it took.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def pictures(self, model: str, number: int, out_of_distribution: int) -> None:
        """Count pictures that got a mask."""
        self._pictures.labels(model).inc(number)
        self._odd.labels(model).inc(out_of_distribution)

    def text(self) -> bytes:
        """All counters as Prometheus reads them."""
        return self._registry.text()
