"""Minimalistic medical image segmentation."""
