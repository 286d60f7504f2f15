"""Settings of networks, trainings and runtimes: frozen, checked when they are made; no torch."""

from bmis.config.augmentation import Augmentation
from bmis.config.checks import Size, check_choice, check_size, check_value
from bmis.config.model import (
    MAX_CHANNELS,
    RESIZE_RULES,
    STATISTICS,
    Confidence,
    InputSize,
    InputSpec,
    ModelConfig,
    ModelInfo,
    OodReference,
    Resize,
)
from bmis.config.postprocessing import FLIPS, PostProcessing
from bmis.config.runtime import RuntimeOptions
from bmis.config.settings import Settings
from bmis.config.training import (
    MODEL_FILE,
    SETTINGS_FILE,
    Device,
    Epochs,
    Precision,
    RecipeName,
    TrainConfig,
)

__all__ = [
    "FLIPS",
    "MAX_CHANNELS",
    "MODEL_FILE",
    "RESIZE_RULES",
    "SETTINGS_FILE",
    "STATISTICS",
    "Augmentation",
    "Confidence",
    "Device",
    "Epochs",
    "InputSize",
    "InputSpec",
    "ModelConfig",
    "ModelInfo",
    "OodReference",
    "PostProcessing",
    "Precision",
    "RecipeName",
    "Resize",
    "RuntimeOptions",
    "Settings",
    "Size",
    "TrainConfig",
    "check_choice",
    "check_size",
    "check_value",
]
