"""``bmis bench``: measure on a device what `bmis fit` must know of it; no torch."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bmis.cli.console import answer, say_failures, table
from bmis.cli.options import add_json
from bmis.errors import ConfigError
from bmis.wording import counted, short

if TYPE_CHECKING:
    from bmis.fit.device import DeviceFile

HELP = "measure a device, for `bmis fit --device` on another machine"
EXAMPLE = "--out pi5.json"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["bench", "--out", "pi5.json"]).threads
        1
    """
    add_json(parser)
    parser.add_argument(
        "bundles",
        nargs="?",
        type=Path,
        default=Path("bench"),
        metavar="FOLDER",
        help="folder of bundles (default: %(default)s)",
    )
    parser.add_argument(
        "--make",
        action="store_true",
        help="write the bundles into that folder, where torch is installed, and stop",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="device file to write, .json")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="processor threads that share one call (default: %(default)s)",
    )


def run(args: Namespace) -> int:
    """Measure all bundles and write the device file, or make the bundles.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["bench", "polyps", "--out", "pi5.json"])  # on stderr: no bundles here
        2
    """
    if args.make:
        return _make(args)
    if args.out is None or args.threads < 1:
        raise ConfigError("give --out FILE for what is measured, and --threads of 1 or more")
    from bmis.fit.bench import bench_bundles
    from bmis.fit.device import write_device
    from bmis.system.files import output_folder

    output_folder(args.out.parent)  # before minutes of measuring
    found, failed = bench_bundles(args.bundles, threads=args.threads)
    write_device(args.out, found)
    answer(args, found.to_dict(), render(found, args.out))
    return say_failures(failed)


def _make(args: Namespace) -> int:
    from bmis.fit.untrained import make_bench

    paths = make_bench(args.bundles)
    text = (
        f"{counted(len(paths), 'bundle')} in {args.bundles}\n"
        f"next, on the device: bmis bench {args.bundles} --out device.json"
    )
    answer(args, {"bundles": [str(path) for path in paths]}, text)
    return 0


def render(found: "DeviceFile", out: Path) -> str:
    """What was measured, as a table for the terminal.

    Example:
        >>> from bmis.fit.device import DeviceBundle, DeviceFile, WayCost
        >>> way = WayCost("onnxruntime", "int8", ms=3.1)
        >>> bundle = DeviceBundle("unet", {}, (96, 96), 3, 2, (way,))
        >>> print(render(DeviceFile("a board", 1, {}, (bundle,)), Path("pi5.json")))
        a board, 1 thread
        network  size   engine ...
        unet     96x96  onnxruntime int8  3.10
        <BLANKLINE>
        device file: pi5.json
        next, where torch is: bmis fit DATA --max-ms 10 --device pi5.json --threads 1
    """
    rows = [
        [one.model, "x".join(map(str, one.size)), way.name, short(way.ms)]
        for one in found.bundles
        for way in one.ways
    ]
    title = f"{found.machine}, {counted(found.threads, 'thread')}"
    shown = table(rows, "wllr", headers=("network", "size", "engine", "ms"), title=title)
    following = f"bmis fit DATA --max-ms 10 --device {out.name} --threads {found.threads}"
    return f"{shown}\n\ndevice file: {out}\nnext, where torch is: {following}"
