"""The ``.bmis`` file: written whole, and read as untrusted input."""

from bmis.bundle.file import SUFFIX, Bundle, read_bundle, write_bundle
from bmis.bundle.manifest import FILES, FORMAT_VERSION, Graph, Manifest

__all__ = [
    "FILES",
    "FORMAT_VERSION",
    "SUFFIX",
    "Bundle",
    "Graph",
    "Manifest",
    "read_bundle",
    "write_bundle",
]
