"""Nothing drops out of a folder silently: other files and folders are counted and named."""

import json
import logging

import pytest

from bmis.cli.main import main
from bmis.data import not_read
from bmis.data.folder import find_cases, open_dataset
from bmis.data.image_files import find_images
from bmis.data.not_read import NotRead, find_not_read
from bmis.errors import DataError
from bmis.inspect.dataset import inspect_dataset
from helpers.bundles import write_tiny
from helpers.folders import blob, make_folder, make_nnunet, picture, save

FOREIGN = NotRead({"DICOM": 2, "NIfTI": 1, "video": 1}, {"images/old/": 2})


@pytest.fixture
def root(tmp_path):
    """A data set with foreign files, companions and a folder of images in ``images/``."""
    root = make_folder(tmp_path / "data", 4)
    (root / "scans").mkdir()  # of DICOM and NIfTI those in images/ and masks/ are read
    for name in ("a.dcm", "b.DCM", "c.nii.gz", ".hidden.dcm", "Thumbs.db", "notes.txt"):
        (root / "scans" / name).write_bytes(b"x")
    (root / "images" / "d.mp4").write_bytes(b"x")
    for name in ("LICENSE", "README.md", "splits.csv.bak~"):
        (root / name).write_bytes(b"x")
    save(root / "images" / ".cache" / "0.png", picture(0))
    for index in range(2):
        save(root / "images" / "old" / f"{index}.png", picture(index))
    return root


def test_a_data_set_says_what_it_does_not_read(root):
    assert find_cases(root).not_read == FOREIGN
    assert str(FOREIGN) == "2 DICOM, 1 NIfTI, 1 video, 1 folder (images/old/) with 2 images"


def test_what_is_used_or_has_an_error_of_its_own_is_not_counted(tmp_path):
    root = make_folder(tmp_path / "data", 3)
    save(root / "masks" / "stray.png", picture(0))
    save(root / "images" / "c00.bmp", picture(9))
    save(root / "fov" / "lost.png", picture(0))
    (root / "folds").mkdir()
    (root / "folds" / "fold1.csv").write_text("id,split\n")
    found = find_cases(root, on_error=lambda _: None)
    assert found.unmatched
    assert not found.not_read


def test_test_images_of_nnunet_without_labels_are_counted(tmp_path):
    root = make_nnunet(tmp_path / "data")
    save(root / "imagesTr" / "c.png", picture(5))
    save(root / "labelsTr" / "c.png", blob(5, value=1))
    for path in (root / "labelsTs").iterdir():
        path.unlink()
    (root / "labelsTs").rmdir()
    assert find_cases(root).not_read == NotRead({}, {"imagesTs/": 1})


def test_images_beside_their_folders_are_counted(tmp_path):
    root = make_folder(tmp_path / "data", 3)
    save(root / "overview.png", picture(0))
    assert find_cases(root).not_read.folders == {"./": 1}


def test_links_are_followed_only_where_files_are_used(tmp_path):
    other = make_folder(tmp_path / "other", 3)
    (other / "images" / "a.mp4").touch()
    root = tmp_path / "data"
    root.mkdir()
    (root / "images").symlink_to(other / "images")
    (root / "masks").symlink_to(other / "masks")
    (root / "again").symlink_to(root)
    assert find_cases(root).not_read == NotRead({"linked folder": 1, "video": 1})


def test_inspect_says_it_in_words_and_as_plain_values(root, tmp_path, capsys):
    assert inspect_dataset(root).not_read == FOREIGN
    command = ["inspect", str(root), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert f"not read  {FOREIGN}\n" in capsys.readouterr().out
    main([*command, "--json"])
    plain = json.loads(capsys.readouterr().out)["not_read"]
    assert plain == {"files": FOREIGN.files, "folders": FOREIGN.folders}
    assert json.loads((tmp_path / "out" / "inspection.json").read_text())["not_read"] == plain


def test_opening_warns_once(root, caplog):
    with caplog.at_level(logging.WARNING, "bmis"):
        open_dataset(root)
        open_dataset(root)
    (line,) = caplog.messages
    assert line.startswith(f"{root}: not read: {FOREIGN}; ")


def test_evaluate_warns(root, tmp_path, capsys):
    bundle = write_tiny(tmp_path / "tiny.bmis")
    main(["evaluate", str(bundle), "--data", str(root), "--out", str(tmp_path / "out")])
    assert f"not read: {FOREIGN}" in capsys.readouterr().err


def test_predict_says_it_and_masks_in_the_folder_are_no_images(root, tmp_path, capsys):
    images = root / "images"
    for file in (root / "scans").iterdir():
        file.rename(images / file.name)
    command = ["predict", "--out", str(images / "out"), str(write_tiny(tmp_path / "tiny.bmis"))]
    command.append(str(images))
    for _ in range(2):  # the second time there are masks
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert f"{images}: not read: 1 video, 1 folder (old/) with 2 images; convert" in err
        assert "a.dcm: not a DICOM file" in err  # DICOM is read, and these are none
        assert "c.nii.gz: " in err
        assert "4 masks" in out
    assert main([*command, str(images / "old"), "--json"]) == 2
    plain = json.loads(capsys.readouterr().out)
    assert plain["not_read"] == {str(images): {"files": {"video": 1}, "folders": {}}}
    assert len(plain["failed"]) == 3
    assert len(plain["written"]) == 6


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.dcm", "b.dcm"), r"no images \(.*\), only 2 DICOM; convert them to PNG, or check"),
        (("a.zip",), r"no images \(.*\), only 1 archive; convert it to PNG, or check the path"),
        (("in/a.png",), r"no images \(.*\), only 1 folder \(in/\) with 1 image; check the path"),
        (("notes.txt",), r"no images \([^)]*\); check the path"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(tmp_path, names, message):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=message):
        find_images(tmp_path)


def test_a_whole_disk_is_not_searched(tmp_path, monkeypatch):
    """What is used does not count, so that in a large data set nothing is overlooked."""
    for index in range(9):
        (tmp_path / f"{index}.dcm").touch()
        (tmp_path / f"{index}.png").touch()
    monkeypatch.setattr(not_read, "_MOST", 5)
    assert find_not_read(tmp_path, set(tmp_path.glob("*.png"))) == NotRead({"DICOM": 5})
