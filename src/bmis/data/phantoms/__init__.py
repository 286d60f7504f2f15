"""Phantoms: drawn images of five modalities with exact masks."""
