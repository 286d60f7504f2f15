"""TLS of associations: certificates of the node, and whose certificates it takes."""

import ssl
from collections.abc import Callable

from bmis.errors import ConfigError
from bmis.serve.node.settings import NodeSettings


def server_context(settings: NodeSettings) -> ssl.SSLContext | None:
    """How senders must encrypt; None without a certificate.

    With ``tls_ca`` a sender must show a certificate of that authority.

    Raises:
        ConfigError: A file cannot be read, or is no certificate or key.

    Example:
        >>> server_context(NodeSettings()) is None
        True
    """
    if settings.tls_cert is None:
        return None
    context = _context(ssl.Purpose.CLIENT_AUTH, settings)
    if settings.tls_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(settings: NodeSettings) -> ssl.SSLContext:
    """How results are encrypted on their way to a destination with ``tls: true``.

    Its certificate must be of ``tls_ca``, or of an authority that the system knows, and be for
    the host that the rules name. The node shows its own, if it has one.

    Raises:
        ConfigError: See ``server_context``.

    Example:
        >>> client_context(NodeSettings()).check_hostname
        True
    """
    return _context(ssl.Purpose.SERVER_AUTH, settings)


def _context(purpose: ssl.Purpose, settings: NodeSettings) -> ssl.SSLContext:
    files = [settings.tls_ca] if settings.tls_ca else []
    try:
        context = ssl.create_default_context(purpose, cafile=settings.tls_ca)
        if settings.tls_cert is not None and settings.tls_key is not None:
            files = [settings.tls_cert, settings.tls_key]
            password = _no_password(settings.tls_key)
            context.load_cert_chain(settings.tls_cert, settings.tls_key, password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{' and '.join(files)}: cannot be used for TLS ({reason}); give PEM files that can be "
            "read, and the key of the certificate"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password(key: str) -> Callable[[], str]:
    """OpenSSL would ask for it on the terminal."""

    def fail() -> str:
        raise ConfigError(f"{key}: has a password; give a key without one, for this user alone")

    return fail
