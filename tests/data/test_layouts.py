"""Which image goes with which mask, in every layout that is read."""

import pytest

from bmis.data.layouts import find_layout
from bmis.errors import DataError
from helpers.folders import blob, make_folder, make_nnunet, picture, save


def pairs(root):
    """Ids with the names of their mask files."""
    return {p.id: [m.name for m in p.masks] for p in find_layout(root).pairs}


def test_two_folders(tmp_path):
    assert pairs(make_folder(tmp_path, 2)) == {"c00": ["c00.png"], "c01": ["c01.png"]}


def test_mask_suffixes_in_the_masks_folder_and_another_format(tmp_path):
    save(tmp_path / "images" / "a.jpg", picture(0))
    save(tmp_path / "masks" / "a_segmentation.png", blob(0))
    assert pairs(tmp_path) == {"a": ["a_segmentation.png"]}


@pytest.mark.parametrize("suffix", ["mask", "segmentation", "seg", "Mask"])
def test_one_folder_where_a_suffix_marks_the_masks(tmp_path, suffix):
    save(tmp_path / "a (1).png", picture(0))
    save(tmp_path / f"a (1)_{suffix}.png", blob(0))
    assert pairs(tmp_path) == {"a (1)": [f"a (1)_{suffix}.png"]}


def test_several_masks_of_one_image(tmp_path):
    save(tmp_path / "a.png", picture(0))
    for end in ("mask", "mask_1", "mask_2"):
        save(tmp_path / f"a_{end}.png", blob(0))
    assert pairs(tmp_path) == {"a": ["a_mask.png", "a_mask_1.png", "a_mask_2.png"]}


def test_folders_below_the_root_become_strata(tmp_path):
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


def test_an_image_whose_name_ends_in_a_mask_suffix(tmp_path):
    save(tmp_path / "images" / "face_mask.png", picture(0))
    save(tmp_path / "masks" / "face_mask.png", blob(0))
    assert pairs(tmp_path) == {"face_mask": ["face_mask.png"]}


def test_masks_without_image_and_images_without_mask_are_listed(tmp_path):
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
    save(make_nnunet(tmp_path / "raw") / "fov" / "t.png", blob(0))
    fields = {p.id: p.field_of_view for p in find_layout(tmp_path / "raw").pairs}
    assert fields == {"a": None, "b": None, "t": tmp_path / "raw" / "fov" / "t.png"}


def test_a_folder_without_any_readable_field_of_view_is_listed(tmp_path):
    (make_folder(tmp_path, 2) / "fov").mkdir()
    (tmp_path / "fov" / "c00.mat").write_bytes(b"x")
    layout = find_layout(tmp_path)
    assert layout.unmatched == (tmp_path / "fov",)
    assert [p.field_of_view for p in layout.pairs] == [None, None]


def test_two_fields_of_view_of_one_image(tmp_path):
    for name in ("c00.png", "c00_mask.png"):
        save(make_folder(tmp_path, 2) / "fov" / name, blob(0))
    with pytest.raises(DataError, match=r"c00_mask.png: has the same id 'c00' as .*fov/c00.png"):
        find_layout(tmp_path)


def test_two_images_of_one_id(tmp_path):
    save(make_folder(tmp_path, 2) / "images" / "c00.bmp", picture(0))
    message = r"c00.png: has the same id 'c00' as .*c00.bmp; rename or remove"
    with pytest.raises(DataError, match=message):
        find_layout(tmp_path)
    collected = []
    assert len(find_layout(tmp_path, on_error=collected.append).pairs) == 2
    assert len(collected) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "there is no such folder; give the folder that holds images/"),
        (lambda root: root.write_text("x"), "is a file, not a folder"),
        (lambda root: root.mkdir(), r"holds no images \(.*\); it needs images/ and masks/"),
        (lambda root: save(root / "a.png", picture(0)), "1 image but no masks; put them into"),
        (
            lambda root: [
                save(root / name, blob(1))
                for name in ("images/a.png", "manual1/a.png", "mask/a_mask.png")
            ],
            r"holds manual1/, as DRIVE and HRF are published, where files called \*_mask are",
        ),
        (lambda root: [(root / n).mkdir(parents=True) for n in ("images", "masks")], "no images"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, make, message):
    make(tmp_path / "d")
    with pytest.raises(DataError, match=message):
        find_layout(tmp_path / "d")
