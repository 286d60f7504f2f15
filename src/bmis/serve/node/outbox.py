"""Results that wait to be sent: when each is due, and what became of it."""

import logging
import time

from bmis.serve.node.identity import digest
from bmis.serve.node.logs import log
from bmis.serve.node.metrics import NodeMetrics
from bmis.serve.node.rules import Destination
from bmis.serve.node.send import send
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import Spool
from bmis.serve.node.tls import client_context

_LONGEST = 3600.0  # seconds between two tries
_MOST = 100  # results of one association
_HOUR = 3600


class Outbox:
    """The results of a spool that go to one destination.

    What was sent is noted when the destination has confirmed it. If the process is killed between
    the two, the same object with the same UID is sent once more, which a receiver knows already.

    Args:
        spool: Where they lie.
        destination: Where they go.
        settings: How often and how long it is tried.
        metrics: Counts.

    Attributes:
        name: What the rules call the destination.

    Raises:
        ConfigError: See ``client_context``.

    Example:
        >>> from pathlib import Path
        >>> pacs = Destination("pacs", aet="PACS", host="127.0.0.1", port=4242)
        >>> spool = Spool(Path("spool"), limit=10**9)
        >>> outbox = Outbox(spool, pacs, NodeSettings(), NodeMetrics(spool))
        >>> outbox.send_due()
        False
    """

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        settings: NodeSettings,
        metrics: NodeMetrics,
    ) -> None:
        self._spool, self._database, self._metrics = spool, spool.database, metrics
        self._destination, self._settings, self.name = destination, settings, destination.name
        self._tls = client_context(settings) if destination.tls else None

    def retry_all(self) -> None:
        """Let all be due now, dead letters too: whatever was wrong may have been put right."""
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = 'waiting', due = 0, attempts = 0, came = ? "
                "WHERE destination = ? AND state != 'done'",
                [time.time(), self.name],
            )

    def send_due(self) -> bool:
        """Send what is due; whether there was something.

        A round ends with the first error that is more than an answer about one result, such as a
        receiver that hangs up. The others are put off with that result, but not counted as tried:
        so they go first the next time, and one that no receiver can stand holds up none of them.
        """
        left = {self._spool.path_of_result(uid): uid for uid in self._due()}
        if not left:
            return False
        last, due = "", 0.0
        for path, why in send(list(left), self._destination, self._settings, self._tls):
            uid = left.pop(path)
            if why is None:
                self._sent(uid)
            else:
                last, due = why, self._failed(uid, why)
        for uid in left.values():
            self._put_off(uid, last, due)
        return True

    def _due(self) -> list[str]:
        rows = self._database.rows(
            "SELECT uid FROM results WHERE destination = ? AND state = 'waiting' AND due <= ? "
            "ORDER BY attempts, came LIMIT ?",
            [self.name, time.time(), _MOST],
        )
        return [uid for (uid,) in rows]

    def _sent(self, uid: str) -> None:
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = 'done', error = NULL WHERE uid = ? AND destination = ?",
                [uid, self.name],
            )
        self._spool.remove_if_sent(uid)
        self._metrics.result(self.name, "sent")
        log("result sent", result=digest(uid), destination=self.name)

    def _failed(self, uid: str, why: str) -> float:
        """Note that a result was not taken; when it is due again."""
        query = "SELECT attempts FROM results WHERE uid = ? AND destination = ?"
        ((attempts,),) = self._database.rows(query, [uid, self.name])
        due: float = time.time() + min(_LONGEST, self._settings.retry * 2 ** min(attempts, 30))
        self._put_off(uid, why, due, tried=1)
        self._metrics.result(self.name, "failed")
        return due

    def _put_off(self, uid: str, why: str, due: float, *, tried: int = 0) -> None:
        this = [uid, self.name]
        query = "SELECT came FROM results WHERE uid = ? AND destination = ?"
        ((came,),) = self._database.rows(query, this)
        is_dead = due > came + self._settings.give_up * _HOUR
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = ?, due = ?, attempts = attempts + ?, error = ? "
                "WHERE uid = ? AND destination = ?",
                ["dead" if is_dead else "waiting", due, tried, why, *this],
            )
        event = "dead letter" if is_dead else "result not sent"
        log(event, level=logging.WARNING, result=digest(uid), destination=self.name)
