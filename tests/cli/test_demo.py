"""The demo writes what it names, and is taken up where it stopped."""

import pytest

from bmis.cli import demo
from bmis.errors import ConfigError


@pytest.mark.slow
def test_the_demo_names_pictures_and_a_report_that_shows_them(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_IMAGES", 10)
    monkeypatch.setattr(demo, "_EPOCHS", 1)
    monkeypatch.setattr(demo, "_SIZE", 32)
    done = demo.run_demo(tmp_path / "demo", modality="ultrasound")
    page = done.report.read_text(encoding="utf-8")
    assert len(done.pictures) > 1
    for picture in done.pictures:
        assert picture.is_file()
        assert f'src="{picture.relative_to(tmp_path / "demo").as_posix()}"' in page
    dice = done.scores.summary["cases"]["dice"]["mean"]
    assert f"<th>dice</th><td>{dice:.3f}</td>" in page
    assert "<td>874,737</td>" in page  # grey: parameters of a network with one channel

    again = demo.run_demo(tmp_path / "demo", modality="ultrasound")
    assert again.scores.summary == done.scores.summary
    with pytest.raises(ConfigError, match="holds other phantoms"):
        demo.run_demo(tmp_path / "demo", modality="xray")
