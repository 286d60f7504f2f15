"""Device files: written by bench, read by fit, refused when they are of something else."""

import json

import pytest

from bmis.cli.main import main
from bmis.errors import DataError
from bmis.fit import bench
from bmis.fit.device import read_device
from helpers.bundles import write_tiny


@pytest.fixture
def bundles(tmp_path):
    folder = tmp_path / "bench"
    folder.mkdir()
    write_tiny(folder / "a.bmis", int8=True)
    return folder


@pytest.mark.slow
def test_bench_writes_what_fit_reads(bundles, tmp_path, capsys):
    out = tmp_path / "pi5.json"
    (bundles / "broken.bmis").write_bytes(b"no zip")
    assert main(["bench", str(bundles), "--out", str(out), "--json"]) == 2  # one is broken
    said = capsys.readouterr()
    assert "broken.bmis: not a whole zip file" in said.err
    found = read_device(out)
    (bundle,) = found.bundles
    assert (bundle.model, bundle.options, bundle.size) == ("bmis", {"attention": False}, (32, 48))
    assert {way.name for way in bundle.ways} >= {"onnxruntime fp32", "onnxruntime int8"}
    assert all(way.mb > 0 for way in bundle.ways)
    assert json.loads(said.out)["threads"] == found.threads == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        (b"PK\x03\x04\xff\xfe", "is not JSON; name a file of `bmis bench`"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no device file"),
        ('{"format": "bmis-device", "version": 2}', "of version 2, this bmis reads 1; measure"),
        ('{"format": "bmis-device", "version": 1}', "is damaged"),
        (
            '{"format": "bmis-device", "version": 1, "machine": "m", "threads": 1, "engines": {}}',
            "holds no measurement",
        ),
        (
            '{"format": "bmis-device", "version": 1, "machine": "m", "threads": 1, "engines": {},'
            ' "bundles": [{"model": 3}]}',
            "is damaged",
        ),
    ],
)
def test_what_is_no_device_file_is_refused_in_one_line(content, said, tmp_path):
    path = tmp_path / "pi5.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said) as caught:
        read_device(path)
    assert "\n" not in str(caught.value)


GOOD = {
    "model": "unet", "options": {}, "size": [96, 96], "channels": 3, "classes": 2,
    "ways": [{"engine": "onnxruntime", "precision": "fp32", "ms": 1.0}],
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"ways": [{"engine": "../../evil", "precision": "fp32", "ms": 1.0}]},  # names a file
        {"ways": [{"engine": "onnxruntime", "precision": "../../evil", "ms": 1.0}]},
        {"ways": [{"engine": "onnxruntime", "precision": "fp32", "ms": float("nan")}]},
        {"classes": 10**9},
        {"channels": 10**9},
        {"size": [10**9, 96]},
    ],
)
def test_a_hostile_device_file_is_refused(changes, tmp_path):
    path = tmp_path / "pi5.json"
    for bundle in (GOOD, {**GOOD, **changes}):
        content = {
            "format": "bmis-device", "version": 1, "machine": "m", "threads": 1, "engines": {},
            "bundles": [bundle],
        }  # fmt: skip
        path.write_text(json.dumps(content), encoding="utf-8")
        if bundle is GOOD:
            read_device(path)
    with pytest.raises(DataError, match="is damaged"):
        read_device(path)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere", "--out", "a.json"], "no bundles"),
        (["bench"], "give --out FILE"),
        (["bench", "--out", "a.json", "--threads", "0"], "threads"),
        (["bench", "--out", "bench/a.bmis/b.json"], "cannot write here"),
    ],
)
def test_bad_arguments_of_bench_are_answered_in_one_line(
    argv, said, bundles, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_bench_says_that_the_machine_is_busy(bundles, monkeypatch, caplog):
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    monkeypatch.setattr(bench, "profile_bundle", _refused)  # seconds that do not matter here
    with pytest.raises(DataError, match="no bundle can be measured"):
        bench.bench_bundles(bundles)
    assert "this machine is busy (load 99.0" in caplog.text


def _refused(path, **_):
    raise DataError(f"{path}: not measured")
