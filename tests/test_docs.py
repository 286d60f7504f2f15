"""The documentation: pages are as their scripts write them, commands run, links lead somewhere."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bmis.cli.main import main, parse
from bmis.models.catalogue import read_counts

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), BENCHMARKS / "NOTES.md", *(ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts
]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "get-started.md").read_text(encoding="utf-8")


@pytest.fixture
def scripts(monkeypatch):
    """The scripts in ``benchmarks/`` can be imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def fenced(text, language):
    """The blocks of one language of a Markdown page."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text):
    """The arguments of every ``bmis`` command in the shell blocks of a page."""
    lines = [line for block in fenced(text, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("bmis ")]


def anchors(text):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return set(plain)


def test_the_result_pages_are_as_the_script_writes_them(scripts):
    import results_pages

    for path, text in results_pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name}: run python benchmarks/results_pages.py"
        )


def test_the_picture_of_the_field_names_the_methods_of_its_table(scripts):
    from pages import field_picture

    names = set(re.findall(r">([\w:=.]+)</text>", field_picture.PICTURE.read_text("utf-8")))
    assert set(field_picture.points()["method"]) <= names


def test_figures_in_the_text_of_the_readme_are_those_of_the_records():
    (device,) = (BENCHMARKS / "results").glob("device_amd-*.json")
    found = json.loads(device.read_text(encoding="utf-8"))
    start = f"{found['predict_seconds']:.2f} s on one core, in {found['resident_mb']:.0f} MB"
    assert start in README
    assert f"{read_counts()['bmis'].parameters:,}\nparameters" in README
    assert f"{len(read_counts())} networks" in README


def test_the_readme_stays_short():
    assert len(README.splitlines()) < 100


def test_the_three_lines_of_the_readme_give_a_mask(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (block, *_) = fenced(README, "sh")
    assert block.startswith("pip install .\n")
    assert [main(argv) for argv in commands(f"```sh\n{block}```")] == [0, 0]
    assert len(list((tmp_path / "masks").glob("*.png"))) == 10
    (python,) = fenced(README, "python")
    names = {}
    exec(python, names)
    assert names["mask"].dtype == "uint8"
    assert names["mask"].any()


@pytest.mark.slow
def test_the_tutorial_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    argvs = commands(TUTORIAL)
    assert [argv[0] for argv in argvs] == [
        *("phantom", "inspect", "train", "evaluate", "predict", "export", "profile", "predict")
    ]
    for argv in argvs:
        small = ["--epochs", "1"] if argv[0] == "train" else []
        assert main([*argv, *small]) == 0, argv
    (python,) = fenced(TUTORIAL, "python")
    capsys.readouterr()
    exec(python, {})
    assert capsys.readouterr().out.strip() in python


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_a_file_and_a_heading(name):
    path = ROOT / name
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        known = linked.exists() and (
            not anchor or anchor in anchors(linked.read_text(encoding="utf-8"))
        )
        if not known:
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_the_pages_have_the_options_that_they_name(name, capsys):
    for argv in commands((ROOT / name).read_text(encoding="utf-8")):
        parse(argv)


def test_make_help_lists_every_target():
    if not shutil.which("make"):
        pytest.skip("there is no make")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    run = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True, env=os.environ
    )
    listed = re.findall(r"^make (\w+) ", run.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(targets.split())


def test_make_sbom_is_of_what_its_page_says():
    """Dry, as it installs; every bill is of the environment that its packages went into."""
    if not shutil.which("make"):
        pytest.skip("there is no make")
    run = subprocess.run(
        ["make", "--dry-run", "sbom"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    installed = dict(re.findall(r"--python (\S+) install --quiet \"(.*)\"", run.stdout))
    read = dict(re.findall(r"environment .* --output-file (\S+) (\S+)", run.stdout))
    bills = {name: installed[python] for name, python in read.items()}
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(sbom/\S+)` \| `pip install (.*?)` \|", page, re.MULTILINE)
    assert bills == dict(rows)
    assert len(bills) == 2
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for what in bills.values():
        assert set(re.findall(r"[a-z]+", what)) <= set(extras["optional-dependencies"])


def test_the_hooks_before_a_commit_are_those_of_make_check():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (check,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in hooks[0]["hooks"]]
    assert entries == [line.strip().removeprefix("$(BIN)/") for line in check.splitlines()]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--quiet", "-b", "html"]
    run = subprocess.run(
        [*command, str(ROOT / "docs"), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "index.html").is_file()


def test_names_in_the_contributing_guide_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    names = set(re.findall(r"`([A-Za-z_]\w+)`", text))
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", source)] == []
    files = set(re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./]+)`", text))
    assert [
        file for file in sorted(files) if "my_net" not in file and not (ROOT / file).exists()
    ] == []
