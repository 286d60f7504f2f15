"""What a result was made with, for people who want to repeat it."""

import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
_PATIENCE = 5  # seconds for git, which takes hundredths


def software_versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions of Python, the operating system, some packages and the code of bmis itself.

    Args:
        packages: Names of packages as they are installed.

    Returns:
        A version for "python", "system" and each package; None for one that is not installed.
        "source" is a hash of the source of bmis, and "commit" that of git, with "+changes" if
        there are any; None where bmis is not run from a checkout.

    Example:
        >>> list(software_versions(["bmis", "numpy"]))
        ['python', 'system', 'bmis', 'numpy', 'source', 'commit']
        >>> software_versions(["no-such-package"])["no-such-package"] is None
        True
    """
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in packages},
        "source": source_hash(),
        "commit": source_commit(),
    }


def influences(environment: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What may change a result, be it in its last bits: code, torch, device, threads, recipe.

    Threads are left out where the training chose their number by itself (``threads_measured``).

    Args:
        environment: What a record says of itself; older ones hold less.
        recipe: All settings of the recipe, or nothing.

    Example:
        >>> influences({"source": "9f2c41", "threads": 4}, {"augmentation": {"flip": 0.5}})
        {'code': '9f2c41', 'threads': 4, 'recipe augmentation flip': 0.5}
    """
    names = {"source": "code", "torch": "torch", "device": "device", "threads": "threads"}
    if environment.get("threads_measured"):
        del names["threads"]
    found = {name: environment[key] for key, name in names.items() if environment.get(key)}
    return found | dict(_leaves("recipe", recipe))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{name} {key}", inner)
    else:
        yield name, list(value) if isinstance(value, tuple) else value


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs, in a few words; entries that only one of both has are left out.

    Example:
        >>> changes({"threads": 4, "torch": "2.8.0"}, {"threads": 2, "torch": "2.8.0"})
        'threads 4, now 2'
    """
    return "; ".join(
        f"{key} {value}, now {now[key]}"
        for key, value in before.items()
        if key in now and now[key] != value
    )


@cache
def source_hash(package: Path = _PACKAGE) -> str | None:
    """Sixteen digits that differ where any source file of a package does; None if unreadable.

    Example:
        >>> source_hash() == source_hash()
        True
        >>> source_hash(Path("no-such-package")) is None
        True
    """
    files = [
        os.path.join(folder, name)  # noqa: PTH118  (pathlib takes ten times as long)
        for folder, _, names in os.walk(package)
        for name in names
        if name.endswith(".py")
    ]
    found = sha256()
    try:
        for file in sorted(files):
            content = Path(file).read_bytes()
            found.update(f"{file[len(str(package)) :]}\0{len(content)}\0".encode() + content)
    except OSError:
        return None
    return found.hexdigest()[:16] if files else None


@cache
def source_commit(package: Path = _PACKAGE) -> str | None:
    """The commit of git that a package is run from, with "+changes" if its files have any.

    Returns:
        None where it is not ``src/<package>`` of a checkout, or git cannot say.

    Example:
        >>> source_commit(Path("installed/bmis")) is None
        True
    """
    root = package.parents[1]
    if package.parent.name != "src" or not (root / ".git").exists():
        return None  # a checkout around it may be of something else
    command = ["git", "--no-optional-locks", "-C", str(root), "status", "--porcelain=v2"]
    outside = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        run = subprocess.run(  # noqa: S603  (git, with arguments of our own)
            [*command, "--branch", "--", str(package)],
            env=outside, capture_output=True, text=True, timeout=_PATIENCE, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    lines = run.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
    changed = any(not line.startswith("#") for line in lines)
    return commit and commit[:12] + ("+changes" if changed else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
