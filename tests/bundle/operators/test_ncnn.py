"""Every layer of ncnn that a bundle may use gives the shape that ncnn gives, and no other."""

import subprocess
import sys

import numpy as np
import pytest

from bmis.bundle.ncnn_scan import scan_ncnn
from bmis.bundle.operators.ncnn import OPERATORS
from bmis.bundle.work import count_work
from bmis.errors import BundleError
from helpers.ncnn_layers import IMAGE, LAYERS, param, weights_for


def shape_of(text):
    return count_work(scan_ncnn(text, weights_for(text)), IMAGE).logits


def test_each_layer_is_among_them():
    used = {line.split()[0] for text in LAYERS.values() for line in text.splitlines()}
    assert used == set(OPERATORS)


@pytest.mark.parametrize("text", LAYERS.values(), ids=LAYERS)
def test_the_shape_is_that_of_ncnn(text):
    pytest.importorskip("ncnn")
    from bmis.runtime.ncnn_engine import NcnnEngine

    graph = param(text)
    image = np.random.default_rng(0).standard_normal((1, *IMAGE)).astype(np.float32)
    logits = NcnnEngine(graph, weights_for(graph), threads=1)(image)
    assert logits.shape == shape_of(graph)
    assert np.isfinite(logits).all()


REFUSED = {
    "weights for other channels": "Convolution in0 out0 0=2 1=3 6=63",
    "a window larger than the map": "Convolution in0 out0 0=2 1=9 6=648",
    "groups that do not divide": "ConvolutionDepthWise in0 out0 0=6 1=1 6=8 7=3",
    "groups that do not divide the outputs": "ConvolutionDepthWise in0 out0 0=3 1=1 6=6 7=2",
    "no parameters of the activation": "Convolution in0 out0 0=2 1=1 6=8 9=2",
    "a product that does not fit": "InnerProduct in0 out0 0=5 2=40",
    "pixels enough for nothing": "Pooling in0 a 0=0 1=3 2=3\nInterp a out0 0=3 1=2.0 2=2.0",
    "half a pixel": "Interp in0 out0 0=2 1=1.3 2=2.0",
    "one side": "Interp in0 out0 0=2 3=12",
    "windows of none": "Pooling in0 out0 0=0 7=1 8=9 18=6",
    "empty pixels as wide as the window": "Pooling in0 out0 0=0 1=2 2=2 3=2",
    "a window on too few pixels": "Pooling in0 out0 0=0 1=7 2=7",
    "two images of other sizes": "Split in0 a b\nCrop a c -23309=1,0 -23310=1,3 -23311=1,2\n"
    "BinaryOp b c out0 0=0",
    "both repeated": "Split in0 a b\nReduction a c 0=3 1=0 -23303=1,1 4=1 5=1\n"
    "Reduction b d 0=3 1=0 -23303=1,2 4=1 5=1\nBinaryOp c d out0 0=0",
    "one axis beside three": "MemoryData a 0=8\nBinaryOp in0 a out0 0=0",
    "one where two are wanted": "BinaryOp in0 out0 0=0",
    "two where one is wanted": "Split in0 a b\nBinaryOp a b out0 0=0 1=1 2=0.5",
    "other sides joined": "Split in0 a b\nPermute a c 0=3\nConcat b c out0 0=0",
    "an axis too far": "Pooling in0 a 0=0 4=1\nSoftmax a out0 0=1 1=1",
    "older axes of Softmax": "Softmax in0 out0 0=1",
    "older axes of Reduction": "Reduction in0 out0 0=3 1=0 -23303=1,1 4=1",
    "all axes": "Reduction in0 out0 0=3 4=1 5=1",
    "an axis twice": "Reduction in0 out0 0=3 1=0 -23303=2,1,1 4=1 5=1",
    "another size of norm": "LayerNorm in0 out0 0=6 1=1.0e-05 2=1",
    "groups of a norm": "GroupNorm in0 out0 0=3 1=4 2=1.0e-05 3=1",
    "channels of a norm": "InstanceNorm in0 out0 0=8 1=1.0e-05 2=1",
    "slopes": "PReLU in0 out0 0=3",
    "another product": "Split in0 a b\nMatMul a b out0",
    "a mirror that is too wide": "Padding in0 out0 0=6 1=0 2=0 3=0 4=2 5=0.0",
    "blocks": "PixelShuffle in0 out0 0=4",
    "another number of elements": "Reshape in0 out0 0=8 1=6 2=5",
    "channels without a height": "Reshape in0 out0 0=48 2=4",
    "an order of three for two": "Reshape in0 a 0=48 1=4\nPermute a out0 0=2",
    "parts that do not add up": "Slice in0 a b -23300=2,1,2 1=0\nConcat a b out0 0=0",
    "fewer parts": "Slice in0 a b -23300=1,-233 1=0\nConcat a b out0 0=0",
    "an empty part": "Slice in0 a b -23300=2,4,-233 1=0\nConcat a b out0 0=0",
    "a cut beyond the end": "Crop in0 out0 -23309=1,8 -23310=1,9 -23311=1,2",
    "a cut without axes": "Crop in0 out0 -23309=1,0 -23310=1,3",
    "starts of other axes": "Crop in0 out0 -23309=2,0,0 -23310=1,3 -23311=1,2",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(BundleError, match="that does not fit its inputs"):
        shape_of(param(text))


@pytest.mark.parametrize(
    "text",
    [
        # little comes out, but the map with its empty pixels would take 17 MB or 4.2 MB
        "Convolution in0 out0 0=1 1=1 3=1024 4=512 6=4",
        "Pooling in0 out0 0=0 1=256 2=256 3=255 5=1",
        # 441 times the image, if all windows lie side by side
        "Convolution in0 out0 0=1 1=21 4=10 6=1764",
    ],
)
def test_memory_that_only_ncnn_takes_counts(text, monkeypatch):
    monkeypatch.setattr("bmis.bundle.work._LEAST_BYTES", 300_000)
    monkeypatch.setattr("bmis.bundle.work._BYTES_A_PIXEL", 0)
    with pytest.raises(BundleError, match=r"takes \d+ bytes of memory for 6x8"):
        shape_of(param(text))


CHILD = """
import sys
from pathlib import Path
import numpy as np
from bmis.errors import BmisError
from bmis.runtime.ncnn_engine import NcnnEngine
for path in sorted(Path(sys.argv[1]).glob("*.param")):
    try:
        weights = path.with_suffix(".bin").read_bytes()
        run = NcnnEngine(path.read_bytes(), weights, threads=1)
        print(path.stem, *run(np.zeros((1, 4, 6, 8), np.float32)).shape)
    except BmisError as error:
        print(path.stem, error)
"""


@pytest.mark.slow
def test_what_the_reader_lets_through_does_not_bring_ncnn_down(tmp_path):
    """Layers with wild numbers, in a process of its own: ncnn would read and write anywhere."""
    pytest.importorskip("ncnn")
    random = np.random.default_rng(0)
    wild = [*range(-2, 13), 255, 256, 1024, 65535, 2**24, 2**31 - 1, -(2**31), -233, -234]
    expected = []
    for text in LAYERS.values():
        for _ in range(60):
            words = text.split(" ")
            places = [index for index, word in enumerate(words) if "=" in word]
            for place in random.choice(places, min(2, len(places)), replace=False):
                name, _, value = words[place].partition("=")
                parts, end = value.partition("\n")[::2]
                numbers = parts.split(",")
                at = random.integers(len(numbers))
                numbers[at] = str(random.choice(wild)) + (".0" if "." in numbers[at] else "")
                words[place] = f"{name}={','.join(numbers)}" + ("\n" + end if end else "")
            try:
                graph = param(" ".join(words))
                weights = weights_for(graph)
                shape = count_work(scan_ncnn(graph, weights), IMAGE).logits
            except BundleError:
                continue
            file = tmp_path / f"{len(expected):04}.param"
            file.write_bytes(graph)
            file.with_suffix(".bin").write_bytes(weights)
            expected.append(f"{file.stem} {' '.join(map(str, shape))}")
    assert len(expected) > 200
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected
