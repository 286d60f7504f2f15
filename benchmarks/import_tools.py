"""Data sets written by annotation tools' own libraries, imported, and compared with the originals.

    pip install pycocotools labelme supervision datumaro
    python benchmarks/import_tools.py

Phantoms of two and three classes are labelled, each tool writes them in its format, and
``import_dataset`` reads what it wrote. Printed is the share of equal pixels over all masks of a
set; the exit code is 1 if one is below 0.995. A tool that is not installed is named and skipped.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis import import_dataset, open_dataset, write_phantoms
from bmis.data.cases import Dataset, load_case

ENOUGH = 0.995
PHANTOMS = (("endoscopy", 2), ("xray", 3), ("fundus", 3))  # the cup lies in the disc


def labelled(data: Dataset) -> list[tuple[Path, NDArray[np.uint8]]]:
    """The images and their labels."""
    return [(case.image, load_case(case, data)[1]) for case in data.cases]


def copy_images(data: Dataset, folder: Path) -> None:
    folder.mkdir(parents=True)
    for case in data.cases:
        shutil.copy(case.image, folder)


def coco_by_pycocotools(data: Dataset, out: Path) -> None:
    from pycocotools import mask as rasters

    copy_images(data, out / "images")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (path, labels) in enumerate(labelled(data), start=1):
        height, width = labels.shape
        images.append({"id": number, "file_name": path.name, "height": height, "width": width})
        for label in np.unique(labels[labels > 0]).tolist():
            rle = rasters.encode(np.asfortranarray((labels == label).astype(np.uint8)))
            rle["counts"] = rle["counts"].decode()
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": label}
            annotations.append({**one, "segmentation": rle, "iscrowd": 1})
    categories = [{"id": k, "name": name} for k, name in enumerate(data.classes) if k]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(whole))


def labelme_by_labelme(data: Dataset, out: Path) -> None:
    from labelme._label_file import LabelFile
    from labelme.utils import img_arr_to_b64

    copy_images(data, out)
    for path, labels in labelled(data):
        shapes = []
        for label in np.unique(labels[labels > 0]).tolist():
            rows, columns = np.nonzero(labels == label)
            top, left, bottom, right = (rows.min(), columns.min(), rows.max(), columns.max())
            part = (labels == label)[top : bottom + 1, left : right + 1]
            place = [[int(left), int(top)], [int(right), int(bottom)]]
            mask = img_arr_to_b64(part.astype(np.uint8))
            shape = {"label": data.classes[label], "points": place, "shape_type": "mask"}
            shapes.append({**shape, "mask": mask, "group_id": None, "flags": {}})
        height, width = labels.shape
        LabelFile().save(
            str(out / f"{path.stem}.json"),
            shapes=shapes,
            image_path=path.name,
            image_height=height,
            image_width=width,
        )


def as_supervision(data: Dataset) -> Any:
    import supervision

    images, annotations = [], {}
    for path, labels in labelled(data):
        there = np.unique(labels[labels > 0])
        masks = np.stack([labels == label for label in there])
        images.append(str(path))
        annotations[str(path)] = supervision.Detections(
            xyxy=supervision.mask_to_xyxy(masks), mask=masks, class_id=there - 1
        )
    return supervision.DetectionDataset(list(data.classes[1:]), images, annotations)


def coco_by_supervision(data: Dataset, out: Path) -> None:
    as_supervision(data).as_coco(str(out / "images"), str(out / "annotations.json"))


def yolo_by_supervision(data: Dataset, out: Path) -> None:
    folders = [str(out / name / "train") for name in ("images", "labels")]
    as_supervision(data).as_yolo(*folders, str(out / "data.yaml"))
    with (out / "data.yaml").open("a") as stream:  # it leaves the lists of images to its users
        stream.write("train: images/train\n")


def labelme_by_supervision(data: Dataset, out: Path) -> None:
    as_supervision(data).as_labelme(str(out), str(out))


def as_datumaro(data: Dataset, out: Path, name: str, kind: str) -> None:
    from datumaro.components.annotation import LabelCategories, Mask, Polygon
    from datumaro.components.dataset import Dataset as Datumaro
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image
    from datumaro.util.mask_tools import mask_to_polygons

    items = []
    for path, labels in labelled(data):
        parts: list[Any] = []
        for label in np.unique(labels[labels > 0]).tolist():
            mask = labels == label
            if kind == "masks":
                parts.append(Mask(mask, label=label - 1))
            else:
                parts += [Polygon(p, label=label - 1) for p in mask_to_polygons(mask)]
        media = Image.from_file(path=str(path))
        items.append(DatasetItem(path.stem, subset="train", media=media, annotations=parts))
    categories = LabelCategories.from_iterable(data.classes[1:])
    made = Datumaro.from_iterable(items, categories={categories_type(): categories})
    made.export(str(out), name, save_media=True)


def categories_type() -> Any:
    from datumaro.components.annotation import AnnotationType

    return AnnotationType.label


def cvat_by_datumaro(data: Dataset, out: Path) -> None:
    as_datumaro(data, out, "cvat", "polygons")


def coco_by_datumaro(data: Dataset, out: Path) -> None:
    as_datumaro(data, out, "coco_instances", "masks")


def voc_by_datumaro(data: Dataset, out: Path) -> None:
    as_datumaro(data, out, "voc_segmentation", "masks")


WRITERS: dict[Callable[[Dataset, Path], None], str] = {
    coco_by_pycocotools: "pycocotools",
    coco_by_supervision: "supervision",
    coco_by_datumaro: "datumaro",
    labelme_by_labelme: "labelme",
    labelme_by_supervision: "supervision",
    yolo_by_supervision: "supervision",
    cvat_by_datumaro: "datumaro",
    voc_by_datumaro: "datumaro",
}


def agreement(data: Dataset, imported: Dataset) -> tuple[float, float]:
    """Share of equal pixels over all masks, and in the worst mask."""
    order = {name: label for label, name in enumerate(imported.classes)}
    numbers = np.array([order[name] for name in data.classes], np.uint8)
    found = {case.id: case for case in imported.cases}
    equal = [
        float((numbers[labels] == load_case(found[path.stem], imported)[1]).mean())
        for path, labels in labelled(data)
    ]
    return float(np.mean(equal)), min(equal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=12, help="images of each phantom")
    args = parser.parse_args()
    worst = 1.0
    print(f"{'written as':24}{'phantoms':12}{'equal pixels':>14}{'worst mask':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for modality, classes in PHANTOMS:
            root = Path(folder, modality)
            write_phantoms(root, modality=modality, count=args.count, classes=classes)
            data = open_dataset(root)
            for write, package in WRITERS.items():
                if find_spec(package) is None:
                    print(f"{write.__name__}: {package} is not installed")
                    continue
                source = Path(folder, f"{modality}-{write.__name__}")
                write(data, source)
                done = import_dataset(source, f"{source}-imported")
                mean, least = agreement(data, open_dataset(done.out))
                print(f"{write.__name__:24}{modality:12}{mean:14.5f}{least:12.5f}")
                worst = min(worst, mean if not done.failed else 0.0)
                for line in done.failed:
                    print(line)
    return int(worst < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
