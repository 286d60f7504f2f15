"""``dataset.yaml``: read where it is right, refused where it is not."""

import pytest

from bmis.data.description import Description, read_description
from bmis.errors import DataError


def test_without_a_file_or_content_the_description_is_empty(tmp_path):
    assert read_description(tmp_path) == Description()
    (tmp_path / "dataset.yaml").write_text("")
    assert read_description(tmp_path) == Description()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("naem: x", r"unknown entry 'naem' \(did you mean 'name'\?\)"),
        ("- a", "must have lines like 'name: my data'"),
        ("a: [", "cannot be read as YAML"),
        ("channels: 40", "channels must be .* another up to 32, got 40"),
        ("classes: [only]", "classes must be a list of 2 to 64 different names"),
        ("classes: [a, a]", "different names"),
        ("classes: 3", "classes must be a list"),
        ("spacing: 0.1", r"spacing must be \[row, column\] in mm per pixel"),
        ("spacing: [0.1, -1]", "spacing must be"),
        ("spacing: [0.1, .inf]", "spacing must be"),
        ("spacing: [a, b]", "spacing must be"),
        ("ignore: 0", "ignore must be the value 1 to 65535 of pixels that do not count"),
        ("ignore: no", "ignore must be the value 1 to 65535"),
        ("mask_threshold: 0.5", "mask_threshold must be the value 1 to 65535 from which on"),
        ("first_class: -1", "first_class must be the value 0 to 255 of the background"),
        ("mask_threshold: 9\nfirst_class: 1", "has mask_threshold and first_class; leave one"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=f"dataset.yaml: .*{message}") as caught:
        read_description(tmp_path)
    assert "\n" not in str(caught.value)
