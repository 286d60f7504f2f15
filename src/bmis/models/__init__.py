"""Networks: images (N, C, H, W) in, logits (N, K, H, W) out."""

from bmis.models import libraries as _libraries  # noqa: F401  (registers its networks)
from bmis.models import networks as _networks  # noqa: F401  (registers its networks)
from bmis.models.base import SegmentationModel, TrainingView
from bmis.models.published import load_published
from bmis.models.registry import (
    Method,
    build_model,
    build_untrained,
    find_method,
    initial_weights,
    list_models,
    register,
    size_options,
    takes_size,
    takes_weights,
)

__all__ = [
    "Method",
    "SegmentationModel",
    "TrainingView",
    "build_model",
    "build_untrained",
    "find_method",
    "initial_weights",
    "list_models",
    "load_published",
    "register",
    "size_options",
    "takes_size",
    "takes_weights",
]
