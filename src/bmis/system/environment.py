"""What a result was made with, for people who want to repeat it."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def software_versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions of Python, the operating system and some packages.

    Args:
        packages: Names of packages as they are installed.

    Returns:
        A version for "python", "system" and each package; None for one that is not installed.

    Example:
        >>> list(software_versions(["bmis", "numpy"]))
        ['python', 'system', 'bmis', 'numpy']
        >>> software_versions(["no-such-package"])["no-such-package"] is None
        True
    """
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in packages},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
