"""Results that wait to be sent: when each is due, and what became of it."""

import logging
import time

from bmis.serve.node.identity import digest
from bmis.serve.node.logs import log
from bmis.serve.node.rules import Destination
from bmis.serve.node.send import send
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import Spool

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

    Example:
        >>> from pathlib import Path
        >>> pacs = Destination("pacs", aet="PACS", host="127.0.0.1", port=4242)
        >>> outbox = Outbox(Spool(Path("spool"), limit=10**9), pacs, NodeSettings())
        >>> outbox.send_due()
        False
    """

    def __init__(self, spool: Spool, destination: Destination, settings: NodeSettings) -> None:
        self._spool, self._database = spool, spool.database
        self._destination, self._settings = destination, settings

    def retry_all(self) -> None:
        """Let all be due now, dead letters too: whatever was wrong may have been put right."""
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = 'waiting', due = 0, attempts = 0, came = ? "
                "WHERE destination = ? AND state != 'done'",
                [time.time(), self._destination.name],
            )

    def send_due(self) -> bool:
        """Send what is due; whether there was something."""
        uids = {self._spool.path_of_result(uid): uid for uid in self._due()}
        if uids:
            own, seconds = self._settings.aet, self._settings.idle
            for path, why in send(list(uids), self._destination, aet=own, seconds=seconds):
                self._note(uids[path], why)
        return bool(uids)

    def _due(self) -> list[str]:
        rows = self._database.rows(
            "SELECT uid FROM results WHERE destination = ? AND state = 'waiting' AND due <= ? "
            "ORDER BY came LIMIT ?",
            [self._destination.name, time.time(), _MOST],
        )
        return [uid for (uid,) in rows]

    def _note(self, uid: str, why: str | None) -> None:
        state = self._sent(uid) if why is None else self._failed(uid, why)
        level = logging.INFO if why is None else logging.WARNING
        log(state, level=level, result=digest(uid), destination=self._destination.name)

    def _sent(self, uid: str) -> str:
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = 'done', error = NULL WHERE uid = ? AND destination = ?",
                [uid, self._destination.name],
            )
        self._spool.remove_if_sent(uid)
        return "result sent"

    def _failed(self, uid: str, why: str) -> str:
        this, now, settings = [uid, self._destination.name], time.time(), self._settings
        query = "SELECT came, attempts FROM results WHERE uid = ? AND destination = ?"
        ((came, attempts),) = self._database.rows(query, this)
        due = now + min(_LONGEST, settings.retry * 2 ** min(attempts, 30))
        is_dead = due > came + settings.give_up * _HOUR
        with self._database.transaction():
            self._database.rows(
                "UPDATE results SET state = ?, due = ?, attempts = attempts + 1, error = ? "
                "WHERE uid = ? AND destination = ?",
                ["dead" if is_dead else "waiting", due, why, *this],
            )
        return "dead letter" if is_dead else "result not sent"
