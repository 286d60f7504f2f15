"""What a bundle costs: counts from its manifest, times from processes of their own."""

import json
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

import bmis.profile.bundle
from bmis.cli.main import main
from bmis.cli.profile import render_bundle as render
from bmis.errors import BundleError, ConfigError
from bmis.profile import bundle_worker
from bmis.profile.bundle import profile_bundle
from bmis.profile.bundle_worker import EngineJob, measure_engine
from bmis.runtime.engines import engine_has_bf16, installed_engines
from helpers.bundles import write_tiny

ANSWER = {"start_seconds": 0.25, "batches": [], "error": None}
TIMES = {"latency_p50_ms": 5.0, "latency_p95_ms": 7.5, "images_per_second": 190.0}
FAKE_WORKER = """
import json, sys
job = json.loads(sys.stdin.read())
if job["options"]["engine"] == "openvino":
    sys.exit("no such library")
answer, times = {answer}, {times}
answer["batches"] = [{{"batch": b, "resident_mb": None, **times}} for b in job["batches"]]
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("bundle") / "lesion.bmis", int8=True)


@pytest.fixture(scope="module")
def profile(bundle):
    return profile_bundle(bundle, batches=(2, 1), threads=1, seconds=0)


def test_every_engine_runs_in_every_precision_it_has(profile):
    expected = [
        (engine, precision)
        for engine in installed_engines()
        if engine != "ncnn"  # needs its own format
        for precision in ("fp32", "bf16", "int8")
        if (precision != "bf16" or engine_has_bf16(engine))
        and (engine, precision) != ("openvino", "int8")  # needs its own format for int8
    ]
    assert [(cost.engine, cost.precision) for cost in profile.engines] == expected
    assert {cost.error for cost in profile.engines} == {None}


def test_counts_come_from_the_manifest_and_the_size_from_the_file(profile, bundle):
    assert (profile.parameters, profile.macs, profile.macs_size) == (8, 9216, (32, 48))
    assert profile.file_mb == bundle.stat().st_size / 1e6
    assert (profile.size, profile.in_channels, profile.num_classes) == ((32, 48), 3, 2)
    assert (profile.threads, profile.versions) == (1, installed_engines())


def test_times_and_memory_are_those_of_a_fresh_process(profile):
    for cost in profile.engines:
        one, two = cost.batches
        assert (one.batch, two.batch) == (1, 2)  # smallest first, as the peak of memory only grows
        assert 0 < one.latency_p50_ms <= one.latency_p95_ms < 1e3 * cost.start_seconds
        assert one.images_per_second <= 1e3 / one.latency_p50_ms * 2
        assert 20 < one.resident_mb <= two.resident_mb < 1000


def test_a_profile_goes_through_json(profile):
    values = profile.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["engines"][0]["batches"][1]["batch"] == 2


def use_fake_worker(monkeypatch, **answer):
    code = FAKE_WORKER.format(answer={**ANSWER, **answer}, times=TIMES)
    monkeypatch.setattr(bmis.profile.bundle, "_WORKER", ("-c", code))


def test_an_engine_that_fails_is_listed_beside_the_others(monkeypatch, bundle):
    use_fake_worker(monkeypatch, error="not enough memory")
    profile = profile_bundle(bundle, size=64)
    first, *_, last = profile.engines
    assert first.batches[0].latency_p95_ms == 7.5
    assert (last.start_seconds, last.batches) == (None, ())
    text = render(profile)
    for part in ("0.000 G at 32 x 48", "64 x 64", "0.25", "7.5", "190.0"):
        assert part in text
    assert "onnxruntime fp32: not enough memory" in text
    assert "openvino fp32: its process ended with 1 (no such library)" in text


def test_a_bundle_that_no_engine_runs_is_an_error(bundle):
    with pytest.raises(BundleError, match=r"no engine can run it; this bundle takes .* of 8; got"):
        profile_bundle(bundle, size=(30, 32), seconds=0)


def test_a_machine_without_engines_gets_an_error(bundle, monkeypatch):
    monkeypatch.setattr(bmis.profile.bundle, "runnable", lambda _: ())
    with pytest.raises(BundleError, match="no engine can run it; none is installed"):
        profile_bundle(bundle)


@pytest.mark.parametrize(
    "values", [{"batches": ()}, {"batches": (0,)}, {"seconds": -1}, {"threads": 0}]
)
def test_values_out_of_range_are_refused(bundle, values):
    with pytest.raises(ConfigError, match="must be 1"):
        profile_bundle(bundle, **values)


def test_the_command_chooses_by_the_file(monkeypatch, capsys, bundle):
    use_fake_worker(monkeypatch)
    assert main(["profile", str(bundle), "--batch", "1,4", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [time["batch"] for time in found["engines"][0]["batches"]] == [1, 4]
    assert main(["profile", str(bundle)]) == 0
    assert "onnxruntime" in capsys.readouterr().out
    assert main(["profile", str(bundle), "--device", "cuda"]) == 2
    assert "bundles run on the processor" in capsys.readouterr().err


def job(bundle, **changes):
    values = {"options": {"engine": "onnxruntime", "precision": "fp32", "threads": 1}}
    values |= {"batches": (1, 2), "size": (32, 48), "seconds": 0.0, "begun": time.time()}
    return EngineJob(str(bundle), **{**values, **changes})


def test_the_worker_answers_in_json_and_loads_no_torch(bundle):
    code = "import sys, bmis.profile.bundle_worker; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    run = subprocess.run(
        [sys.executable, *bmis.profile.bundle._WORKER],
        input=json.dumps(asdict(job(bundle))),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(run.stdout)
    assert (run.stderr, answer["error"]) == ("", None)
    assert [time["batch"] for time in answer["batches"]] == [1, 2]
    assert 0 < answer["start_seconds"] < 60


def test_the_worker_keeps_what_it_measured_before_an_error(bundle, monkeypatch):
    def time_calls(step, **_):
        if step.args[0].shape[0] == 2:
            raise MemoryError
        return [0.01]

    monkeypatch.setattr(bundle_worker, "time_calls", time_calls)
    answer = measure_engine(job(bundle))
    assert [time["batch"] for time in answer["batches"]] == [1]
    assert answer["error"] == "not enough memory"
