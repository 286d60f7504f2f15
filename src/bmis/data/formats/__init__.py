"""Readers of file formats: bytes of a file in, an array out."""
