"""Networks: tensor (N, C, H, W) -> logits (N, K, H, W). Import each family here to register it."""

from bmis.models import bmis as _bmis  # noqa: F401  (registers its names)
from bmis.models.base import SegmentationModel, build_model, list_models, register
from bmis.models.published import load_published

__all__ = ["SegmentationModel", "build_model", "list_models", "load_published", "register"]
