"""Networks of a user: a Python file that registers them, run because its path was given.

A run remembers the file, to name it to whoever uses the run later. It is never run for that
reason alone, because a run folder may come from anywhere.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shlex import quote

from bmis.config import SETTINGS_FILE
from bmis.errors import BmisError, BundleError, ConfigError, DataError
from bmis.models.registry import find_method, list_models
from bmis.system.plain_yaml import read_yaml

_PREFIX = "bmis_plugin_"  # of the names of their modules


def load_plugins(files: Iterable[str | Path]) -> None:
    """Run each file once, so that the networks it registers can be built.

    Only call it with paths from the command line or from the caller's own code: it runs them.

    Args:
        files: Paths of Python files, as text or ``Path``.

    Raises:
        ConfigError: There is no such file, or it cannot be run.

    Example:
        >>> _ = Path("mine.py").write_text("print('registers its networks here')")
        >>> load_plugins(["mine.py"])
        registers its networks here
    """
    for path in (Path(file).resolve() for file in files):
        name = f"{_PREFIX}{path.stem}"
        known = sys.modules.get(name)
        if known is not None and known.__file__ == str(path):
            continue
        spec = spec_from_file_location(name, path) if path.suffix == ".py" else None
        if spec is None or spec.loader is None or not path.is_file():
            raise ConfigError(f"{path}: no Python file; name one that registers networks")
        module = module_from_spec(spec)
        sys.modules[name] = module  # before it runs: dataclasses and pickle look there
        try:
            spec.loader.exec_module(module)
        except BmisError:
            del sys.modules[name]
            raise
        except Exception as error:
            del sys.modules[name]
            raise ConfigError(
                f"{path}: cannot be run ({type(error).__name__}: {error}); fix the file"
            ) from error


def plugin_of(name: str) -> str | None:
    """The file that a network was registered by, absolute; None for those of bmis itself.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> plugin_of("bmis") is None
        True
    """
    module = sys.modules.get(find_method(name).cls.__module__)
    return module.__file__ if module and module.__name__.startswith(_PREFIX) else None


def check_registered(name: str, file: Path) -> None:
    """Refuse a checkpoint of a network that is not known here, and name the plugin it is from.

    Args:
        name: Name of the network.
        file: The checkpoint; its run folder may say what plugins the training was given.

    Raises:
        BundleError: There is no network of that name.

    Example:
        >>> check_registered("bmis", Path("run/model.safetensors"))
        >>> check_registered("mine", Path("model.safetensors"))
        Traceback (most recent call last):
        bmis.errors.BundleError: model.safetensors: network 'mine' does not come with this bmis...
    """
    if name not in list_models():
        raise BundleError(f"{file}: {missing_network(name, _recorded_plugins(file.parent))}")


def check_given(name: str, run: Path) -> None:
    """Refuse to train a network that a run has from a plugin, where the plugin was not given.

    Args:
        name: Name of the network.
        run: Run folder to go on with or to start from.

    Raises:
        ConfigError: There is no network of that name here, and the run names a plugin.

    Example:
        >>> check_given("mine", Path("run"))  # it was trained without plugins
    """
    plugins = _recorded_plugins(run)
    if plugins and name not in list_models():
        raise ConfigError(f"{run}: {missing_network(name, plugins)}")


def missing_network(name: str, plugins: Sequence[str]) -> str:
    """What to do about a network that is not known here.

    Args:
        name: Name of the network.
        plugins: The Python files that it may come from, as far as known.

    Example:
        >>> missing_network("mine", ["/home/me/mine.py"])
        "network 'mine' comes from /home/me/mine.py: give --plugin /home/me/mine.py"
    """
    if not plugins:
        return (
            f"network {name!r} does not come with this bmis: give --plugin FILE, the Python file "
            "that registers it, or update bmis"
        )
    options = " ".join(f"--plugin {quote(file)}" for file in plugins)
    return f"network {name!r} comes from {' or '.join(plugins)}: give {options}"


def _recorded_plugins(run: Path) -> list[str]:
    """The plugins that a training was given; none where its settings cannot be read."""
    try:
        settings = read_yaml(run / SETTINGS_FILE)
        return [str(file) for file in settings["plugins"]]
    except (DataError, KeyError, TypeError):
        return []
