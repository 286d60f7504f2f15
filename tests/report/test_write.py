"""The whole report: its files, its page, and what it says of records that do not compare."""

import csv
import json
import re
from dataclasses import replace

import pytest

from bmis.cli.main import main
from bmis.records import Record, Trial, write_record
from bmis.report.write import write_report
from helpers.pages import Page
from helpers.records import CONDITIONS, METHODS, make_record, write_comparison

NASTY = "</script><img src=x onerror=alert(1)>&\"'{{7*7}}"


def page(report):
    return Page(report.page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    return write_report(write_comparison(root / "results"), out=root / "report")


def test_all_files_are_there(report):
    folder = report.page.parent
    names = {path.relative_to(folder).as_posix() for path in report.files}
    assert names == {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    tables = {f"{stem}.{form}" for stem in ("overall", "table-polyps", "table-lesions", "costs")
              for form in ("md", "tex", "csv")}  # fmt: skip
    assert tables | {"index.html", "cases.csv"} <= names
    for name in ("polyps", "lesions"):
        assert {f"significance-{name}.csv", f"ranks-{name}.csv"} <= names
        assert {
            f"figures/{kind}-{name}.svg" for kind in ("significance", "ranks", "curves")
        } <= names
    assert {f"figures/pareto-{cost}{data}.svg" for data in ("", "-polyps", "-lesions")
            for cost in ("parameters", "macs", "inference-mb", "latency-p50-ms",
                         "seconds-per-epoch")} <= names  # fmt: skip


def test_the_answer_counts_the_trials(report):
    assert (report.methods, report.datasets) == (4, 2)
    assert (report.done, report.failed, report.missing) == (14, 1, 1)
    assert json.loads(json.dumps(report.to_dict()))["trials"]["failed"] == 1


def test_the_page_says_what_was_counted_inside_a_field_of_view(tmp_path):
    write_record(tmp_path / "r", make_record(images=12))
    data = make_record(dataset="vessels").data
    write_record(
        tmp_path / "r", make_record(dataset="vessels", data={**data, "fields_of_view": 12})
    )
    text = write_report(tmp_path / "r", out=tmp_path / "report").page.read_text(encoding="utf-8")
    assert text.count("12 counted inside their field of view") == 1


def test_the_page_asks_for_nothing_else(report):
    found = page(report)
    assert found.links
    assert [link for link in found.links if not link.startswith(("#", "data:image/"))] == []
    inside = [link[1:] for link in found.links if link.startswith("#")]
    assert set(inside) <= set(found.ids)
    text = report.page.read_text(encoding="utf-8")
    assert "@import" not in text
    assert re.findall(r"url\((?!#)[^)]*\)", text) == []
    assert re.findall(r"https?://(?!www\.w3\.org)[^\s\"<]*", text) == []
    assert "link" not in found.tags


def test_each_figure_is_on_the_page_in_light_and_in_dark(report):
    pictures = page(report).pictures
    files = [path.read_text(encoding="utf-8") for path in report.files if path.suffix == ".svg"]
    assert len(pictures) == 2 * len(files)
    assert sorted(pictures[1::2]) == sorted(files)  # the light ones are the files
    assert not set(pictures[::2]) & set(files)


def test_ids_of_the_page_are_unique(report):
    found = page(report)
    assert len(set(found.ids)) == len(found.ids)


def test_the_page_shows_what_is_missing_and_why(report):
    text = " ".join(page(report).texts)
    assert "Without a result: 2 of 16 trials (1 failed and 1 not run)" in text
    assert "failed: out of memory" in text
    assert "unet: polyps: 1 of 2 trials failed (out of memory)" in text
    assert "missing" in text


def test_the_page_states_conditions_machine_and_rules(report):
    text = " ".join(page(report).texts)
    for words in ("recipe fast, 3 epochs, 64x64, squash", "a processor, 2 threads, float32",
                 "12 test images", "seeds 0, 1", "torch 2.6.0", "arXiv:2510.07041",
                 "Holm"):  # fmt: skip
        assert words in text, words
    assert report.warnings == (
        next(w for w in report.warnings if w.startswith("Without a result: 2 of 16")),
    )


def test_cases_hold_every_value_of_every_trial(report):
    with (report.page.parent / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 14 * 12
    record = make_record("bmis", "polyps", seed=1)
    mine = [r for r in rows if (r["dataset"], r["method"], r["seed"]) == ("polyps", "bmis", "1")]
    assert [float(row["iou"]) for row in mine] == pytest.approx(list(record.cases["iou"]))
    assert [row["id"] for row in mine] == list(record.cases["id"])


def test_significance_file_holds_all_pairs(report):
    with (report.page.parent / "significance-polyps.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert all(float(row["p_holm"]) >= float(row["p"]) for row in rows)
    assert {row["better"] for row in rows} <= {"", *METHODS}


def test_rank_shares_add_up(report):
    with (report.page.parent / "ranks-polyps.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        assert sum(float(row[f"rank_{i}"]) for i in range(1, 5)) == pytest.approx(1)


@pytest.mark.slow
def test_a_report_of_the_same_records_is_the_same(report, tmp_path):
    again = write_report(report.page.parents[1] / "results", out=tmp_path)
    for one, other in zip(report.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_names_of_records_break_nothing(tmp_path):
    method, dataset = NASTY, "../../" + NASTY
    record = make_record(method, dataset)
    record = replace(
        record,
        model={"group": NASTY, "source": NASTY},
        environment={"machine": NASTY, NASTY: NASTY},
        cases={**record.cases, "id": [f"{NASTY}{i}" for i in range(12)]},
        training={"log": [{"epoch": NASTY}, NASTY, {"epoch": 1, "val_iou": "x"}]},
        masks={NASTY: NASTY},
    )
    write_record(tmp_path / "r", record)
    failed = Record(Trial(dataset, "a\nb\x1b"), CONDITIONS, "failed", NASTY)
    write_record(tmp_path / "r", failed)
    done = write_report(tmp_path / "r", out=tmp_path / "deep" / "report", title=NASTY)
    found = page(done)
    assert found.tags.count("script") == 1
    assert "onerror" in " ".join(found.texts)
    assert "{{7*7}}" in " ".join(found.texts)
    assert "a?b?" in " ".join(found.texts)
    assert {path.name for path in tmp_path.iterdir()} == {"r", "deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"report"}


def test_a_single_method_needs_no_tests(tmp_path):
    write_record(tmp_path / "r", make_record())
    done = write_report(tmp_path / "r", out=tmp_path / "report")
    assert not list((tmp_path / "report").glob("overall*"))
    assert "1 method on polyps" in " ".join(page(done).texts)
    assert "Who is better than whom" not in page(done).texts


def test_records_that_all_failed_are_reported_too(tmp_path):
    for name in ("bmis", "unet"):
        write_record(
            tmp_path / "r", Record(Trial("polyps", name), CONDITIONS, "failed", "no memory")
        )
    done = write_report(tmp_path / "r", out=tmp_path / "report")
    assert (done.done, done.failed) == (0, 2)
    assert "failed: no memory" in page(done).texts


def test_the_reader_is_warned_of_other_and_of_crowded_machines(tmp_path):
    for number, (name, changes) in enumerate(
        {"bmis": {}, "unet": {"device_name": "a GPU"}, "mk_unet": {"alone": False},
         "lv_unet": {"batch": 4}}.items()
    ):  # fmt: skip
        record = make_record(name)
        training = {**record.training, "precision": "32" if number else "bf16-mixed"}
        changed = replace(record, costs={**record.costs, **changes}, training=training)
        write_record(tmp_path / "r", changed)
    done = write_report(tmp_path / "r", out=tmp_path / "report")
    shown = " ".join(" ".join(page(done).texts).split())
    for start in ("Costs were measured on 2 different machines", "Other work ran beside the meas",
                  "Throughput and training memory were measured at different batch sizes (4, 8)",
                  "Networks were trained in different ways"):  # fmt: skip
        assert any(warning.startswith(start) for warning in done.warnings), start
        assert start in shown
    assert "costs of mk_unet:" in shown


def test_the_command(tmp_path, capsys):
    results = write_comparison(tmp_path / "results", datasets=("polyps",), seeds=1)
    out = tmp_path / "report"
    assert main(["report", str(results), "--out", str(out), "--title", "Mine"]) == 0
    printed = capsys.readouterr()
    assert f"page: {out / 'index.html'}" in printed.out
    assert printed.err == ""
    assert "<title>Mine</title>" in (out / "index.html").read_text(encoding="utf-8")
    assert main(["report", str(results), "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["page"] == str(out / "index.html")
    assert answer["trials"] == {"done": 4, "failed": 0, "missing": 0}


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("nowhere", "no such folder"),
        ("empty", "holds no records; run `bmis compare"),
        ("half", "half-written or no record"),
        ("disagree", "that disagree; delete the one that is wrong"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, problem, message):
    results = tmp_path / "results"
    if problem != "nowhere":
        results.mkdir()
    if problem == "half":
        (results / "a.json").write_text('{"format": "bmis-re')
    if problem == "disagree":
        write_record(results / "a", make_record())
        record = make_record()
        worse = {**record.cases, "iou": [0.1] * 12}
        write_record(results / "b", replace(record, cases=worse))
    assert main(["report", str(results), "--out", str(tmp_path / "report")]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert not (tmp_path / "report").exists()


def test_an_output_folder_that_is_a_file(tmp_path, capsys):
    write_record(tmp_path / "r", make_record())
    (tmp_path / "report").write_text("mine")
    assert main(["report", str(tmp_path / "r"), "--out", str(tmp_path / "report")]) == 2
    assert "cannot write here" in capsys.readouterr().err
