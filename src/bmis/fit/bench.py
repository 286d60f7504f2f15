"""The command ``bench``: what a set of bundles costs on this machine; no torch."""

from collections.abc import Iterable
from pathlib import Path

from bmis.bundle import SUFFIX, read_bundle
from bmis.errors import BmisError, DataError
from bmis.fit.busy import warn_if_busy
from bmis.fit.device import DeviceBundle, DeviceFile, way_sizes, ways_of
from bmis.profile.bundle import profile_bundle
from bmis.runtime.engines import installed_engines
from bmis.system.processor import processor_name
from bmis.system.progress import track

Failed = tuple[tuple[Path, str], ...]


def bench_bundles(
    folder: Path | str, *, threads: int = 1, seconds: float = 1.0
) -> tuple[DeviceFile, Failed]:
    """Measure every bundle of a folder on this machine.

    Args:
        folder: Folder of bundles, such as ``bmis bench --make`` writes.
        threads: How many threads share one call.
        seconds: Least time of each measurement.

    Returns:
        What they cost, and the bundles that could not be measured with one line each.

    Raises:
        DataError: There are no bundles in the folder, or none can be measured.

    Example:
        >>> from shutil import copy
        >>> from bmis.pretrained.lookup import find_model_file
        >>> Path("bench").mkdir()
        >>> _ = copy(find_model_file("nuclei"), "bench")
        >>> found, failed = bench_bundles("bench", seconds=0)
        >>> [bundle.model for bundle in found.bundles], failed
        (['bmis_edge'], ())
    """
    files = find_bundles(Path(folder))
    warn_if_busy()
    bundles, failed = _measure(files, threads, seconds)
    if not bundles:
        raise DataError(f"{folder}: no bundle can be measured; {failed[0][1]}")
    return DeviceFile(processor_name(), threads, installed_engines(), tuple(bundles)), tuple(failed)


def find_bundles(folder: Path) -> list[Path]:
    """The bundles of a folder by name.

    Raises:
        DataError: There are none.

    Example:
        >>> find_bundles(Path("polyps"))
        Traceback (most recent call last):
        bmis.errors.DataError: polyps: no bundles (*.bmis) here; make a set with `bmis bench ...
    """
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise DataError(
            f"{folder}: no bundles (*{SUFFIX}) here; make a set with `bmis bench --make {folder}` "
            "where torch is installed, and copy that folder"
        )
    return files


def _measure(
    files: Iterable[Path], threads: int, seconds: float
) -> tuple[list[DeviceBundle], list[tuple[Path, str]]]:
    bundles, failed = list[DeviceBundle](), list[tuple[Path, str]]()
    for path in track(list(files), "measuring bundles"):
        try:
            bundles.append(_measure_one(path, threads, seconds))
        except BmisError as error:
            failed.append((path, str(error)))
    return bundles, failed


def _measure_one(path: Path, threads: int, seconds: float) -> DeviceBundle:
    bundle = read_bundle(path)
    info = bundle.manifest.info
    profile = profile_bundle(path, batches=(1,), threads=threads, seconds=seconds)
    model = info.model
    return DeviceBundle(
        model.name,
        model.options,
        info.input.size,
        model.in_channels,
        model.num_classes,
        ways_of(profile, way_sizes(bundle.manifest.graphs, bundle.read)),
    )
