"""Start a node, and stop it when it is told to."""

import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event

from bmis.errors import ConfigError
from bmis.serve.logs import set_up_logs
from bmis.serve.node.letters import DeadLetter, dead_letters
from bmis.serve.node.node import Node
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import open_spool


def serve_dicom(settings: NodeSettings, started: Callable[[str, list[str]], None]) -> None:
    """Receive, answer and send until the process gets SIGINT or SIGTERM.

    Args:
        settings: What the node is asked to do.
        started: Called with the address and the names of the networks when senders can come.

    Raises:
        ConfigError: See ``Node``, as for all others.

    Example:
        >>> settings = NodeSettings(0, spool="s", rules="nowhere.yaml", peers=("CT1@127.0.0.1",))
        >>> serve_dicom(settings, print)
        Traceback (most recent call last):
        bmis.errors.DataError: nowhere.yaml: cannot be read (No such file or directory); ...
    """
    node, stopped = Node(settings), Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    set_up_logs()
    node.start()
    started(f"{settings.aet} at {settings.host}:{node.port}", node.networks)
    stopped.wait()
    node.stop()


def list_dead_letters(settings: NodeSettings) -> list[DeadLetter]:
    """What a node could not do; it may run meanwhile.

    Raises:
        ConfigError: There is no spool.

    Example:
        >>> list_dead_letters(NodeSettings(spool="nowhere"))
        Traceback (most recent call last):
        bmis.errors.ConfigError: nowhere: no spool of a DICOM node; give --spool FOLDER
    """
    if settings.spool is None or not (Path(settings.spool) / "node.sqlite").is_file():
        raise ConfigError(f"{settings.spool}: no spool of a DICOM node; give --spool FOLDER")
    return dead_letters(open_spool(settings))
