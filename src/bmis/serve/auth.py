"""Who may come in: bearer tokens, and without them only programs on this machine."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from bmis.errors import ConfigError
from bmis.serve.refusals import Refused
from bmis.system.reading import read_text

_SHORTEST = 16  # characters
_OWN_HOSTS = ("localhost", "127.0.0.1", "::1")


class Tokens:
    """The tokens that open a service.

    They are kept as digests. A token that is sent is compared with all of them, each in constant
    time, so that the time tells nothing.

    Args:
        tokens: Texts of 16 characters or more.

    Raises:
        ConfigError: There is none, or one is too short.

    Example:
        >>> tokens = Tokens(["correct horse battery"])
        >>> tokens.accept("Bearer correct horse battery"), tokens.accept("Bearer guess")
        (True, False)
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        if not tokens:
            raise ConfigError(
                "there is no token; write one on each line, such as `openssl rand -hex 32`"
            )
        if any(len(token) < _SHORTEST for token in tokens):
            raise ConfigError(f"a token has fewer than {_SHORTEST} characters; take a longer one")
        self._digests = [sha256(token.encode()).digest() for token in tokens]

    def accept(self, header: str | None) -> bool:
        """Whether the header ``Authorization`` carries one of the tokens."""
        scheme, _, token = (header or "").partition(" ")
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def read_tokens(path: Path | str) -> Tokens:
    r"""Read a file of tokens, one a line; empty lines and those with ``#`` in front do not count.

    Raises:
        ConfigError: See ``Tokens``.
        DataError: The file cannot be read.

    Example:
        >>> size = Path("tokens").write_text("# the ward\n0123456789abcdef\n")
        >>> read_tokens("tokens").accept("Bearer 0123456789abcdef")
        True
    """
    lines = [line.strip() for line in read_text(Path(path)).splitlines()]
    tokens = [line for line in lines if line and not line.startswith("#")]
    try:
        return Tokens(tokens)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def check_own_machine(host: str, origin: str | None) -> None:
    """Without tokens, refuse what other web pages make a browser send to this machine.

    Args:
        host: The header ``Host``; a page of another site can only send its own (DNS rebinding).
        origin: The header ``Origin``, which names the page that a browser sends it for.

    Raises:
        Refused: It is no request of this machine.

    Example:
        >>> check_own_machine("127.0.0.1:8000", None)
        >>> check_own_machine("127.0.0.1:8000", "https://example.org")
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: another web page may not use this service; ...
    """
    if _name(f"//{host}") not in _OWN_HOSTS:
        raise Refused(
            403, "this service is for localhost alone; start it with --token-file for others"
        )
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refused(403, "another web page may not use this service; open its own page")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
