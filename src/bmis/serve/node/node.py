"""A running node: what comes is kept, what is complete is answered, what is answered is sent.

Each of the three is a thread or more, and they know of each other by the spool alone. So whatever
ends one of them, or all, the next start goes on where the spool says.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from bmis.serve.node.answer import Answerer
from bmis.serve.node.identity import digest
from bmis.serve.node.logs import log, log_error
from bmis.serve.node.metrics import NodeMetrics
from bmis.serve.node.outbox import Outbox
from bmis.serve.node.receiver import Receiver
from bmis.serve.node.recovery import recover
from bmis.serve.node.rules import read_rules
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import open_spool

_IDLE = 0.2  # seconds between two looks into the spool
_AFTER_ERROR = 5.0
_STOP = 10.0  # seconds that each thread gets to come to an end


class Node:
    """A DICOM node.

    Args:
        settings: What it is asked to do.

    Attributes:
        port: The port that it listens on.
        networks: Names of the networks that its rules name.

    Raises:
        ConfigError: The rules, a peer or a certificate are wrong, or the address cannot be listened
            on.
        DataError: The spool cannot be written to, or the rules cannot be read.
        BundleError: See ``load_networks``.
        MissingExtraError: The extra "node" is not installed.

    Example:
        >>> text = '''destinations: [{name: pacs, aet: PACS, host: 127.0.0.1, port: 4242}]
        ... rules: [{network: nuclei, modality: SM, send_to: [pacs]}]'''
        >>> size = Path("rules.yaml").write_text(text)
        >>> node = Node(NodeSettings(0, spool="s", rules="rules.yaml", peers=("CT@127.0.0.1",)))
        >>> node.start(), node.stop(), node.networks
        (None, None, ['nuclei'])
    """

    def __init__(self, settings: NodeSettings) -> None:
        rules = read_rules(Path(settings.rules or ""))
        self._quiet, self._stopped = settings.quiet, Event()
        self._end_metrics: Callable[[], None] = _nothing
        self._spool = open_spool(settings)
        self._answerer = Answerer(rules, settings.runtime)
        self._metrics, self._metrics_port = NodeMetrics(self._spool), settings.metrics_port
        self._outboxes = [
            Outbox(self._spool, one, settings, self._metrics) for one in rules.destinations
        ]
        self._receiver = Receiver(settings, self._spool, self._metrics)
        self.port, self.networks = self._receiver.port, self._answerer.names
        steps = [self._answer_one, *(outbox.send_due for outbox in self._outboxes)]
        self._threads = [Thread(target=self._repeat, args=[step], daemon=True) for step in steps]

    def start(self) -> None:
        """Go on with what is in the spool, and let senders in.

        Raises:
            ConfigError: The port for Prometheus cannot be listened on, or another node works on
                the spool.
        """
        if self._metrics_port is not None:
            self._end_metrics = self._metrics.listen(self._metrics_port)
        self._spool.lock()
        recover(self._spool, [outbox.name for outbox in self._outboxes])
        for outbox in self._outboxes:
            outbox.retry_all()
        # there is no other way to tell pynetdicom where objects lie while they come
        tempfile.tempdir = str(self._spool.arriving.absolute())
        self._receiver.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is not done by then is done after the next start."""
        self._receiver.stop()
        self._stopped.set()
        for thread in self._threads:
            thread.join(_STOP)
        tempfile.tempdir = None
        self._end_metrics()
        self._spool.unlock()

    def _answer_one(self) -> bool:
        """Answer one series that is complete; whether there was one."""
        series = self._complete_series()
        if series is None:
            return False
        taken = self._spool.take(series)
        if not taken:
            self._metrics.series("failed")
            log("dead letter", level=logging.WARNING, series=digest(series))
            return True
        try:
            with tempfile.TemporaryDirectory(dir=self._spool.working) as folder:
                self._answer(series, taken, Path(folder))
        except Exception:  # such as a full disk, of which no series shall become a dead letter
            self._spool.give_back(taken)
            raise
        return True

    def _complete_series(self) -> str | None:
        """The oldest series that is quiet, and whose senders are gone."""
        quiet = self._spool.complete(quiet=self._quiet)
        # asked later, as a series is open before the first of it is in the spool
        still_open = self._receiver.series_still_open()
        return next((series for series in quiet if series not in still_open), None)

    def _answer(self, series: str, taken: dict[str, Path], folder: Path) -> None:
        begin = time.perf_counter()
        answered = self._answerer.answer(list(taken.values()), folder)
        dead = {
            uid: answered.failed[path] for uid, path in taken.items() if path in answered.failed
        }
        self._spool.finish(taken, answered.results, answered.send_to, dead)
        outcome = "answered" if answered.results else "no rule or picture"
        self._metrics.series("failed" if dead else outcome)
        log(
            "dead letter" if dead else "series",
            level=logging.WARNING if dead else logging.INFO,
            series=digest(series),
            network=answered.network,
            objects=len(taken),
            dead=len(dead),
            results=len(answered.results),
            seconds=round(time.perf_counter() - begin, 3),
        )

    def _repeat(self, step: Callable[[], bool]) -> None:
        """What a thread does: one step after the other, until the node stops."""
        while not self._stopped.is_set():
            try:
                busy = step()
            except Exception as error:  # such as a full disk; the spool knows what is to be done
                log_error(error)
                self._stopped.wait(_AFTER_ERROR)
            else:
                self._stopped.wait(0 if busy else _IDLE)


def _nothing() -> None:
    pass
