"""Many threads call one predictor: each gets the mask of its own image, on every engine."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from bmis.config import RuntimeOptions
from bmis.data.images import Image
from bmis.errors import NoMemoryError
from bmis.models import build_model
from bmis.predict.predictor import Predictor
from bmis.runtime.engines import ENGINES
from bmis.runtime.load import load_runtime
from bmis.runtime.torch_network import TorchRuntime
from helpers.bundles import write_tiny
from helpers.fakes import Brightness, info

THREADS, IMAGES = 8, 96
WAYS = [  # ncnn, which takes one size only: see its own test
    *((name, precision) for name in ENGINES[:2] for precision in ("fp32", "auto")),
    ("torch", "fp32"),
]


@pytest.fixture(params=WAYS, ids="-".join)
def runtime(request, tmp_path):
    engine, precision = request.param
    if engine == "torch":
        torch.manual_seed(0)
        model = build_model("bmis", widths=(4, 6, 8), depths=(1, 1))
        return TorchRuntime(model)
    path = write_tiny(tmp_path / "a.bmis", int8=True)
    options = RuntimeOptions(engine=engine, precision=precision, threads=1)
    return load_runtime(path, options)[0]


@pytest.mark.parametrize("rule", ["squash", "native"])
def test_each_gets_the_mask_of_its_own_image(runtime, rule):
    random = np.random.default_rng(0)
    sizes = ((48, 64), (64, 64), (80, 40))  # more than an engine keeps compiled
    images = [
        Image(random.integers(0, 256, (*sizes[number % len(sizes)], 3), np.uint8))
        for number in range(IMAGES)
    ]
    predictor = Predictor(runtime, info(size=(64, 64), resize=rule), keep_probabilities=True)
    alone = [predictor(image) for image in images]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(predictor, images))
    assert [a.probabilities.tobytes() for a in alone] == [
        b.probabilities.tobytes() for b in together
    ]


class OutOfMemory(Brightness):
    """Runs tiles up to 64 pixels a side; ``meanwhile`` is what another thread does."""

    def __call__(self, batch):
        if batch.shape[2] <= 64:
            return super().__call__(batch)
        self.shapes.append(batch.shape)
        self.meanwhile()
        raise NoMemoryError("not enough memory")


def test_tiles_never_grow_again():
    """One thread has halved the tiles twice while another still tries the first size."""
    runtime = OutOfMemory()
    predictor = Predictor(runtime, info(size=(256, 256), resize="native"))
    runtime.meanwhile = lambda: setattr(predictor, "_tile", (64, 64))
    predictor(Image(np.zeros((300, 300, 3), np.uint8)))
    assert {shape[2:] for shape in runtime.shapes} == {(256, 256), (64, 64)}
