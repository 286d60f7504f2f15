"""Minimalistic medical image segmentation: small, fast networks from images to a device.

The names below are the public interface; they are loaded on first use, so that ``import bmis``
is fast and needs no torch.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__: str
if TYPE_CHECKING:  # "as" says to type checkers that the names are public
    from bmis.clinical.inspection import inspect_study as inspect_study
    from bmis.clinical.run import predict_study as predict_study
    from bmis.clinical.settings import ClinicalOptions as ClinicalOptions
    from bmis.compare.run import compare_methods as compare_methods
    from bmis.compare.settings import CompareConfig as CompareConfig
    from bmis.config import InputSpec as InputSpec
    from bmis.config import ModelConfig as ModelConfig
    from bmis.config import ModelInfo as ModelInfo
    from bmis.config import PostProcessing as PostProcessing
    from bmis.config import RuntimeOptions as RuntimeOptions
    from bmis.config import TrainConfig as TrainConfig
    from bmis.data.folder import open_dataset as open_dataset
    from bmis.data.image_files import find_images as find_images
    from bmis.data.images import read_image as read_image
    from bmis.data.phantoms.write import draw_phantom as draw_phantom
    from bmis.data.phantoms.write import write_phantoms as write_phantoms
    from bmis.errors import BmisError as BmisError
    from bmis.evaluate.robustness import measure_robustness as measure_robustness
    from bmis.evaluate.run import evaluate_model as evaluate_model
    from bmis.export.run import export_run as export_run
    from bmis.export.settings import ExportOptions as ExportOptions
    from bmis.export.share import share_run as share_run
    from bmis.fit.run import fit_model as fit_model
    from bmis.fit.settings import FitConfig as FitConfig
    from bmis.importing.run import import_dataset as import_dataset
    from bmis.importing.settings import ImportOptions as ImportOptions
    from bmis.inspect.dataset import inspect_dataset as inspect_dataset
    from bmis.metrics import paired_difference as paired_difference
    from bmis.metrics import score_case as score_case
    from bmis.models import SegmentationModel as SegmentationModel
    from bmis.models import build_model as build_model
    from bmis.models import list_models as list_models
    from bmis.models import load_published as load_published
    from bmis.models import register as register
    from bmis.models.checkpoint import save_model as save_model
    from bmis.predict.folder import predict_masks as predict_masks
    from bmis.predict.load import load as load
    from bmis.predict.predictor import Predictor as Predictor
    from bmis.profile.bundle import profile_bundle as profile_bundle
    from bmis.profile.network import profile_model as profile_model
    from bmis.records import Conditions as Conditions
    from bmis.records import Record as Record
    from bmis.records import read_records as read_records
    from bmis.report.write import write_report as write_report
    from bmis.runtime.load import load_runtime as load_runtime
    from bmis.train.losses import ce_dice as ce_dice
    from bmis.train.losses import counted_pixels as counted_pixels
    from bmis.train.losses import distillation_loss as distillation_loss
    from bmis.train.losses import paper_loss as paper_loss
    from bmis.train.losses import soft_dice as soft_dice
    from bmis.train.run import train_model as train_model
    from bmis.train.sources import load_model as load_model
    from bmis.train.torch_dataset import SegmentationDataset as SegmentationDataset

_HOMES = {
    "clinical.inspection": ("inspect_study",),
    "clinical.run": ("predict_study",),
    "clinical.settings": ("ClinicalOptions",),
    "compare.run": ("compare_methods",),
    "compare.settings": ("CompareConfig",),
    "config": (
        "InputSpec",
        "ModelConfig",
        "ModelInfo",
        "PostProcessing",
        "RuntimeOptions",
        "TrainConfig",
    ),
    "data.folder": ("open_dataset",),
    "data.image_files": ("find_images",),
    "data.images": ("read_image",),
    "data.phantoms.write": (
        "draw_phantom",
        "write_phantoms",
    ),
    "errors": ("BmisError",),
    "evaluate.robustness": ("measure_robustness",),
    "evaluate.run": ("evaluate_model",),
    "export.run": ("export_run",),
    "export.settings": ("ExportOptions",),
    "fit.run": ("fit_model",),
    "fit.settings": ("FitConfig",),
    "importing.run": ("import_dataset",),
    "importing.settings": ("ImportOptions",),
    "inspect.dataset": ("inspect_dataset",),
    "metrics": (
        "paired_difference",
        "score_case",
    ),
    "models": (
        "SegmentationModel",
        "build_model",
        "list_models",
        "load_published",
        "register",
    ),
    "models.checkpoint": ("save_model",),
    "predict.folder": ("predict_masks",),
    "predict.load": ("load",),
    "predict.predictor": ("Predictor",),
    "profile.bundle": ("profile_bundle",),
    "profile.network": ("profile_model",),
    "records": (
        "Conditions",
        "Record",
        "read_records",
    ),
    "report.write": ("write_report",),
    "runtime.load": ("load_runtime",),
    "export.share": ("share_run",),
    "train.losses": (
        "ce_dice",
        "counted_pixels",
        "distillation_loss",
        "paper_loss",
        "soft_dice",
    ),
    "train.run": ("train_model",),
    "train.sources": ("load_model",),
    "train.torch_dataset": ("SegmentationDataset",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_TORCH_HOMES = (
    "compare.run",
    "export.run",
    "fit.run",
    "models",
    "models.checkpoint",
    "profile.network",
    "export.share",
    "train.losses",
    "train.run",
    "train.sources",
    "train.torch_dataset",
)

__all__ = [  # noqa: PLE0604  (one list, above)
    "__version__",
    *_HOME,
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # takes longer than all else here

        return version("bmis")
    if name not in _HOME:
        raise AttributeError(f"module 'bmis' has no attribute {name!r}")
    if _HOME[name] in _TORCH_HOMES:
        from bmis.errors import require

        require("torch", extra="train")
    return getattr(import_module(f"bmis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The names that can be loaded on this machine; ``help(bmis)`` loads them all."""
    absent = () if find_spec("torch") else _TORCH_HOMES
    return sorted(name for name in __all__ if _HOME.get(name) not in absent)
