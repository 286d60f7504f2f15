"""The README of a shared network: what the Hub reads, the model card, and how to use it."""

from typing import Any

import yaml

from bmis.bundle import Manifest

_USE = """
## How to use it
```sh
pip install bmis
bmis predict {address} photos --out masks --overlay
```
```python
import bmis

mask = bmis.load("{address}")("photo.png").labels  # (H, W) uint8
```
Without a connection: download `model.bmis` and name its path instead.
To train on: `bmis train mydata --init {address}`.
"""


def write_readme(card: str, manifest: Manifest, *, address: str, licence: str) -> str:
    """The README as Markdown, with the metadata of the Hub in front.

    Args:
        card: Model card of the bundle, Markdown.
        manifest: Manifest of the bundle.
        address: Where it will be, ``hf://owner/name``.
        licence: Identifier of the weights' licence, such as "apache-2.0", or "other".

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> text = write_readme(bundle.card, bundle.manifest, address="hf://a/b", licence="other")
        >>> text.splitlines()[:2]
        ['---', 'library_name: bmis']
    """
    metadata = yaml.safe_dump(_metadata(manifest, address, licence), sort_keys=False)
    return f"---\n{metadata}---\n{card.rstrip()}\n{_USE.format(address=address)}"


def _metadata(manifest: Manifest, address: str, licence: str) -> dict[str, Any]:
    quality, first = manifest.quality, manifest.graphs[0].check
    data = {"name": quality["data"], "type": "image-segmentation", "split": quality["split"]}
    scores = [
        {"type": kind, "name": name, "value": round(float(first[key]), 4)}
        for kind, name, key in (("mean_iou", "IoU", "iou"), ("dice", "Dice", "dice"))
    ]
    task = {"type": "image-segmentation"}
    result = {"task": task, "dataset": data, "metrics": scores}
    return {
        "library_name": "bmis",
        "pipeline_tag": "image-segmentation",
        "license": licence,
        "tags": ["medical", "image-segmentation", "onnx", manifest.info.model.name],
        "model-index": [{"name": address.rpartition("/")[2], "results": [result]}],
    }
