"""Videos frame by frame: the frames that were written, in any order; bad files are one line."""

import pytest

from bmis.cli.main import main
from bmis.clinical.inspection import inspect_study
from bmis.clinical.sources import clinical_files
from bmis.data.formats.video import read_video
from bmis.data.images import read_mask
from bmis.errors import DataError
from helpers.bundles import write_tiny
from helpers.fakes import hide
from helpers.videos import write_video


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.mkv", "mpeg4")]
)
def test_frames_are_those_that_were_written_in_any_order(tmp_path, name, codec):
    video = read_video(write_video(tmp_path / name, codec=codec))
    assert (video.frames, video.size) == (6, (48, 64))
    for index in (0, 1, 4, 2, 5, 0):
        frame = video.read(index)
        assert frame.shape == (48, 64, 3)
        assert frame.mean() == pytest.approx(30 * (index + 1), abs=4)
    with pytest.raises(DataError, match="ends before frame 7"):
        video.read(6)


def test_a_mask_for_each_frame(tmp_path, capsys):
    bundle = write_tiny(tmp_path / "tiny.bmis")
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "polyp.mp4")
    assert main(["predict", str(bundle), str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert "6 files in masks, measurements.csv" in capsys.readouterr().out
    masks = sorted((tmp_path / "out" / "polyp" / "masks").iterdir())
    assert [mask.name for mask in masks] == [f"{number:04d}.png" for number in range(1, 7)]
    assert read_mask(masks[0]).shape == (48, 64)
    (found,) = inspect_study([tmp_path / "in"]).stacks
    assert (found.kind, found.pictures, found.size) == ("video", 6, (48, 64))


def test_a_cut_video_gives_its_frames_and_one_line(tmp_path, capsys):
    path = write_video(tmp_path / "a.avi", codec="mjpeg", frames=20)
    path.write_bytes(path.read_bytes()[:-3000])
    bundle = write_tiny(tmp_path / "tiny.bmis")
    code = main(["predict", str(bundle), str(path), "--out", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert len(list((tmp_path / "out" / "a" / "masks").iterdir())) > 5
    assert code in (0, 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(200)),
        ("a.avi", b"RIFF1234AVI LIST" + bytes(200)),
        ("a.mkv", b"\x1a\x45\xdf\xa3" + bytes(200)),
        ("a.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("a.mp4", b"\0\0\0\x18ftypisom#EXTM3U\nhttp://127.0.0.1:9/a\n"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path, name, content, capfd):
    (tmp_path / name).write_bytes(content)
    assert main(["inspect", str(tmp_path / name)]) == 2
    out, err = capfd.readouterr()
    line, *counts = err.splitlines()  # behind those of files stands their number
    assert (out, len(counts) < 2) == ("", True)
    assert f"{name}: " in line


def test_without_the_extra_videos_of_a_folder_are_named_and_the_rest_is_done(
    tmp_path, monkeypatch, study
):
    write_video(tmp_path / "a.mp4")
    assert clinical_files(tmp_path) == [tmp_path / "a.mp4"]
    hide(monkeypatch, "av")
    found = inspect_study([tmp_path, study / "us.dcm"])
    assert len(found.stacks) == 1
    ((path, why),) = found.failed
    assert path == tmp_path / "a.mp4"
    assert 'pip install "bmis[video]"' in why
