"""The gate passes a graph only if its masks are the network's, or says how far off they are."""

import shutil

import numpy as np
import pytest

from bmis.data.folder import open_dataset
from bmis.errors import BundleError, DataError
from bmis.export.gate import Agreement, Reference, allowance_used, check_float, check_int8, compare
from helpers.fakes import info
from helpers.tiny import write_dataset


class Bright:
    """Foreground where the first channel is above a threshold; logits times a gain."""

    stride, size, batch = 8, None, 1

    def __init__(self, threshold=0.0, gain=1.0):
        self.threshold, self.gain = threshold, gain

    def __call__(self, batch):
        above = (batch[:, :1] - self.threshold) * self.gain
        return np.concatenate([-above, above], 1)


@pytest.fixture
def dataset(tmp_path):
    return open_dataset(write_dataset(tmp_path / "data", splits=("train", *["test"] * 4)))


def compare_both(dataset, ours, theirs):
    return compare(ours, Reference(theirs, info(), dataset), dataset.split("test"))


def test_a_network_agrees_with_itself(dataset):
    found = compare_both(dataset, Bright(), Bright())
    assert (found.images, found.agreement, found.logits_error, found.iou_loss) == (4, 1.0, 0.0, 0.0)
    assert 0 < found.iou == found.iou_torch < 1
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou), abs=0.1)


def test_logits_are_compared_over_the_largest(dataset):
    # 10 % more everywhere: a tenth of the largest; the masks are the same
    found = compare_both(dataset, Bright(gain=110.0), Bright(gain=100.0))
    assert found.logits_error == pytest.approx(0.1)
    assert found.agreement == 1.0
    # where the largest is below 1, differences count as they are
    small = compare_both(dataset, Bright(gain=0.01), Bright(gain=0.02))
    largest = 0.01 * max(np.abs(logits(dataset)).max(), 0)
    assert small.logits_error == pytest.approx(largest, rel=1e-3)


def logits(dataset):
    seen = []

    def spy(batch):
        seen.append(batch[:, :1])
        return Bright()(batch)

    spy.stride, spy.size, spy.batch = 8, None, 1
    compare_both(dataset, spy, Bright())
    return np.concatenate(seen)


def test_other_masks_agree_less_and_have_a_lower_iou(dataset):
    found = compare_both(dataset, Bright(0.9), Bright(-0.1))
    assert found.agreement < 0.9
    assert found.iou_loss == pytest.approx(100 * (found.iou_torch - found.iou))


def test_masks_are_compared_inside_the_field_of_view(dataset):
    all_over = Bright(-2.0)
    whole = compare_both(dataset, all_over, Bright(-0.1))
    assert whole.iou < 0.5
    (dataset.root / "fov").mkdir()
    for case in dataset.cases:  # where the truth is, and nothing else
        shutil.copy(case.masks[0], dataset.root / "fov" / case.image.name)
    found = compare_both(open_dataset(dataset.root), all_over, Bright(-0.1))
    assert found.iou == found.dice == 1
    assert whole.iou_torch < found.iou_torch < 1
    # inside, the graph's mask is the truth, so the network agrees equally with both
    agreement = 2 * found.iou_torch / (1 + found.iou_torch)
    assert found.agreement == pytest.approx(agreement, abs=0.01)
    assert whole.agreement < agreement - 0.1


def test_no_images_to_validate_on_are_an_error(dataset):
    with pytest.raises(DataError, match="no images to validate the graph on; name others"):
        compare(Bright(), Reference(Bright(), info(), dataset), [])


def test_the_network_runs_once_for_each_image(dataset):
    calls = []

    class Counted(Bright):
        def __call__(self, batch):
            calls.append(len(batch))
            return super().__call__(batch)

    network = Reference(Counted(), info(), dataset)
    first, second = (compare(Bright(), network, dataset.split("test")) for _ in range(2))
    assert first == second
    assert sum(calls) == 2 * 4  # for its mask and for its logits


def agreement(**values):
    return Agreement(**{
        "images": 9, "logits_error": 0.0, "agreement": 1.0, "iou": 0.8, "dice": 0.9,
        "iou_torch": 0.8, **values,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        (agreement(agreement=0.9801), True),
        (agreement(agreement=0.9799), False),
        (agreement(iou=0.7951), True),
        (agreement(iou=0.7949), False),
        (agreement(iou=0.9), True),  # better than the network is no loss
    ],
)
def test_the_limits_of_the_gate_for_int8(found, passes):
    assert (allowance_used(found) <= 1) == passes
    if passes:
        check_int8(found, "a.onnx")
    else:
        with pytest.raises(BundleError, match=r"a\.onnx is not near enough .* nothing was written"):
            check_int8(found, "a.onnx")


def test_the_larger_share_of_the_two_allowances_counts():
    assert allowance_used(agreement(agreement=0.985, iou=0.799)) == pytest.approx(0.75)
    assert allowance_used(agreement(agreement=0.999, iou=0.798)) == pytest.approx(0.4)


@pytest.mark.parametrize("error", [1.1e-4, float("nan")])
def test_the_limits_of_the_gate_for_float(error):
    check_float(agreement(logits_error=0.9e-4), "a.onnx")
    with pytest.raises(BundleError, match=r"a\.onnx is not the network: its logits are off by"):
        check_float(agreement(logits_error=error), "a.onnx")
