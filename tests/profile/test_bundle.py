"""What a bundle costs: told by its manifest, measured in processes of their own."""

import io
import json

import pytest
from rich.console import Console

from bmis.cli.main import main
from bmis.cli.profile import render_bundle as render
from bmis.errors import BundleError, ConfigError
from bmis.profile import bundle as bundle_profiling
from bmis.profile.bundle import profile_bundle
from bmis.runtime.engines import engine_has_bf16, installed_engines
from helpers.bundles import write_tiny

ANSWER = {"start_seconds": 0.25, "batches": [], "fault": None}
TIME = {"latency_p50_ms": 5.0, "latency_p95_ms": 7.5, "images_per_second": 190.0}
PLAYED = """
import json, sys
question = json.loads(sys.stdin.read())
if question["options"]["engine"] == "openvino":
    sys.exit("no such library")
answer, time = {answer}, {time}
answer["batches"] = [{{"batch": b, "resident_mb": None, **time}} for b in question["batches"]]
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("bundle") / "lesion.bmis", int8=True)


@pytest.fixture(scope="module")
def profile(bundle):
    return profile_bundle(bundle, batches=(2, 1), threads=1, seconds=0)


def shown(profile) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(profile))
    return console.file.getvalue()


def test_every_engine_runs_in_every_precision_it_has(profile):
    expected = [
        (engine, precision)
        for engine in installed_engines()
        for precision in ("fp32", "bf16", "int8")
        if (precision != "bf16" or engine_has_bf16(engine))
        and (engine, precision) != ("openvino", "int8")  # wants its own format for it
    ]
    assert [(cost.engine, cost.precision) for cost in profile.engines] == expected
    assert {cost.fault for cost in profile.engines} == {None}


def test_counts_are_the_manifests_and_the_size_is_the_files(profile, bundle):
    assert (profile.parameters, profile.macs, profile.macs_size) == (8, 9216, (32, 48))
    assert profile.file_mb == bundle.stat().st_size / 1e6
    assert (profile.size, profile.in_channels, profile.num_classes) == ((32, 48), 3, 2)
    assert (profile.threads, profile.versions) == (1, installed_engines())


def test_times_and_memory_are_those_of_a_process_that_starts(profile):
    for cost in profile.engines:
        one, two = cost.batches
        assert (one.batch, two.batch) == (1, 2)  # from the smallest on, or memory would not tell
        assert 0 < one.latency_p50_ms <= one.latency_p95_ms < 1e3 * cost.start_seconds
        assert one.images_per_second <= 1e3 / one.latency_p50_ms * 2
        assert 20 < one.resident_mb <= two.resident_mb < 1000


def test_a_profile_goes_through_json(profile):
    values = profile.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["engines"][0]["batches"][1]["batch"] == 2


def play(monkeypatch, **answer):
    code = PLAYED.format(answer={**ANSWER, **answer}, time=TIME)
    monkeypatch.setattr(bundle_profiling, "_ALONE", code)


def test_an_engine_that_fails_is_told_of_beside_the_others(monkeypatch, bundle):
    play(monkeypatch, fault="not enough memory")
    profile = profile_bundle(bundle, size=64)
    first, *_, last = profile.engines
    assert first.batches[0].latency_p95_ms == 7.5
    assert (last.start_seconds, last.batches) == (None, ())
    text = shown(profile)
    for part in ("0.000 G at 32 x 48", "64 x 64", "0.25", "7.5", "190.0"):
        assert part in text
    assert "onnxruntime fp32: not enough memory" in text
    assert "openvino fp32: its process ended with 1 (no such library)" in text


def test_a_bundle_that_no_engine_runs_is_an_error(bundle):
    with pytest.raises(BundleError, match=r"no engine can run it; this bundle takes .* of 8; got"):
        profile_bundle(bundle, size=(30, 32), seconds=0)


def test_a_machine_without_engines_is_told_so(bundle, monkeypatch):
    monkeypatch.setattr(bundle_profiling, "runnable", lambda _: ())
    with pytest.raises(BundleError, match="no engine can run it; none is installed"):
        profile_bundle(bundle)


@pytest.mark.parametrize(
    "values", [{"batches": ()}, {"batches": (0,)}, {"seconds": -1}, {"threads": 0}]
)
def test_values_that_cannot_be_are_refused(bundle, values):
    with pytest.raises(ConfigError, match="must be 1"):
        profile_bundle(bundle, **values)


def test_the_command_chooses_by_the_file(monkeypatch, capsys, bundle):
    play(monkeypatch)
    assert main(["profile", str(bundle), "--batch", "1,4", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [time["batch"] for time in found["engines"][0]["batches"]] == [1, 4]
    assert main(["profile", str(bundle)]) == 0
    assert "onnxruntime" in capsys.readouterr().out
    assert main(["profile", str(bundle), "--device", "cuda"]) == 2
    assert "bundles run on the processor" in capsys.readouterr().err
