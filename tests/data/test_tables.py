"""Tables as spreadsheets really write them."""

import pytest

from bmis.data.tables import Row, read_table
from bmis.errors import DataError


def test_byte_order_mark_spaces_and_other_columns(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_bytes(b"\xef\xbb\xbfid, age ,split,stratum\r\na,63, val ,x\r\nb,,train,\r\n")
    assert read_table(path) == {"a": Row("a", "val", None, "x"), "b": Row("b", "train")}


def test_no_split_column_is_not_an_empty_split(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("id,group\na,p\n")
    assert read_table(path) == {"a": Row("a", None, "p")}


def test_other_encodings_are_refused(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_bytes("id,split\nä,train\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"splits.csv: is not UTF-8 text; save it as UTF-8"):
        read_table(path)
