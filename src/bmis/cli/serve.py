"""``bmis serve``: networks as an HTTP service with a page, as a page alone, or as a DICOM node."""

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from bmis.cli.console import say
from bmis.errors import ConfigError

if TYPE_CHECKING:
    from bmis.config import Settings

HELP = "serve networks over HTTP, with a page for the browser"
EXAMPLE = "colonoscopy lesion.bmis --port 8000"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> args = parser.parse_args(["nuclei", "--max-mb", "8"])
        >>> args.models, args.max_mb, args.host
        (['nuclei'], 8, '127.0.0.1')
    """
    from bmis.cli.flags import add_flags
    from bmis.config import RuntimeOptions, Settings
    from bmis.config.settings import describe_field, field_types
    from bmis.serve.node.settings import NodeSettings
    from bmis.serve.settings import ServeSettings
    from bmis.serve.static_page import StaticSettings

    def help_of(kind: type[Settings], name: str) -> str:
        text = describe_field(field_types(kind)[name])
        return text[:1].lower() + text[1:].removesuffix(".")

    parser.add_argument("models", nargs="*", metavar="MODEL", help=help_of(ServeSettings, "models"))
    add_flags(parser, ServeSettings, leave_out=["models", "device"])
    group = parser.add_argument_group(
        "page without a service", "its networks run in the browser; see docs/how-to/serve.md"
    )
    add_flags(group, StaticSettings, leave_out=["models", "static"])
    group.add_argument("--static", metavar="OUT", help=help_of(StaticSettings, "static"))
    group = parser.add_argument_group(
        "DICOM node", "in place of HTTP; see docs/how-to/serve-dicom.md"
    )
    add_flags(group, NodeSettings, leave_out=["host", *field_types(RuntimeOptions)])
    group.add_argument(
        "--dead-letters", action="store_true", help="list what a node could not do, and end"
    )


def run(args: Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["serve", "nuclei", "--host", "0.0.0.0"])
        2
    """
    from bmis.cli.flags import settings_from
    from bmis.serve.node.settings import NodeSettings
    from bmis.serve.settings import ServeSettings
    from bmis.serve.static_page import StaticSettings

    if args.dead_letters or args.dicom is not None:
        _check_flags(args, NodeSettings, "a DICOM node")
        return _run_node(args)
    if args.static is not None:
        _check_flags(args, StaticSettings, "--static")
        return _write_static(args)
    _check_flags(args, ServeSettings, "the HTTP service")
    from bmis.serve.run import serve  # needs what the others do without

    try:
        serve(settings_from(args, ServeSettings), _started)
    except KeyboardInterrupt:
        say("stopped; all that was begun is done")
    return 0


def _check_flags(args: Namespace, kind: "type[Settings]", mode: str) -> None:
    """Refuse options that are for another way of serving, as they would do nothing."""
    from bmis.cli.flags import flags_given
    from bmis.serve.node.settings import NodeSettings
    from bmis.serve.settings import ServeSettings
    from bmis.serve.static_page import StaticSettings

    own = flags_given(args, kind)
    for other in (ServeSettings, StaticSettings, NodeSettings):
        foreign = [flag for name, flag in flags_given(args, other).items() if name not in own]
        foreign = [flag for flag in foreign if flag != "--models"]
        if foreign:
            raise ConfigError(f"{mode} takes no {foreign[0]}; leave it out")


def _write_static(args: Namespace) -> int:
    from bmis.cli.flags import settings_from
    from bmis.serve.static_page import StaticSettings, write_static_page

    page = write_static_page(settings_from(args, StaticSettings))
    total, one, runtime = (size / 1e6 for size in (page.total, page.with_one, page.runtime))
    whose = f", {runtime:.1f} of them onnxruntime-web {page.version}" if page.version else ""
    say(
        f"{page.out}: the page with {', '.join(page.networks)}, {total:.1f} MB; {one:.1f} MB with "
        f"one network{whose}\n"
        f"try it with: python -m http.server --bind 127.0.0.1 --directory {page.out}"
    )
    return 0


def _run_node(args: Namespace) -> int:
    from bmis.cli.flags import settings_from
    from bmis.serve.node.run import list_dead_letters, serve_dicom
    from bmis.serve.node.settings import NodeSettings

    if args.models:
        raise ConfigError("a DICOM node takes its networks from --rules; name none beside it")
    settings = settings_from(args, NodeSettings)
    if args.dead_letters:
        say("\n".join(map(str, list_dead_letters(settings))) or "no dead letters")
    else:
        serve_dicom(settings, _started)
    return 0


def _started(address: str, names: list[str]) -> None:
    say(f"{address} serves {', '.join(names)}; stop it with Ctrl-C")
    sys.stdout.flush()  # whoever started it may wait for this line
