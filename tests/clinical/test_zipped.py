"""Zipped studies are read as their folders are; hostile archives are refused and write nothing."""

import shutil
import struct
import zipfile
from pathlib import Path

import pytest

from bmis.cli.main import main
from bmis.clinical import zipped
from bmis.clinical.inspection import inspect_study
from bmis.clinical.study import open_study
from bmis.data.not_read import NotRead
from bmis.errors import DataError
from helpers import dicoms
from helpers.bundles import write_tiny
from helpers.tiffs import grey_pages, write_stack
from helpers.videos import write_video


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where archives are unpacked; empty again after each test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def archive(path, **members):
    """A zip with contents by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def content(path):
    """The content of a DICOM file."""
    return dicoms.write_photo(path).read_bytes()


def test_results_are_those_of_the_folder(study, scratch, tmp_path, capsys):
    bundle = write_tiny(tmp_path / "tiny.bmis", channels=1)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", study))
    tables = []
    for source in (study, packed):
        out = tmp_path / f"out-{source.stem}"
        assert main(["predict", str(bundle), str(source), "--out", str(out), "--as", "csv"]) == 0
        assert str(scratch) not in "".join(capsys.readouterr())
        files = sorted(out.rglob("*.csv"))
        tables.append([
            (file.relative_to(out), file.read_text().replace(str(source), "SOURCE"))
            for file in files
        ])  # fmt: skip
    assert tables[0] == tables[1]
    assert len(tables[0]) > 10
    assert main(["inspect", str(packed)]) == 0
    assert len(inspect_study([packed]).stacks) == len(inspect_study([study]).stacks)


@pytest.mark.parametrize(
    "name",
    ["../evil.dcm", "/tmp/evil.dcm", "a\\..\\..\\evil.dcm", "C:\\evil.dcm", "x" * 300 + ".dcm"],
)
def test_names_choose_no_place(scratch, tmp_path, name):
    before = set(tmp_path.rglob("*"))
    packed = archive(tmp_path / "a.zip", **{name: content(tmp_path / "p.dcm"), "b/p.png": b"x"})
    found = inspect_study([packed])
    assert (len(found.stacks), found.not_read) == (1, {packed: NotRead({"PNG": 1})})
    made = set(tmp_path.rglob("*")) - before
    assert made == {packed, tmp_path / "p.dcm"}
    assert not Path("/tmp/evil.dcm").exists()


def damaged(path, what):
    """An archive that is not to be trusted."""
    if what == "link":
        with zipfile.ZipFile(path, "w") as file:
            link = zipfile.ZipInfo("a.dcm")
            link.external_attr = 0o120777 << 16
            file.writestr(link, "/etc/passwd")
        return path
    if what == "bomb":
        return archive(path, **{"a.dcm": bytes(2**25)})
    archive(path, **{"a.dcm": content(path.with_name("p.dcm"))})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\1\2")
    if what == "cut":
        data = data[: len(data) // 2]
    if what == "encrypted":
        data[directory + 8] |= 1
    if what == "method":
        struct.pack_into("<H", data, directory + 10, 99)
    if what == "checksum":
        struct.pack_into("<I", data, directory + 16, 1)
        struct.pack_into("<I", data, 14, 1)
    if what == "more than it says":
        struct.pack_into("<I", data, directory + 24, 400)
    if what == "huge":
        struct.pack_into("<I", data, directory + 24, 2**32 - 2)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut", "a.zip: truncated or damaged"),
        ("encrypted", "a.zip: is encrypted; unpack it with its password"),
        ("method", "a.zip: "),
        ("checksum", "a.zip: truncated or damaged"),
        ("more than it says", "a.zip: truncated or damaged"),
        ("bomb", "a.zip: claims to unpack to 33554432 bytes, which no pictures do"),
        ("huge", "a.zip: claims to unpack to 4294967294 bytes"),
        ("link", "a.zip: no DICOM or NIfTI file"),
    ],
)
def test_a_hostile_archive_is_one_line(scratch, tmp_path, capsys, what, message):
    path = damaged(tmp_path / "a.zip", what)
    assert main(["inspect", str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert str(scratch) not in err


def test_an_archive_too_large_for_the_disk_is_refused(scratch, tmp_path, capsys, monkeypatch):
    path = archive(tmp_path / "a.zip", **{"a.dcm": content(tmp_path / "p.dcm")})
    for total, free in ((2**40, 2**30 + 5), (2**30, 2**30 // 20 + 5)):
        usage = shutil.disk_usage("/")._replace(total=total, free=free)
        monkeypatch.setattr(zipped.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert main(["inspect", str(path)]) == 2
        assert "for which there is no room" in capsys.readouterr().err
    # a gigabyte in memory, as docs/how-to/serve.md has it, is room enough
    usage = usage._replace(free=2**29)
    monkeypatch.setattr(zipped.shutil, "disk_usage", lambda _: usage)
    assert main(["inspect", str(path)]) != 2, capsys.readouterr().err


def test_names_of_an_archive_are_shown_below_it(scratch, tmp_path, capsys):
    packed = archive(tmp_path / "a.zip", **{"/etc/a.dcm": b"x" * 400})
    assert main(["inspect", str(packed)]) == 2
    err = capsys.readouterr().err
    assert f"{packed}/etc/a.dcm: " in err
    assert str(scratch) not in err


def test_a_hundred_thousand_bad_files_are_named_in_linear_time():
    files = {Path(f"/x/bmis-1/0/{k}/a.dcm"): Path(f"a.zip/{k}.dcm") for k in range(100_000)}
    found = zipped.Unzipped([], files, folder=Path("/x/bmis-1"))
    failed = [(path, f"{path}: is cut; see {path}") for path in files]
    assert found.failures(failed)[7] == (
        Path("a.zip/7.dcm"),
        "a.zip/7.dcm: is cut; see a.zip/7.dcm",
    )


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("comment", [b"", b"PK of a hospital"])
def test_a_list_of_too_many_files_is_never_read(scratch, tmp_path, monkeypatch, large, comment):
    if large:  # from here on zipfile writes the records of large archives
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    path = archive(tmp_path / "a.zip", **{"a.dcm": content(tmp_path / "p.dcm")})
    with zipfile.ZipFile(path, "a") as file:
        file.comment = comment
    assert (b"PK\6\6" in path.read_bytes()) == large
    assert len(inspect_study([path]).stacks) == 1
    monkeypatch.setattr(zipped, "_MOST_DIRECTORY", 40)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(DataError, match=r"a.zip: lists more files than are unpacked"):
        inspect_study([path])


def test_stacks_and_videos_are_read_wherever_they_lie_and_the_rest_is_named(
    scratch, tmp_path, capsys
):
    bundle = write_tiny(tmp_path / "tiny.bmis")
    stack = write_stack(tmp_path / "a.tif", grey_pages(3)).read_bytes()
    one_page = write_stack(tmp_path / "b.tif", grey_pages(1)).read_bytes()
    video = write_video(tmp_path / "c.avi", codec="mjpeg").read_bytes()
    packed = archive(
        tmp_path / "in.zip",
        **{"x/deep/scan.tif": stack, "scan.tiff": stack, "y/page.tif": one_page},
        **{"film.avi": video, "DICOMDIR": b"\0" * 128 + b"DICM", "__MACOSX/._film.avi": video},
        **{"more.zip": b"PK\3\4", "readme.txt": b"hello"},
    )
    assert main(["predict", str(bundle), str(packed), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film", "scan", "scan-2"]
    assert len(list((tmp_path / "out" / "film" / "masks").iterdir())) == 6
    not_read = f"{packed}: not read: 1 TIF, 1 archive; unpack it and name what is inside"
    assert not_read in shown.err
    assert str(scratch) not in shown.out + shown.err
    assert main(["inspect", str(packed)]) == 0
    assert not_read in capsys.readouterr().err


def test_pages_of_a_zip_are_channels_of_a_network_that_takes_as_many(scratch, tmp_path):
    stack = write_stack(tmp_path / "a.tif", grey_pages(4)).read_bytes()
    packed = archive(tmp_path / "in.zip", **{"a.tif": stack, "p.dcm": content(tmp_path / "p")})
    for channels, stacks in ((3, 2), (4, 1)):
        with open_study([packed], channels=channels) as (study, _):
            assert len(study.stacks) == stacks
            assert bool(study.not_read) == (channels == 4)


@pytest.mark.parametrize(("name", "kind"), [("more.zip", "archive"), ("photo.png", "PNG")])
def test_an_archive_of_nothing_that_is_read_is_one_line(scratch, tmp_path, capsys, name, kind):
    packed = archive(tmp_path / "a.zip", **{name: b"PK\3\4" if kind == "archive" else b"\x89PNG"})
    bundle = write_tiny(tmp_path / "tiny.bmis")
    for command in (["predict", str(bundle), "--out", str(tmp_path / "out")], ["inspect"]):
        assert main([*command[:2], str(packed), *command[2:]]) == 2
        line = f"bmis: {packed}: holds only 1 {kind}; unpack it and name what is inside\n"
        assert capsys.readouterr() == ("", line)
