"""Every layer of ncnn that a bundle may use, on an image of ``IMAGE``.

A line is a layer's type, its inputs and outputs, and its parameters; ``param`` adds all counts.
"""

import numpy as np

from bmis.bundle.ncnn_scan import _fields
from bmis.bundle.operators.ncnn import OPERATORS
from bmis.bundle.operators.ncnn_weights import weights_of
from bmis.bundle.work import allowed

IMAGE = (4, 6, 8)
LAYERS = {
    "Convolution": "Convolution in0 out0 0=2 1=3 11=3 2=1 12=2 3=2 13=1 4=1 14=2 15=0 16=3 5=1"
    " 6=72 9=3 -23310=2,0.0,6.0",
    "wide Convolution": "Convolution in0 out0 0=16 1=3 4=1 5=1 6=576 9=1",
    "ConvolutionDepthWise": "ConvolutionDepthWise in0 out0 0=4 1=3 4=1 5=1 6=36 7=4",
    "grouped": "ConvolutionDepthWise in0 out0 0=8 1=3 2=2 4=2 5=0 6=144 7=2 9=2 -23310=1,0.1",
    "InnerProduct": "Reshape in0 a 0=8 1=24\nInnerProduct a out0 0=5 1=1 2=40 9=1",
    "largest of windows": "Pooling in0 out0 0=0 1=3 11=2 2=2 12=2 3=1 13=0 14=1 15=1 5=1",
    "windows beyond the end": "Pooling in0 out0 0=0 1=3 11=4 2=2 12=4 5=0",
    "mean of windows": "Pooling in0 out0 0=1 1=3 2=1 3=1 5=1 6=0",
    "mean of all": "Pooling in0 a 0=1 4=1\nReshape a out0 0=1 1=1 2=4",
    "largest of all": "Pooling in0 out0 0=0 4=1",
    "mean to a number": "Pooling in0 out0 0=1 7=1 8=3 18=2",
    "activations": "ReLU in0 a\nReLU a b 0=0.1\nSigmoid b c\nErf c d\nHardSwish d e 0=0.2 1=0.5\n"
    "HardSigmoid e f 0=0.2 1=0.5\nClip f g 0=0.0 1=6.0\nGELU g h 0=0\nSwish h i\nMish i j\n"
    "ELU j k 0=1.0\nTanH k l\nDropout l m\nUnaryOp m out0 0=0",
    "PReLU": "PReLU in0 out0 0=4",
    "sum": "Split in0 a b\nBinaryOp a b out0 0=0",
    "sum with a number": "BinaryOp in0 out0 0=2 1=1 2=0.5",
    "sum with channels": "MemoryData a 0=1 1=1 2=4\nBinaryOp in0 a out0 0=0",
    "sum with a map": "MemoryData a 0=8 1=6 2=1\nBinaryOp in0 a out0 0=2",
    "sum with a row": "MemoryData a 0=8 1=1 2=4\nBinaryOp in0 a out0 0=2",
    "sum with a column": "MemoryData a 0=1 1=6 2=4\nBinaryOp a in0 out0 0=1",
    "sum with one": "MemoryData a 0=1\nBinaryOp in0 a out0 0=3",
    "sum of matrices": "Reshape in0 a 0=48 1=4\nMemoryData b 0=48 1=1\nBinaryOp a b out0 0=0",
    "Concat": "Split in0 a b\nConcat a b out0 0=0",
    "Concat of rows": "Split in0 a b\nConcat a b out0 0=1",
    "Concat of columns": "Split in0 a b c\nConcat a b c out0 0=2",
    "Crop": "Crop in0 out0 -23309=2,1,2 -23310=2,3,2147483647 -23311=2,0,2",
    "Slice": "Slice in0 a b c -23300=3,1,-233,-233 1=0\nConcat b a c out0 0=0",
    "Slice of columns": "Slice in0 a b -23300=2,3,5 1=2\nConcat b a out0 0=2",
    "nearest": "Interp in0 out0 0=1 1=2.0 2=3.0 6=0",
    "bilinear": "Interp in0 out0 0=2 1=2.0 2=2.0 6=0",
    "bilinear to sides": "Interp in0 out0 0=2 3=9 4=5 6=1",
    "bicubic": "Interp in0 out0 0=3 1=1.5 2=1.5 6=0",
    "LayerNorm": "LayerNorm in0 out0 0=8 1=1.0e-05 2=1",
    "LayerNorm of rows": "Reshape in0 a 0=4 1=48\nLayerNorm a out0 0=4 1=1.0e-05 2=1",
    "GroupNorm": "GroupNorm in0 out0 0=2 1=4 2=1.0e-05 3=1",
    "InstanceNorm": "InstanceNorm in0 out0 0=4 1=1.0e-05 2=0",
    "MatMul": "Split in0 a b\nMatMul a b out0 0=1",
    "MatMul of matrices": "Reshape in0 a 0=48 1=4\nSplit a b c\nPermute c d 0=1\nMatMul b d out0",
    "Padding": "Padding in0 out0 0=1 1=2 2=3 3=0 4=0 5=0.0 6=0",
    "mirrored": "Padding in0 out0 0=1 1=2 2=3 3=0 4=2 5=0.0",
    "nearest beyond": "Padding in0 out0 0=1 1=9 2=3 3=0 4=1 5=0.0",
    **{f"Permute {kind}": f"Permute in0 out0 0={kind}" for kind in range(6)},
    "PixelShuffle": "PixelShuffle in0 out0 0=2 1=0",
    "mean over pixels": "Reduction in0 out0 0=3 1=0 -23303=2,1,2 4=1 5=1",
    "largest over channels": "Reduction in0 out0 0=4 1=0 -23303=1,0 4=1 5=1",
    "sum without an axis": "Reduction in0 out0 0=0 1=0 -23303=1,1 4=0 5=1",
    "Reshape": "Reshape in0 out0 0=4 1=2 2=24",
    "Softmax of channels": "Softmax in0 out0 0=0 1=1",
    "Softmax of rows": "Reshape in0 a 0=48 1=4\nSoftmax a out0 0=1 1=1",
}


def param(text):
    """The ``.param`` of some layers."""
    lines, values = ["Input 0 0 1 in0"], 1
    for number, line in enumerate(text.splitlines(), start=1):
        kind, *rest = line.split(" ")
        names = [word for word in rest if "=" not in word]
        first = {"Split": 1, "Slice": 1, "MemoryData": 0}.get(kind, len(names) - 1)
        ends = f"{first} {len(names) - first}"
        values += len(names) - first
        lines.append(" ".join([kind, str(number), ends, *rest]))
    return "\n".join(["7767517", f"{len(lines)} {values}", *lines, ""]).encode()


def weights_for(graph):
    """Weights as the layers of a ``.param`` ask for them."""
    random, parts = np.random.default_rng(0), []
    for line in graph.decode().split("\n")[3:-1]:
        kind, ins, _, attributes = _fields(line)
        checked = allowed(OPERATORS, kind, attributes, len(ins))
        try:
            wanted = weights_of(kind, checked)
        except KeyError:
            wanted = []
        for weight in wanted:
            size = min(int(np.prod(weight.shape)), 10**6)
            parts += [bytes(4)] * weight.flagged
            parts.append(random.random(size, np.float32).tobytes())
    return b"".join(parts)
