"""Data sets opened as a user has them, and cases loaded from them."""

from collections import Counter

import pytest

from bmis.data.cases import load_case
from bmis.data.folder import open_dataset
from bmis.errors import ConfigError, DataError
from helpers.folders import blob, make_folder, picture, save, write_table


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path / "mine")


def splits(dataset):
    return {case.id: case.split for case in dataset.cases}


def listed(count=10, rows=lambda i: ["train", "val", "test"][i % 3]):
    return ["id,split", *(f"c{i:02},{rows(i)}" for i in range(count))]


def test_a_plain_folder_needs_no_more(root):
    dataset = open_dataset(root)
    assert dataset.name == "mine"
    assert dataset.classes == ("background", "foreground")
    assert (dataset.num_classes, dataset.channels, dataset.spacing) == (2, 3, None)
    assert Counter(splits(dataset).values()) == {"train": 7, "val": 1, "test": 2}
    assert splits(dataset) == splits(open_dataset(str(root)))
    assert splits(dataset) != splits(open_dataset(root, seed=5))


def test_grey_images_make_one_channel(tmp_path):
    assert open_dataset(make_folder(tmp_path, grey=True)).channels == 1


def test_dataset_yaml_is_trusted(root):
    (root / "dataset.yaml").write_text(
        "name: polyps\nmodality: endoscopy\nlicence: CC0\nchannels: 1\nspacing: [0.2, 0.1]\n"
        "classes: [none, polyp, tool]\n"
    )
    for file in (root / "masks").iterdir():
        save(file, blob(0, value=1))
    dataset = open_dataset(root)
    assert (dataset.name, dataset.modality, dataset.licence) == ("polyps", "endoscopy", "CC0")
    assert dataset.classes == ("none", "polyp", "tool")
    image, _ = load_case(dataset.cases[0], dataset)
    assert image.pixels.shape == (24, 32, 1)
    assert image.spacing == (0.2, 0.1)


def test_splits_csv_counts_with_groups_and_strata(root):
    lines = [f"c{i:02},{'test' if i > 6 else 'train'},p{i // 2},k{i % 2}" for i in range(10)]
    write_table(root / "splits.csv", "id,split,group,class", *lines)
    dataset = open_dataset(root)
    assert [case.id for case in dataset.split("test")] == ["c07", "c08", "c09"]
    assert (dataset.cases[5].group, dataset.cases[5].stratum) == ("p2", "k1")
    with pytest.raises(DataError, match=r"no images in split 'val'; there are: train \(7\), test"):
        dataset.split("val")


def test_an_empty_split_leaves_an_image_out_mask_or_not(root):
    (root / "masks" / "c03.png").unlink()
    write_table(root / "splits.csv", *listed(rows=lambda i: "" if i == 3 else "train"))
    assert "c03" not in splits(open_dataset(root))
    (root / "folds").mkdir()
    assert len(open_dataset(root).cases) == 9


def test_a_table_of_groups_only_keeps_them_together(root):
    write_table(root / "splits.csv", "id,group", *(f"c{i:02},p{i // 2}" for i in range(10)))
    sides = splits(open_dataset(root))
    assert all(sides[f"c{i:02}"] == sides[f"c{i + 1:02}"] for i in range(0, 10, 2))
    assert set(sides.values()) == {"train", "val", "test"}


def test_folds_are_made_if_the_data_set_has_none(root):
    tested = [case.id for k in range(1, 6) for case in open_dataset(root, fold=k).split("test")]
    assert sorted(tested) == [f"c{i:02}" for i in range(10)]
    assert splits(open_dataset(root, fold="2")) == splits(open_dataset(root, fold=2))


def test_folds_of_the_data_set_itself_come_first(root):
    write_table(root / "folds" / "fold1.csv", *listed(rows=lambda i: "val" if i else "test"))
    assert [case.id for case in open_dataset(root, fold=1).split("test")] == ["c00"]
    with pytest.raises(ConfigError, match=r"fold2.csv: there is no such fold; there are: fold1"):
        open_dataset(root, fold=2)


def test_a_fold_can_be_any_file(root, tmp_path):
    write_table(root / "splits.csv", "id,split,group", *(f"c{i:02},train,p{i}" for i in range(10)))
    path = write_table(tmp_path / "my.csv", *listed())
    for fold in (path, str(path)):
        dataset = open_dataset(root, fold=fold)
        assert splits(dataset)["c01"] == "val"
        assert dataset.cases[1].group == "p1"
    with pytest.raises(ConfigError, match=r"fold must be a number or a CSV file; .* none.csv"):
        open_dataset(root, fold="none.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*listed(), "ghost,train"], r"splits.csv: no image for id 'ghost'; an id is the image's"),
        (listed(8), "splits.csv: image 'c08' and 1 more is in no split; add a line"),
        (listed(rows=lambda i: "tset"), "line 2: unknown split 'tset' .did you mean 'test'"),
        ([*listed(), "c00,val"], "line 12: id 'c00' for the second time"),
        (["name,split", "c00,train"], "first line must name the columns, such as 'id,split'"),
    ],
)
def test_tables_that_do_not_fit(root, lines, message):
    write_table(root / "splits.csv", *lines)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


def test_an_image_without_a_mask(root):
    (root / "masks" / "c04.png").unlink()
    with pytest.raises(DataError, match=r"c04.png: has no mask; add one of the same name, or list"):
        open_dataset(root)


def test_too_few_images_to_split(tmp_path):
    with pytest.raises(DataError, match="small: 2 images cannot be divided"):
        open_dataset(make_folder(tmp_path / "small", 2))


def test_mask_values_that_are_no_classes(root):
    save(root / "masks" / "c02.png", blob(2, value=128))
    with pytest.raises(
        DataError, match=r"c02.png: mask values 0 128, .*c00.png has 0 and 255: use the"
    ):
        open_dataset(root)


def test_nnunet_keeps_its_test_split_and_gets_a_val(tmp_path):
    for index in range(8):
        save(tmp_path / "imagesTr" / f"n{index}_0000.png", picture(index))
        save(tmp_path / "labelsTr" / f"n{index}.png", blob(index, value=1 + index % 2))
    save(tmp_path / "imagesTs" / "t_0000.png", picture(9))
    save(tmp_path / "labelsTs" / "t.png", blob(9, value=1))
    dataset = open_dataset(tmp_path)
    assert dataset.num_classes == 3
    assert [case.id for case in dataset.split("test")] == ["t"]
    assert len(dataset.split("train")) == 7


def test_all_that_is_wrong_is_named_at_once(root):
    """Masks whose values are no classes, broken images, images without masks: in one message."""
    for number in range(3):
        save(root / "masks" / f"c0{number}.png", blob(number, value=128))
    (root / "masks" / "c03.png").write_bytes(b"")
    (root / "images" / "c04.png").write_bytes(b"no image")
    (root / "masks" / "c05.png").unlink()
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    lines = str(caught.value).splitlines()
    assert "c05.png: has no mask" in lines[0]
    assert "c03.png: the file is empty" in lines[1]
    assert "c00.png: mask values 0 128" in lines[2]
    assert lines[2].endswith("(and 2 more like it)")
    assert "c04.png: not an image" in lines[3]
    assert lines[4:] == [f"6 problems; `bmis inspect {root}` lists all of them"]


def test_images_that_are_read_for_their_colours_are_named_with_the_others(root):
    for number, file in enumerate(sorted((root / "images").iterdir())):
        save(file, picture(number, grey=True)[..., None].repeat(3, 2))
        if number in (2, 7):
            file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    first, advice = str(caught.value).splitlines()
    assert "c02.png: " in first
    assert first.endswith("(and 1 more like it)")
    assert advice.startswith("2 problems; ")
