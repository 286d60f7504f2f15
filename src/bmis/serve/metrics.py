"""What a service counts, for Prometheus; no address, name or content of a client is in it."""

from collections.abc import Callable

from bmis.errors import require

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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
        client = require("prometheus_client", extra="serve")
        self._client = client
        self._registry = client.CollectorRegistry()
        kept = {"registry": self._registry}
        self._requests = client.Counter(
            "bmis_requests_total", "Answers by route and status.", ("route", "status"), **kept
        )
        self._seconds = client.Histogram(
            "bmis_request_seconds",
            "Time from the request's header to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            **kept,
        )
        self._pictures = client.Counter(
            "bmis_pictures_total", "Pictures that got a mask.", ("model",), **kept
        )
        self._odd = client.Counter(
            "bmis_out_of_distribution_total",
            "Pictures that are unlike the training images of the network.",
            ("model",),
            **kept,
        )
        client.Gauge("bmis_waiting", "Requests that wait or are computed.", **kept).set_function(
            waiting
        )

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
        text: bytes = self._client.generate_latest(self._registry)
        return text
