"""Networks of a user: a Python file that registers them, run because its path was given."""

import sys
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from bmis.errors import BmisError, ConfigError


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
        name = f"bmis_plugin_{path.stem}"
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
