"""What clients of MONAI Label are told: in the shape that its own server gives."""

from collections.abc import Sequence
from typing import Any

import bmis
from bmis.clinical.codes import foreground
from bmis.serve.accept import DICOM, NIFTI, PNG
from bmis.serve.networks import Network
from bmis.serve.segment import Done

SUFFIXES = {PNG: ".png", NIFTI: ".nii.gz", DICOM: ".dcm"}
"""How files of masks end, by their kind."""

_NOTE = "Not a medical device."


def describe_service(networks: Sequence[Network]) -> dict[str, Any]:
    """The networks, as ``/info/`` gives them. Nothing is trained or kept here.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> found = describe_service(load_networks(["nuclei"]))
        >>> found["models"]["nuclei"]["labels"], found["labels"]
        ({'nucleus': 1}, ['nucleus'])
    """
    models = {network.name: _describe(network) for network in networks}
    labels = dict.fromkeys(label for model in models.values() for label in model["labels"])
    return {
        "name": "bmis",
        "description": f"Networks that segment medical images. {_NOTE}",
        "version": bmis.__version__,
        "labels": list(labels),
        "models": models,
        "trainers": {},
        "strategies": {},
        "scoring": {},
        "train_stats": {},
        "datastore": NO_IMAGES,
    }


NO_IMAGES = {"total": 0, "completed": 0, "label_tags": {}, "train": []}
"""What is told of the images of a service, which keeps none."""


def _describe(network: Network) -> dict[str, Any]:
    height, width = network.info.input.size
    return {
        "type": "segmentation",
        "labels": label_names(network),
        "dimension": 2,
        "description": f"sees {height} x {width} pixels",
        "config": {},
    }


def label_names(network: Network) -> dict[str, int]:
    """The classes that a mask can show, with their values in it.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> label_names(load_networks(["nuclei"])[0])
        {'nucleus': 1}
    """
    return {name: label for label, name in foreground(network.info)}


def describe_mask(network: Network, done: Done) -> dict[str, Any]:
    """What comes beside a mask.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["nuclei"])
        >>> describe_mask(network, Done(b"", PNG, pictures=1))["label_names"]
        {'nucleus': 1}
    """
    return {
        "label_names": label_names(network),
        "model": network.name,
        "pictures": done.pictures,
        "out_of_distribution": done.out_of_distribution,
        "note": _NOTE,
    }
