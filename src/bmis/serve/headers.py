"""The headers that tell a browser what the page may do, by a service or as files alone."""

_RULES = (
    "default-src 'none'",
    "script-src {script}",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
)
_BY_HEADER = "frame-ancestors 'none'"  # browsers do not read this one in a page


def policy(*, wasm: bool = False, in_page: bool = False) -> str:
    """What the page may load and run (Content-Security-Policy): its own files alone.

    Args:
        wasm: Whether it may compile WebAssembly, which networks in the browser need.
        in_page: Whether it is for a ``meta`` element, and not for a header.

    Example:
        >>> policy().split("; ")[:2]
        ["default-src 'none'", "script-src 'self'"]
        >>> "script-src 'self' 'wasm-unsafe-eval'" in policy(wasm=True)
        True
    """
    rules = _RULES if in_page else (*_RULES, _BY_HEADER)
    return "; ".join(rules).format(script="'self' 'wasm-unsafe-eval'" if wasm else "'self'")


def security_headers(*, wasm: bool = False) -> dict[str, str]:
    """Headers of every answer.

    Args:
        wasm: See ``policy``.

    Example:
        >>> security_headers()["x-content-type-options"]
        'nosniff'
    """
    return {
        "content-security-policy": policy(wasm=wasm),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    }
