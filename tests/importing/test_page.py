"""The commands of the page "Bring your own data", on sources of the names that it uses."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from bmis.cli.main import main
from helpers.annotated import OUTLINE, SIZE, coco, images, labelme, square, write
from helpers.folders import picture, save

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "data.md"
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
IDS = [f"p{patient}_{number}" for patient in range(3) for number in range(2)]
NAMES = [f"{name}.png" for name in IDS]


def masks(root, array):
    images(root / "images", *NAMES)
    for name in NAMES:
        save(root / "masks" / name, array)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Everything that the page imports."""
    monkeypatch.chdir(tmp_path)
    masks(Path("exported"), square(128))
    masks(Path("scans"), square(255))
    masks(Path("masks-folder"), square(200))
    soft = square(255)
    soft[5, 4:14] = 100
    masks(Path("blurred-masks"), soft)
    masks(Path("voc-export"), np.array([[0, 0, 0], [250, 50, 83]], np.uint8)[square()])
    write(Path("voc-export/labelmap.txt"), "lesion:250,50,83::")
    cells = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE) // 80
    masks(Path("cells-export"), cells.astype(np.uint8))
    save(Path("cells-export/masks", NAMES[0]), cells.clip(max=8).astype(np.uint8))
    outlines()
    for part, numbers in (("training", range(21, 25)), ("test", range(1, 3))):
        for number in numbers:
            save(Path("DRIVE", part, "images", f"{number:02}_{part}.tif"), picture(number))
            save(Path("DRIVE", part, "1st_manual", f"{number:02}_manual1.gif"), square(255))
            save(Path("DRIVE", part, "mask", f"{number:02}_{part}_mask.gif"), square(255))


def outlines():
    for folder in ("coco-export", "cvat-export", "labelme-folder", "yolo-export/images/train"):
        images(Path(folder), *NAMES)
    write(Path("coco-export/annotations.json"), coco(names=tuple(NAMES)))
    points = ";".join(f"{x},{y}" for x, y in zip(OUTLINE[::2], OUTLINE[1::2], strict=True))
    shape = f'<polygon label="lesion" points="{points}"/>'
    listed = "".join(
        f'<image name="{name}" width="32" height="24">{shape}</image>' for name in NAMES
    )
    write(Path("cvat-export/annotations.xml"), f"<annotations>{listed}</annotations>")
    line = " ".join(f"{value / SIZE[1 - at % 2]}" for at, value in enumerate(OUTLINE))
    write(Path("yolo-export/data.yaml"), "train: images/train\nnames: [lesion]")
    for name in IDS:
        write(Path("labelme-folder", f"{name}.json"), labelme(f"{name}.png"))
        write(Path("yolo-export/labels/train", f"{name}.txt"), f"0 {line}")


def test_every_command_of_the_page_runs_without_a_problem(sources, capsys):
    assert len(COMMANDS) > 15
    for argv in COMMANDS:
        code = main(argv)
        printed = capsys.readouterr()
        assert code == 0, (argv, printed)
        if argv[0] == "inspect":
            assert printed.out.endswith("No problems found.\n"), (argv, printed.out)
