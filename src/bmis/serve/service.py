"""A running service: its networks, its places and its counters, and what becomes of a request."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bmis.errors import did_you_mean
from bmis.serve.accept import DICOM
from bmis.serve.auth import Tokens, check_own_machine, read_tokens
from bmis.serve.body import (
    Arrivals,
    check_length,
    check_no_form,
    check_plain,
    private_folder,
    receive,
    remove,
)
from bmis.serve.contents import Contents, open_contents
from bmis.serve.metrics import Metrics
from bmis.serve.monai_label.sessions import Sessions
from bmis.serve.networks import Network
from bmis.serve.refusals import Refused
from bmis.serve.segment import Done, answer
from bmis.serve.settings import ServeSettings
from bmis.serve.wanted import Wanted
from bmis.serve.worker import Worker

_T = TypeVar("_T")
_ARRIVING = 4  # bodies that may be on their way for each place in the queue


@dataclass(frozen=True)
class Asked:
    """A request for masks, as far as it is known from its head.

    Attributes:
        model: Name of the network.
        headers: Headers by their names in small letters.
        wanted: What is asked for.

    Example:
        >>> Asked("nuclei", {"content-type": "application/dicom"}, Wanted()).model
        'nuclei'
    """

    model: str
    headers: Mapping[str, str]
    wanted: Wanted


class Service:
    """The networks of a service and what all requests share.

    Args:
        networks: The networks.
        settings: Limits, and where the tokens are.

    Attributes:
        networks: The networks by name.
        worker: Computes.
        metrics: Counts.
        sessions: Images that clients of MONAI Label left here.

    Raises:
        ConfigError: See ``read_tokens``.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> service.find("nuclei").name, service.worker.gate.taken
        ('nuclei', 0)
        >>> service.worker.close()
    """

    def __init__(self, networks: Sequence[Network], settings: ServeSettings) -> None:
        self.networks = {network.name: network for network in networks}
        self._settings = settings
        self._tokens = None if settings.token_file is None else read_tokens(settings.token_file)
        self.worker = Worker(settings.workers, settings.queue)
        self.sessions = Sessions(settings.sessions)
        self._arriving = Arrivals(_ARRIVING * settings.queue, settings.timeout)
        self.metrics = Metrics(lambda: self.worker.gate.taken)

    @property
    def tokens(self) -> Tokens | None:
        """The tokens, if clients need one."""
        return self._tokens

    def check_client(self, headers: Mapping[str, str]) -> None:
        """Let a client in or not.

        Raises:
            Refused: Its token is missing or wrong, or, without tokens, it is not of this machine.
        """
        if self._tokens is None:
            check_own_machine(headers.get("host", ""), headers.get("origin"))
        elif not self._tokens.accept(headers.get("authorization")):
            raise Refused(401, "no token, or a wrong one; send `Authorization: Bearer TOKEN`")

    def find(self, name: str) -> Network:
        """The network of a name.

        Raises:
            Refused: There is none.
        """
        if name not in self.networks:
            shown = name[:60]
            raise Refused(404, f"no network {shown!r} here{did_you_mean(shown, self.networks)}")
        return self.networks[name]

    async def segment(self, asked: Asked, chunks: AsyncIterator[bytes]) -> Done:
        """Receive a body and answer it.

        Args:
            asked: The head of the request.
            chunks: Its body.

        Raises:
            Refused: Anything is wrong with it, or there is no place.
        """
        network = self.find(asked.model)
        check_no_form(asked.headers)

        def work(path: Path) -> Done:
            return self.answer(network, self.open([path]), asked.wanted)

        return await self.work(asked.headers, chunks, work)

    async def work(
        self, headers: Mapping[str, str], chunks: AsyncIterator[bytes], do: Callable[[Path], _T]
    ) -> _T:
        """Receive a body, and let the worker do something with it.

        Args:
            headers: The head of the request.
            chunks: Its body.
            do: What is done with the file that holds it. Its folder is removed then.

        Raises:
            Refused: The body is packed, too long or too slow, there is no place, or ``do`` raised
                it.
        """
        limits = self._settings
        check_length(headers, limits.max_bytes)
        check_plain(headers)
        self._check_queue()
        folder = private_folder()
        try:
            async with self._arriving.place():
                path = await receive(
                    chunks,
                    folder,
                    limit=limits.max_bytes,
                    dicom=headers.get("content-type", "").startswith(DICOM),
                )
        except BaseException:
            remove(folder)
            raise
        return await self.worker.do(
            partial(do, path), seconds=limits.timeout, after=partial(remove, folder)
        )

    def open(self, paths: Sequence[Path]) -> Contents:
        """What files of a request hold; see ``open_contents``."""
        return open_contents(paths, limit=self._settings.max_bytes)

    def answer(self, network: Network, contents: Contents, wanted: Wanted) -> Done:
        """Segment and count; see ``bmis.serve.segment.answer``."""
        done = answer(network, contents, wanted, max_pixels=self._settings.max_pixels)
        self.metrics.pictures(network.name, done.pictures, done.out_of_distribution)
        return done

    def _check_queue(self) -> None:
        """Send a client away before its body is read, if there is no place for it anyway."""
        if self.worker.gate.is_full:
            retry = self.worker.retry_after
            raise Refused(429, "all places are taken; try again later", retry_after=retry)


def in_json(value: Any) -> bytes:
    """Plain values as JSON.

    Example:
        >>> in_json({"status": "ok"})
        b'{"status":"ok"}'
    """
    return msgspec.json.encode(value)
