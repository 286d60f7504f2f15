"""Batched augmentation on the device: parameters are drawn first, then applied."""

from bmis.train.augment.batch import Parameters, apply_parameters, draw_parameters

__all__ = ["Parameters", "apply_parameters", "draw_parameters"]
