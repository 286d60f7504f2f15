"""The command ``bmis``: argv -> settings -> one verb; faults become one line and exit code 2."""

import sys
from collections.abc import Sequence

from bmis.cli.arguments import make_parser
from bmis.cli.console import set_up_messages
from bmis.cli.verbs import VERBS
from bmis.errors import BmisError, TrainingInterrupted, is_out_of_memory

_WORKSHOP = ("torch", "lightning", "scipy", "jinja2", "matplotlib")  # what the extra "train" brings
_NO_MEMORY_CURE = "use smaller images, a larger machine or a larger --memory-limit"
_INTERRUPTED = 130  # what shells say after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 for anything wrong with what was given; 130 after Ctrl-C.
    """
    try:
        args = make_parser(VERBS).parse_args(argv)
        set_up_messages(verbose=args.verbose)
        if getattr(args, "plugins", None):
            from bmis.models.plugins import load_plugins

            load_plugins(args.plugins)
        return int(args.run_verb(args))
    except BmisError as error:
        sys.stderr.write(f"bmis: {error}\n")
        return _INTERRUPTED if isinstance(error, TrainingInterrupted) else 2
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in _WORKSHOP:
            raise
        sys.stderr.write(
            f'bmis: {package} is needed for this; install it with: pip install "bmis[train]"\n'
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("bmis: stopped\n")
        return _INTERRUPTED
    except Exception as error:  # every library says it in its own way
        if not is_out_of_memory(error):
            raise
        sys.stderr.write(f"bmis: not enough memory; {_NO_MEMORY_CURE}\n")
        return 2
