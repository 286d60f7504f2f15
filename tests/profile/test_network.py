"""Costs: counts against sums by hand, times with a fake clock and a fake device."""

import copy
import json

import pytest
import torch
from torch import nn

from bmis.cli.profile import render_network as render
from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.errors import BmisError, ConfigError, DataError
from bmis.models import SegmentationModel, build_model
from bmis.models.checkpoint import save_model
from bmis.models.complexity import count_macs, peak_bytes
from bmis.profile import steps
from bmis.profile.network import profile_model
from bmis.profile.steps import inference, synchroniser, training

TINY = {"widths": (6, 8, 10), "depths": (1, 1)}


class Line(SegmentationModel):
    """A 3x3 and a 1x1 convolution: costs that can be added up by hand."""

    def __init__(self) -> None:
        super().__init__(1, 2, stride=1)
        self.first = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.head = nn.Conv2d(4, 2, 1, bias=False)

    def forward(self, x):
        return self.head(self.first(x))


@pytest.mark.parametrize(
    ("name", "published"), [("bmis", 1.557e9), ("bmis_tiny", None), ("bmis_large", None)]
)
def test_macs_are_as_published(name, published):
    macs = count_macs(build_model(name), (224, 224))
    if published:
        assert macs == pytest.approx(published, rel=0.002)
    assert macs > 0


def test_macs_are_the_sum_by_hand():
    assert count_macs(Line(), (5, 7)) == 5 * 7 * (9 * 4 + 4 * 2)


# Known tools leave out the products inside attention. The large size takes the fused kernel, which
# must neither be left out nor counted with the zeros that it is padded with.
@pytest.mark.parametrize("size", [(224, 224), (528, 512), (2048, 1024)])
def test_macs_hold_the_products_of_attention(size):
    positions, c, d = size[0] * size[1] // 64, 96, 48
    convolutions = positions * (c * d * 3 * 2 + c * c)
    spatial = positions**2 * (d + c)
    channel = 2 * positions * c * c
    with_it, without = (
        count_macs(build_model("bmis", attention=attention), size) for attention in (True, False)
    )
    assert with_it - without == convolutions + spatial + channel


def test_counting_changes_nothing():
    model = build_model("bmis", **TINY)
    before = copy.deepcopy(model.state_dict())
    count_macs(model, (64, 64))
    peak_bytes(model, lambda m: training(m, 1, (64, 64)))
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_inference_memory_is_the_sum_by_hand():
    # weights, image, features, logits; the image is still held when the logits come
    expected = 4 * (9 * 4 + 4 * 2 + 3 * 16 * 24 * (1 + 4 + 2))
    assert peak_bytes(Line(), lambda m: inference(m, 3, (16, 24))) == expected


def test_training_memory_holds_gradients_optimiser_and_features():
    model = Line()
    weights = sum(p.nbytes for p in model.parameters())
    small, large = (peak_bytes(model, lambda m, s=s: training(m, 1, (s, s))) for s in (1, 64))
    assert small >= 4 * weights  # themselves, their gradients and AdamW's two averages
    kept = 64 * 64 * (8 + 4 * (1 + 4 + 2))  # labels, image, features, logits
    assert kept + 3 * weights < large < 3 * kept


def test_the_dry_run_counts_what_a_real_run_holds():
    """The same counter around real tensors gives the same bytes, for both steps."""
    from bmis.models.complexity import _LiveBytes

    torch.manual_seed(0)
    model = build_model("bmis", **TINY)
    for make in (inference, training):
        real = copy.deepcopy(model)
        live = _LiveBytes()
        for tensor in (*real.parameters(), *real.buffers()):
            live.hold(tensor)
        with live:
            step = make(real, 2, (64, 48))
            step()
            step()
        assert live.peak == peak_bytes(model, lambda m, make=make: make(m, 2, (64, 48)))


def test_memory_of_inference_grows_with_the_pixels():
    model = build_model("bmis")
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    one, four = (
        peak_bytes(model, lambda m, s=s: inference(m, 1, (s, s))) - weights for s in (1024, 2048)
    )
    assert four == pytest.approx(4 * one, rel=0.01)


class Pooled(Line):
    """A network whose norm sees one value per channel and image."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        y = super().forward(x)
        return y * self.norm(y.mean((2, 3), keepdim=True))


def test_a_network_that_cannot_learn_from_one_image_is_still_profiled():
    one, two = profile_model(Pooled(), size=8, batches=(1, 2), seconds=0.0).batches
    assert one.latency_p50_ms > 0
    assert (one.step_ms, one.training_mb) == (None, None)
    assert two.step_ms > 0


def test_a_gpu_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    synchroniser(torch.device("cuda", 1))()
    synchroniser(torch.device("cpu"))()
    assert waited == [torch.device("cuda", 1)]


@pytest.fixture
def profile(monkeypatch):
    monkeypatch.setattr(steps, "time_calls", lambda step, **_: (step(), [0.01] * 9 + [0.11])[1])
    return profile_model(build_model("bmis", **TINY), size=(32, 16), batches=(1, 3))


def test_a_profile_records_what_was_measured(profile):
    assert (profile.model, profile.size, profile.device) == ("BMIS", (32, 16), "cpu")
    assert profile.threads == torch.get_num_threads()
    assert profile.parameters == sum(p.numel() for p in build_model("bmis", **TINY).parameters())
    assert 4 * profile.parameters < 1e6 * profile.weights_mb < 6 * profile.parameters
    one, three = profile.batches
    assert (one.batch, three.batch) == (1, 3)
    assert one.latency_p50_ms == one.step_ms == pytest.approx(10.0)
    assert one.latency_p95_ms == pytest.approx(65.0)  # 9.55 of 10 intervals: 10 + 0.55 * 100
    assert three.images_per_second == pytest.approx(3 / 0.02)
    assert one.inference_mb < three.inference_mb < three.training_mb


def test_a_profile_goes_through_json(profile):
    values = profile.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["batches"][1]["batch"] == 3


def test_a_profile_is_shown_as_a_table(profile):
    text = render(profile)
    for part in (f"{profile.parameters:,}", "32 x 16", profile.device_name, "65.0", "150.0"):
        assert part in text


def test_a_run_is_profiled_at_its_own_size(tmp_path):
    options = {name: list(value) for name, value in TINY.items()}
    info = ModelInfo(ModelConfig("bmis", 1, 3, options), InputSpec((24, 40), 1), ("a", "b", "c"))
    save_model(
        tmp_path / "model.safetensors",
        build_model("bmis", in_channels=1, num_classes=3, **options),
        info,
    )
    found = profile_model(tmp_path, batches=(1,), seconds=0, threads=1)
    assert (found.size, found.in_channels, found.num_classes) == ((24, 40), 1, 3)
    assert found.threads == 1


def test_threads_are_set_for_the_measurement_alone(monkeypatch):
    before, used = torch.get_num_threads(), []
    monkeypatch.setattr(
        steps, "time_calls", lambda _, **__: (used.append(torch.get_num_threads()), [1.0])[1]
    )
    assert profile_model(Line(), size=8, batches=(1,), threads=before + 1).threads == before + 1
    assert set(used) == {before + 1}
    assert torch.get_num_threads() == before


def test_too_large_a_batch_is_answered_in_one_line():
    with pytest.raises(ConfigError, match=r"not enough memory on cpu for 10000000 x 224x224") as e:
        profile_model("bmis_tiny", batches=(10_000_000,))
    assert "\n" not in str(e.value)
    assert "use a smaller --batch or --size" in str(e.value)


def test_what_can_be_run_but_not_trained_says_so(monkeypatch):
    needed = peak_bytes(Line(), lambda m: inference(m, 1, (8, 8)))
    monkeypatch.setattr(steps, "free_memory", lambda: needed)
    found = profile_model(Line(), size=8, batches=(1,), seconds=0)
    assert found.batches[0].step_ms is None
    assert "not possible" in render(found)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_a_device_that_runs_out_is_answered_in_one_line(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(steps, "time_calls", fail)
    with pytest.raises(ConfigError, match="not enough memory"):
        profile_model(Line(), size=8)


def test_other_errors_are_not_taken_for_lack_of_memory(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("another error")

    monkeypatch.setattr(steps, "time_calls", fail)
    with pytest.raises(RuntimeError, match="another error"):
        profile_model(Line(), size=8)


@pytest.mark.parametrize(
    ("model", "how", "kind", "problem"),
    [
        ("bmsi", {}, ConfigError, r"neither a run folder nor a model \(did you mean 'bmis'\?\)"),
        ("bmis", {"device": "tpu"}, ConfigError, "no device 'tpu' here"),
        ("bmis", {"device": "meta"}, ConfigError, "'meta'"),
        ("bmis", {"size": 100}, DataError, "pad the image to 104x104"),
        ("bmis", {"size": 0}, DataError, "multiples of 8"),
        ("bmis", {"batches": ()}, ConfigError, "batches and threads must be 1 or more"),
        ("bmis", {"batches": (1, 0)}, ConfigError, "batches and threads must be 1 or more"),
        ("bmis", {"threads": 0}, ConfigError, "batches and threads must be 1 or more"),
        ("bmis", {"seconds": -1}, ConfigError, "seconds 0 or more"),
        (__file__, {}, BmisError, "test_network.py"),
    ],
)
def test_what_cannot_be_measured_is_refused(model, how, kind, problem):
    with pytest.raises(kind, match=problem):
        profile_model(model, **how)


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
@pytest.mark.slow
def test_a_device_is_measured(device):
    found = profile_model("bmis_tiny", size=32, batches=(2,), device=device, seconds=0.1)
    (cost,) = found.batches
    assert cost.training_mb > cost.inference_mb > found.weights_mb
    assert cost.latency_p95_ms >= cost.latency_p50_ms > 0
    assert cost.step_ms > cost.latency_p50_ms


def test_a_step_on_the_cpu_is_timed_as_in_training(monkeypatch):
    prepared = []
    monkeypatch.setattr(steps, "use_matmul_weight_gradient", prepared.append)
    model = build_model("bmis", widths=(4, 8, 12))
    steps.measure(model, training, 2, (32, 32), device=torch.device("cpu"), seconds=0)
    assert len(prepared) == 1
    assert prepared[0] is not model
