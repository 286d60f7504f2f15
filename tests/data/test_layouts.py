"""Which image goes with which mask, in every layout that is read."""

import json

import pytest

from bmis.data.layouts import find_images, find_layout
from bmis.errors import DataError
from helpers.folders import blob, make_folder, picture, save


def pairs(root):
    """Ids with the names of their mask files."""
    return {p.id: [m.name for m in p.masks] for p in find_layout(root).pairs}


def nnunet(root, labels=None):
    for end, names in (("Tr", ("a", "b")), ("Ts", ("t",))):
        for index, name in enumerate(names):
            save(root / f"images{end}" / f"{name}_0000.png", picture(index, grey=True))
            save(root / f"labels{end}" / f"{name}.png", blob(index, value=1))
    if labels is not None:
        (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def test_two_folders(tmp_path):
    assert pairs(make_folder(tmp_path, 2)) == {"c00": ["c00.png"], "c01": ["c01.png"]}


def test_mask_suffixes_in_the_masks_folder_and_another_format(tmp_path):
    save(tmp_path / "images" / "a.jpg", picture(0))
    save(tmp_path / "masks" / "a_segmentation.png", blob(0))
    assert pairs(tmp_path) == {"a": ["a_segmentation.png"]}


@pytest.mark.parametrize("suffix", ["mask", "segmentation", "seg", "Mask"])
def test_one_folder_told_apart_by_suffix(tmp_path, suffix):
    save(tmp_path / "a (1).png", picture(0))
    save(tmp_path / f"a (1)_{suffix}.png", blob(0))
    assert pairs(tmp_path) == {"a (1)": [f"a (1)_{suffix}.png"]}


def test_several_masks_of_one_image(tmp_path):
    save(tmp_path / "a.png", picture(0))
    for end in ("mask", "mask_1", "mask_2"):
        save(tmp_path / f"a_{end}.png", blob(0))
    assert pairs(tmp_path) == {"a": ["a_mask.png", "a_mask_1.png", "a_mask_2.png"]}


def test_folders_of_kinds_below_become_strata(tmp_path):
    for kind, name in (("benign", "x"), ("normal", "y")):
        save(tmp_path / kind / f"{name}.png", picture(0))
        save(tmp_path / kind / f"{name}_mask.png", blob(0))
    assert {p.id: p.folder for p in find_layout(tmp_path).pairs} == {"x": "benign", "y": "normal"}


def test_images_and_masks_in_two_folders_of_any_name(tmp_path):
    save(tmp_path / "Training_Input" / "i1.jpg", picture(0))
    save(tmp_path / "Training_Input" / "i1_superpixels.png", picture(1))
    save(tmp_path / "Training_GroundTruth" / "i1_segmentation.png", blob(0))
    layout = find_layout(tmp_path)
    assert [(p.id, p.masks[0].name, p.folder) for p in layout.pairs] == [
        ("i1", "i1_segmentation.png", None)
    ]


def test_an_image_whose_own_name_ends_like_a_mask(tmp_path):
    save(tmp_path / "images" / "face_mask.png", picture(0))
    save(tmp_path / "masks" / "face_mask.png", blob(0))
    assert pairs(tmp_path) == {"face_mask": ["face_mask.png"]}


def test_masks_without_image_and_images_without_mask_are_told(tmp_path):
    make_folder(tmp_path, 2)
    (tmp_path / "masks" / "c01.png").unlink()
    save(tmp_path / "masks" / "z.png", blob(0))
    layout = find_layout(tmp_path)
    assert [p.name for p in layout.unmatched] == ["z.png"]
    assert pairs(tmp_path) == {"c00": ["c00.png"], "c01": []}


def test_fields_of_view_go_with_images_as_masks_do(tmp_path):
    make_folder(tmp_path / "two", 3)
    for name in ("c00", "c01_mask", "other"):
        save(tmp_path / "two" / "fov" / f"{name}.png", blob(0))
    layout = find_layout(tmp_path / "two")
    assert [p.field_of_view and p.field_of_view.name for p in layout.pairs] == [
        "c00.png",
        "c01_mask.png",
        None,
    ]
    assert [p.name for p in layout.unmatched] == ["other.png"]
    assert pairs(tmp_path / "two")["c00"] == ["c00.png"]
    save(nnunet(tmp_path / "raw") / "fov" / "t.png", blob(0))
    told = {p.id: p.field_of_view for p in find_layout(tmp_path / "raw").pairs}
    assert told == {"a": None, "b": None, "t": tmp_path / "raw" / "fov" / "t.png"}


def test_a_folder_of_no_fields_of_view_that_can_be_read_is_told(tmp_path):
    (make_folder(tmp_path, 2) / "fov").mkdir()
    (tmp_path / "fov" / "c00.gif").write_bytes(b"x")
    layout = find_layout(tmp_path)
    assert layout.unmatched == (tmp_path / "fov",)
    assert [p.field_of_view for p in layout.pairs] == [None, None]


def test_two_fields_of_view_of_one_image(tmp_path):
    for name in ("c00.png", "c00_mask.png"):
        save(make_folder(tmp_path, 2) / "fov" / name, blob(0))
    with pytest.raises(DataError, match=r"c00_mask.png: has the same id 'c00' as .*fov/c00.png"):
        find_layout(tmp_path)


@pytest.mark.parametrize("labels", [{"background": 0, "lung": 1}, {"0": "background", "1": "lung"}])
def test_nnunet_raw_folder(tmp_path, labels):
    layout = find_layout(nnunet(tmp_path, labels))
    assert {p.id: p.split for p in layout.pairs} == {"a": None, "b": None, "t": "test"}
    assert [m.name for p in layout.pairs for m in p.masks] == ["a.png", "b.png", "t.png"]
    assert layout.classes == ("background", "lung")


def test_nnunet_test_images_without_labels_are_left_alone(tmp_path):
    nnunet(tmp_path)
    (tmp_path / "labelsTs" / "t.png").unlink()
    (tmp_path / "labelsTs").rmdir()
    assert [p.id for p in find_layout(tmp_path).pairs] == ["a", "b"]


def test_nnunet_further_channels_are_refused_with_the_cure(tmp_path):
    save(nnunet(tmp_path) / "imagesTr" / "a_0001.png", picture(0))
    with pytest.raises(DataError, match=r"a_0001.png: a further channel of 'a'.*one RGB image"):
        find_layout(tmp_path)


def test_nnunet_volumes_are_refused(tmp_path):
    (nnunet(tmp_path) / "imagesTr" / "v_0000.nii.gz").write_bytes(b"x")
    with pytest.raises(DataError, match=r"v_0000.nii.gz: volumes are not read; convert"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "lung": 2}, "must number the classes 0, 1, 2"),
        ({"background": 0, "whole": [1, 2]}, "dataset.json: cannot be read"),
    ],
)
def test_nnunet_labels_with_gaps_or_regions(tmp_path, labels, message):
    with pytest.raises(DataError, match=message):
        find_layout(nnunet(tmp_path, labels))


def test_two_images_of_one_id(tmp_path):
    save(make_folder(tmp_path, 2) / "images" / "c00.bmp", picture(0))
    message = r"c00.png: has the same id 'c00' as .*c00.bmp; rename or remove"
    with pytest.raises(DataError, match=message):
        find_layout(tmp_path)
    collected = []
    assert len(find_layout(tmp_path, report=collected.append).pairs) == 2
    assert len(collected) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "there is no such folder; give the folder that holds images/"),
        (lambda root: root.write_text("x"), "is a file, not a folder"),
        (lambda root: root.mkdir(), "holds no images; wanted are images/ and masks/"),
        (lambda root: save(root / "a.png", picture(0)), "1 images but no masks; put them into"),
        (lambda root: [(root / n).mkdir(parents=True) for n in ("images", "masks")], "no images"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, make, message):
    make(tmp_path / "d")
    with pytest.raises(DataError, match=message):
        find_layout(tmp_path / "d")


def test_find_images_of_a_folder_and_of_a_file(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png"):
        save(tmp_path / name, picture(0))
    (tmp_path / "notes.txt").write_text("x")
    assert [p.name for p in find_images(tmp_path)] == ["a.JPG", "b.png"]
    assert find_images(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(DataError, match="no such file or folder"):
        find_images(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no images"):
        find_images(tmp_path / "empty")
