"""Result records: all that is known of one trial of a comparison, one JSON file each.

Records are the only thing that ``compare`` writes and ``report`` reads. So a comparison is stopped,
resumed, widened and merged by nothing but files. ``docs/reference/records.md`` describes the
format.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec

from bmis.config import Epochs, InputSize, RecipeName, Resize, Settings, check_choice
from bmis.errors import ConfigError, DataError
from bmis.system.environment import influences
from bmis.system.files import output_folder, write_json
from bmis.system.reading import read_bytes
from bmis.wording import counted

FORMAT = "bmis-record"
VERSION = 1
STATUSES = ("done", "failed")
_LARGEST = 64 * 2**20  # bytes; a record of 10,000 images has about two million
_Columns = Annotated[dict[str, list[Any]], msgspec.Meta(title="names with lists of values")]


@dataclass(frozen=True)
class Trial(Settings):
    """What differs between the trials of a comparison.

    Attributes:
        dataset: Name of the data set.
        method: Name of the network, with its options if any: "bmis", "bmis:eca=false".
        fold: Number of the fold, or the name of its file; None for the data set's own split.
        seed: Seed of the training.

    Example:
        >>> print(Trial("polyps", "unet", fold=2))
        unet on polyps, fold 2, seed 0
    """

    dataset: str
    method: str
    fold: int | str | None = None
    seed: int = 0

    def __str__(self) -> str:
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.method} on {self.dataset}{fold}, seed {self.seed}"


@dataclass(frozen=True)
class Conditions(Settings):
    """What all trials of a comparison share.

    Example:
        >>> print(Conditions(epochs=20, size=(128, 128)))
        recipe default, 20 epochs, 128x128, squash
    """

    recipe: RecipeName = "default"
    epochs: Epochs = 60
    size: InputSize = (224, 224)
    resize: Resize = "squash"

    def __str__(self) -> str:
        size = f"{self.size[0]}x{self.size[1]}"
        return f"recipe {self.recipe}, {counted(self.epochs, 'epoch')}, {size}, {self.resize}"


@dataclass(frozen=True)
class Record(Settings):
    """One trial: what was run, what came out, what it cost.

    Attributes:
        trial: Data set, method, fold and seed.
        conditions: What the trial shares with the others of its comparison.
        status: "done" or "failed".
        reason: Why it failed, in one line; None if it did not.
        data: ``path``, ``fingerprint`` (of the ids, their splits and which have a field of view),
            ``content`` (a fingerprint of the files of images, masks and fields of view, and of
            classes, channels and spacing; records of earlier versions have none),
            ``train``, ``val``, ``test`` (numbers of images), ``classes`` (names, background
            first), ``unit`` ("px" or "mm"), ``fields_of_view`` (number of test images that are
            scored inside one).
        model: ``name``, ``options``, ``family``, ``group``, ``source``, ``licence``.
        training: ``batch_size``, ``recipe`` (all its settings), ``precision``, ``best_epoch``,
            ``seconds`` (all epochs, validation included), ``seconds_per_epoch`` (median, without
            validation), ``log`` (one row an epoch).
        costs: ``parameters``, ``macs``, ``weights_mb``, ``training_mb``, ``inference_mb``,
            ``latency_p50_ms``, ``latency_p95_ms`` (one image), ``images_per_second``, ``step_ms``,
            ``batch`` (size of the batches that ``images_per_second``, ``step_ms`` and
            ``training_mb`` are for), ``device``, ``device_name``, ``threads``, ``precision``,
            ``alone`` (False where other trials ran beside it). See ``profile.network``.
        summary: Scores over the test split at the images' own size; see
            ``metrics.summarise_cases``.
        cases: ``id`` and each metric, lists of one length; None where a metric is undefined.
        masks: Predicted labels of a few test images, the same for all methods: PNG in base64 by
            case id, the longer side 256 pixels at most.
        environment: Versions, system and threads of the training, ``source`` and ``commit`` of
            bmis.
        created: Time of writing in UTC, as in ISO 8601.

    Example:
        >>> trial = Trial("polyps", "bmis")
        >>> record = Record(trial, Conditions(), "failed", reason="out of memory")
        >>> Record.from_dict(record.to_dict()) == record
        True
    """

    trial: Trial
    conditions: Conditions
    status: str
    reason: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    cases: _Columns = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    created: str = ""

    def __post_init__(self) -> None:
        """Make nested settings of nested dictionaries, and check every value."""
        super().__post_init__()
        check_choice("status", self.status, STATUSES)
        if self.status == "done" and not (self.cases and self.summary):
            raise ConfigError("a record that is done needs cases and summary")
        if len({len(column) for column in self.cases.values()}) > 1:
            raise ConfigError("the columns of cases differ in length")

    def influences(self) -> dict[str, Any]:
        """What may change the scores beside trial and conditions: see ``system.environment``."""
        recipe = self.training.get("recipe")
        return influences(self.environment, recipe if isinstance(recipe, dict) else {})

    def values(self, metric: str) -> dict[str, float | None]:
        """The case values of one metric by id, as ``metrics.paired_difference`` takes them."""
        return dict(zip(self.cases["id"], self.cases[metric], strict=True))


def record_path(folder: Path, trial: Trial) -> Path:
    """Where the record of a trial belongs: ``<dataset>/<method>[-fold<K>]-seed<S>.json``.

    Example:
        >>> record_path(Path("results"), Trial("polyps", "bmis", seed=1)).as_posix()
        'results/polyps/bmis-seed1.json'
    """
    fold = "" if trial.fold is None else f"-fold{trial.fold}"
    name = f"{_plain(trial.method)}{_plain(fold)}-seed{trial.seed}.json"
    return folder / _plain(trial.dataset) / name


def write_record(folder: Path, record: Record) -> Path:
    """Write a record where it belongs, whole or not at all.

    Raises:
        DataError: It cannot be written.

    Example:
        >>> record = Record(Trial("polyps", "bmis"), Conditions(), "failed", "out of memory")
        >>> read_record(write_record(Path("results"), record)).reason
        'out of memory'
    """
    path = record_path(folder, record.trial)
    output_folder(path.parent)
    write_json(path, {"format": FORMAT, "version": VERSION, **record.to_dict()})
    return path


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        DataError: The file is no record, not whole, too large or of another version.

    Example:
        >>> Path("half.json").write_text('{"format": "bmis-rec')
        20
        >>> read_record(Path("half.json"))
        Traceback (most recent call last):
        bmis.errors.DataError: half.json: half-written or no record (Input data was truncated); ...
    """
    fix = "delete it, and `bmis compare` runs its trial again"
    try:
        values = msgspec.json.decode(read_bytes(path, limit=_LARGEST))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: half-written or no record ({error}); {fix}") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise DataError(f"{path}: no record of `bmis compare`; move it out of the results folder")
    version = values.pop("version", None)
    if version != VERSION:
        raise DataError(
            f"{path}: a record of version {version!r}, this bmis reads version {VERSION}; "
            "use the bmis that wrote it, or run the trial again in another folder"
        )
    try:
        return Record.from_dict(values)
    except (ConfigError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged record ({error}); {fix}") from error


def read_records(folder: Path | str) -> list[Record]:
    """All records of a folder and its subfolders, one for each trial, sorted by trial.

    Where a trial failed in one place and was done in another, the record that is done counts.

    Args:
        folder: What ``bmis compare`` wrote to, or several such folders copied together.

    Raises:
        DataError: No such folder, a file that is no good record, two records of one trial that
            disagree, records under different conditions or of different splits of one data set.

    Example:
        >>> record = Record(Trial("polyps", "bmis"), Conditions(), "failed", "out of memory")
        >>> path = write_record(Path("results"), record)
        >>> [str(record.trial) for record in read_records("results")]
        ['bmis on polyps, seed 0']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name a results folder of `bmis compare`")
    found: dict[Trial, tuple[Path, Record]] = {}
    for path in sorted(folder.rglob("*.json")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue  # work in progress
        record = read_record(path)
        if record.trial in found:
            _choose(found, path, record)
        else:
            found[record.trial] = path, record
    _check_alike(found.values())
    return [found[trial][1] for trial in sorted(found, key=_order)]


def _choose(found: dict[Trial, tuple[Path, Record]], path: Path, record: Record) -> None:
    """Keep the better of two records of one trial."""
    other_path, other = found[record.trial]
    if {other.status, record.status} == {"done"} and other.cases != record.cases:
        raise DataError(
            f"{other_path} and {path}: two records of {record.trial} that disagree; "
            "delete the one that is wrong"
        )
    rank = [(r.status == "done", r.created) for r in (other, record)]
    if rank[1] > rank[0]:
        found[record.trial] = path, record


def _check_alike(found: Iterable[tuple[Path, Record]]) -> None:
    """Refuse records that cannot be compared."""
    shared: dict[Any, tuple[Path, Any]] = {}
    for path, record in found:
        keys: list[tuple[Any, Any, str]] = [("conditions", str(record.conditions), "conditions")]
        if record.status == "done":
            split = (record.trial.dataset, record.trial.fold)
            keys.append((split, record.data.get("fingerprint"), f"splits of {split[0]}"))
        for key, value, what in keys:
            first_path, first = shared.setdefault(key, (path, value))
            if first != value:
                raise DataError(
                    f"{first_path} and {path}: different {what} ({first} and {value}); "
                    "what is compared must share them, so keep these in different folders"
                )


def _order(trial: Trial) -> tuple[str, str, str, int]:
    return trial.dataset, trial.method, "" if trial.fold is None else str(trial.fold), trial.seed


def _plain(text: str) -> str:
    """A name for files: the same text gives the same name, another text another."""
    short = re.sub(r"[^\w.-]+", "-", text).strip(".")
    return (
        short
        if short == text
        else f"{short}-{sha256(text.encode(errors='surrogateescape')).hexdigest()[:6]}"
    )
