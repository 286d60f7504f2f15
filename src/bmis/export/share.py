"""The command ``share``: a trained network in, a folder for the Hugging Face Hub out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bmis.bundle import read_bundle
from bmis.config import ModelInfo
from bmis.errors import ConfigError, DataError
from bmis.export.run import export_run
from bmis.export.share_readme import write_readme
from bmis.models.checkpoint import read_checkpoint
from bmis.pretrained.hub import BUNDLE, WEIGHTS
from bmis.system.files import whole_folder, write_text
from bmis.train.sources import find_source


@dataclass(frozen=True)
class Shared:
    """The result of ``share_run``.

    Attributes:
        out: The folder.
        address: What others will call it, ``hf://owner/name``.
        files: Names of the files in it with their sizes in bytes.

    Example:
        >>> Shared(Path("hub"), "hf://clinic/polyps", {"model.bmis": 900_000}).files
        {'model.bmis': 900000}
    """

    out: Path
    address: str
    files: dict[str, int]


def share_run(
    run: Path | str,
    out: Path | str,
    *,
    name: str | None = None,
    licence: str = "other",
    bundle: Path | str | None = None,
    data: Path | str | None = None,
) -> Shared:
    """Write a folder that the Hub takes as it is: bundle, weights and card.

    No image, no path and no name of a machine goes into it. The folder appears when it is complete.

    Args:
        run: Run folder of ``bmis train``, or a ``.safetensors`` file.
        out: The folder, new or empty.
        name: "owner/name" on the Hub; by default "OWNER" and the name of ``out``.
        licence: Identifier of the weights' licence, such as "apache-2.0".
        bundle: A bundle of the same network, exported before, such as one in int8. By default the
            network is exported in float32.
        data: Dataset folder that validates the export; by default that of the training.

    Raises:
        ConfigError: The name is none, the bundle is another network's, or an option is wrong.
        DataError: ``out`` holds something already, or cannot be written.
        BundleError: The run or the bundle cannot be read, or the export does not pass the gate.

    Example:
        >>> import bmis
        >>> done = bmis.share_run("run", "hub", data="polyps", name="clinic/polyps")
        >>> sorted(done.files)
        ['README.md', 'model.bmis', 'model.safetensors']
        >>> bmis.load(done.out / "model.bmis")("photo.png").labels.shape
        (64, 64)
    """
    out = Path(out)
    place = f"OWNER/{out.resolve().name}" if name is None else name
    if place.count("/") != 1 or not all(place.split("/")):
        raise ConfigError(f"{place!r}: the name on the Hub is owner/name")
    source = find_source(run)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out}: holds something already; name a new folder")
    with whole_folder(out) as folder:
        if bundle is None:
            export_run(run, folder / BUNDLE, data=data)
        else:
            _check_same(bundle, source)
            shutil.copyfile(bundle, folder / BUNDLE)
        shutil.copyfile(source, folder / WEIGHTS)
        read = read_bundle(folder / BUNDLE)
        address = f"hf://{place}"
        text = write_readme(read.card, read.manifest, address=address, licence=licence)
        write_text(folder / "README.md", text)
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return Shared(out, address, files)


def _check_same(bundle: Path | str, source: Path) -> None:
    theirs, ours = read_bundle(Path(bundle)).manifest.info, read_checkpoint(source)[1]
    if _identity(theirs) != _identity(ours):
        raise ConfigError(
            f"{bundle}: is not exported from {source}; name a bundle of the same training, or "
            "leave --bundle out"
        )


def _identity(info: ModelInfo) -> tuple[object, ...]:
    """What a bundle and the weights that it was exported from have in common."""
    training = (info.provenance.get(key) for key in ("data", "seed", "epochs", "best_epoch"))
    return (info.model, info.classes, info.input.size, *training)
