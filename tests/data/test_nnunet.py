"""Raw folders of nnU-Net."""

import pytest

from bmis.data.folder import find_cases
from bmis.data.layouts import find_layout
from bmis.errors import DataError
from helpers.folders import make_nnunet, picture, save


@pytest.mark.parametrize("labels", [{"background": 0, "lung": 1}, {"0": "background", "1": "lung"}])
def test_nnunet_raw_folder(tmp_path, labels):
    layout = find_layout(make_nnunet(tmp_path, labels))
    assert {p.id: p.split for p in layout.pairs} == {"a": None, "b": None, "t": "test"}
    assert [m.name for p in layout.pairs for m in p.masks] == ["a.png", "b.png", "t.png"]
    assert layout.classes == ("background", "lung")


def test_nnunet_test_images_without_labels_are_left_alone(tmp_path):
    make_nnunet(tmp_path)
    (tmp_path / "labelsTs" / "t.png").unlink()
    (tmp_path / "labelsTs").rmdir()
    assert [p.id for p in find_layout(tmp_path).pairs] == ["a", "b"]


def test_nnunet_further_channels_are_refused_with_a_hint(tmp_path):
    save(make_nnunet(tmp_path) / "imagesTr" / "a_0001.png", picture(0))
    with pytest.raises(DataError, match=r"a_0001.png: a further channel of 'a'.*one TIFF or NPY"):
        find_layout(tmp_path)


def test_nnunet_volumes_of_other_kinds_are_refused(tmp_path):
    (make_nnunet(tmp_path) / "imagesTr" / "v_0000.nrrd").write_bytes(b"x")
    with pytest.raises(DataError, match=r"v_0000.nrrd: of volumes NIfTI is read; convert"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "lung": 2}, "must number the classes 0, 1, 2"),
        ({"background": 0, "whole": [1, 2]}, "dataset.json: cannot be read"),
    ],
)
def test_nnunet_labels_with_gaps_or_merged_classes(tmp_path, labels, message):
    with pytest.raises(DataError, match=message):
        find_layout(make_nnunet(tmp_path, labels))


def test_nnunet_ignore_label(tmp_path):
    labels = {"background": 0, "lung": 1, "ignore": 2}
    layout = find_layout(make_nnunet(tmp_path, labels))
    assert (layout.classes, layout.ignore) == (("background", "lung"), 2)
    assert find_cases(tmp_path).description.ignore == 2
    (tmp_path / "dataset.yaml").write_text("ignore: 9")
    assert find_cases(tmp_path).description.ignore == 9
