"""Who may send: AE titles, each from the addresses that it may come from."""

import ipaddress
import socket
from collections.abc import Sequence

from bmis.config.checks import check_value
from bmis.errors import ConfigError
from bmis.serve.node.settings import AeTitle

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peers:
    """The senders that are let in. Names of hosts are looked up once, when a node starts.

    Args:
        peers: Each as AET@host, AET@address or AET@network/bits.

    Raises:
        ConfigError: One is written otherwise, or there is no such host.

    Example:
        >>> peers = Peers(["CT1@10.0.0.7", "US@192.168.0.0/24"])
        >>> peers.titles("10.0.0.7"), peers.titles("192.168.0.9"), peers.titles("10.0.0.8")
        (['CT1'], ['US'], [])
        >>> Peers(["CT1"])
        Traceback (most recent call last):
        bmis.errors.ConfigError: peer 'CT1': give AET@HOST, such as CT1@10.0.0.7
    """

    def __init__(self, peers: Sequence[str]) -> None:
        self._known = [(title, networks) for title, networks in map(_read, peers)]

    def titles(self, address: str) -> list[str]:
        """The AE titles that may come from an address."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return [
            title
            for title, networks in self._known
            if any(found in network for network in networks if network.version == found.version)
        ]


def _read(peer: str) -> tuple[str, list[_Network]]:
    title, _, host = peer.rpartition("@")
    if not title or not host:
        raise ConfigError(f"peer {peer!r}: give AET@HOST, such as CT1@10.0.0.7")
    check_value(f"the AE title of peer {peer!r}", title, AeTitle)
    try:
        return title, [ipaddress.ip_network(host)]
    except ValueError as error:
        if "/" in host:
            raise ConfigError(f"peer {peer!r}: {error}; give an address or a network") from None
    try:
        found = socket.getaddrinfo(host, None)
    except OSError as error:
        raise ConfigError(f"peer {peer!r}: no such host ({error}); give its address") from None
    return title, [ipaddress.ip_network(str(place[0]).partition("%")[0]) for *_, place in found]
