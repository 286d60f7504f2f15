"""Settings of networks, trainings and runtimes: frozen, checked when they are made; no torch."""

from bmis.config.checks import Size, check_choice, check_size, check_value
from bmis.config.model import (
    MAX_CHANNELS,
    RESIZE_RULES,
    STATISTICS,
    InputSize,
    InputSpec,
    ModelConfig,
    ModelInfo,
    OodReference,
    Resize,
)
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
    "MAX_CHANNELS",
    "MODEL_FILE",
    "RESIZE_RULES",
    "SETTINGS_FILE",
    "STATISTICS",
    "Device",
    "Epochs",
    "InputSize",
    "InputSpec",
    "ModelConfig",
    "ModelInfo",
    "OodReference",
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
