"""Plans of networks: what they hold, what they leave to onnxruntime-web, and their kernels."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from bmis.bundle import read_bundle
from bmis.pretrained.lookup import find_model_file
from bmis.serve import plan as plans
from bmis.serve.app import PAGE
from bmis.serve.plan import LARGEST, make_plan, pack
from helpers.javascript import array, running

SIX = ("dermoscopy", "breast-ultrasound", "colonoscopy", "fundus-vessels", "chest-xray", "nuclei")
LOCAL = PAGE.parent / "local"
RUN = """(async () => {
  const kernels = await (await fetch("/local/kernels.wasm")).arrayBuffer();
  const weights = given.weights.slice().buffer;
  const infer = await part.openPlan(kernels, given.steps, weights);
  const found = [];
  for (const { floats, shape } of given.images) found.push(await infer(floats, ...shape));
  return found;
})()"""
RNG = np.random.default_rng(0)


class Net:
    """Builds a graph operation by operation."""

    def __init__(self, channels=3):
        self.nodes, self.weights, self.last, self.channels = [], [], "image", channels
        self.inputs = channels

    def constant(self, values):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, operator, *inputs, **attributes):
        out = f"{operator}_{len(self.nodes)}"
        taken = [self.last, *inputs]
        self.nodes.append(helper.make_node(operator, taken, [out], **attributes))
        self.last = out
        return self

    def conv(self, filters, side=1, *, alone=False, **attributes):
        depth = 1 if alone else self.channels
        kernel = RNG.normal(size=(filters, depth, side, side)) / np.sqrt(depth * side * side)
        bias = RNG.normal(size=filters)
        weights = [self.constant(one.astype(np.float32)) for one in (kernel, bias)]
        attributes.setdefault("group", self.channels if alone else 1)
        self.channels = filters
        return self.add("Conv", *weights, kernel_shape=[side, side], **attributes)

    def clip(self, low, high):
        return self.add("Clip", *(self.constant(np.float32(one)) for one in (low, high)))

    def quantise(self, low, high):
        scale = np.float32((high - low) / 255)
        names = [self.constant(scale), self.constant(np.uint8(round(-low / float(scale))))]
        return self.add("QuantizeLinear", *names).add("DequantizeLinear", *names)

    def enlarge(self, by=2, **changed):
        usual = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        scales = self.constant(np.array([1, 1, by, by], np.float32))
        return self.add("Resize", "", scales, **{**usual, **changed})

    def planes(self, block):
        self.channels //= block**2
        return self.add("DepthToSpace", blocksize=block, mode="CRD")

    def bytes(self):
        self.nodes[-1].output[0] = "logits"
        sides = ["height", "width"]
        image, logits = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, *ends])
            for name, channels, ends in (
                ("image", self.inputs, sides),
                ("logits", self.channels, ["tall", "wide"]),
            )
        )
        graph = helper.make_graph(self.nodes, "net", [image], [logits], self.weights)
        opset = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def network(channels=3):
    """All operations, a kernel of each kind, and a value that two others take."""
    net = Net(channels)
    net.conv(12, 3, strides=[2, 2], pads=[1, 1, 1, 1]).clip(0, 6)
    net.conv(12, 5, alone=True, pads=[2, 2, 2, 2]).clip(-1, 1)
    net.conv(20).add("Relu")
    net.conv(20, 3, alone=True, strides=[2, 2], pads=[1, 1, 1, 1])
    net.conv(20, 5, alone=True, strides=[2, 2], pads=[2, 2, 2, 2]).quantise(0, 3)
    fork = net.last
    net.conv(20, 7, alone=True, pads=[3, 3, 3, 3])
    net.conv(20, 3, alone=True, strides=[1, 2], pads=[1, 0, 1, 1]).enlarge(1)
    net.conv(20, 1, strides=[1, 1], pads=[0, 0, 0, 0])
    net.last, narrow = fork, net.last
    net.conv(20, 3, strides=[1, 2], pads=[1, 0, 1, 1]).add("Add", narrow).clip(-2, 2)
    net.enlarge(2).conv(36, 2, pads=[0, 1, 1, 0]).conv(8)
    return net.planes(2)


def limited():
    """Limits that stand behind what only moves values."""
    return Net().conv(8).enlarge(3).quantise(-1, 1).conv(16).planes(2).quantise(-0.5, 0.5)


def plan_of(net):
    made = make_plan(net.bytes())
    assert made is not None
    return made


@pytest.fixture(scope="module")
def js():
    with running() as run:
        yield run


def computed(js, made, images):
    """What the kernels make of images (C, h, w)."""
    given = [{"floats": array(image), "shape": image.shape} for image in images]
    weights = array(np.frombuffer(made.weights, np.uint8))
    found = js("plan", RUN, steps=made.steps, weights=weights, images=given)
    return [np.array(one, np.float32) for one in found]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_the_kernels_give_what_onnx_runtime_gives_at_any_size(js, channels):
    net = network(channels)
    images = [
        RNG.normal(size=(channels, *size)).astype(np.float32)
        for size in ((64, 64), (16, 24), (16, 16), (48, 128), (104, 40), (64, 64))
    ]
    images.append(np.zeros((channels, 32, 32), np.float32))
    runtime = onnxruntime.InferenceSession(net.bytes())
    for image, found in zip(images, computed(js, plan_of(net), images), strict=True):
        (expected,) = runtime.run(None, {"image": image[None]})
        # the graph rounds one value to a 256th of its range, the kernels to a 4096th of the largest
        np.testing.assert_allclose(found, expected.ravel(), atol=0.02)


@pytest.mark.slow
def test_limits_are_kept_behind_what_moves_values(js):
    net, image = limited(), 3 * RNG.normal(size=(3, 6, 10)).astype(np.float32)
    (found,) = computed(js, plan_of(net), [image])
    (expected,) = onnxruntime.InferenceSession(net.bytes()).run(None, {"image": image[None]})
    assert np.mean(np.abs(expected) > 0.49) > 0.1
    np.testing.assert_allclose(found, expected.ravel(), atol=0.02)


@pytest.mark.slow
def test_a_shipped_network_gives_the_logits_of_its_int8_graph(js):
    graph = read_bundle(find_model_file("nuclei")).read("model.int8.onnx")
    smooth = np.kron(RNG.random((3, 14, 14)), np.ones((16, 16))).astype(np.float32)
    image = 2 * smooth - 1
    (found,) = computed(js, make_plan(graph), [image])
    (expected,) = onnxruntime.InferenceSession(graph).run(None, {"image": image[None]})
    error = np.sqrt(np.square(found - expected.ravel()).mean() / np.square(expected).mean())
    assert error < 0.05  # int8 itself is that far from float32


@pytest.mark.parametrize("name", SIX)
def test_the_shipped_networks_have_plans(name):
    made = make_plan(read_bundle(find_model_file(name)).read("model.int8.onnx"))
    assert made is not None
    assert made.steps[-1]["op"] == "planes"
    json.dumps(made.steps, allow_nan=False)


def two_users():
    net = Net().conv(8)
    before = net.last
    return net.clip(0, 6).add("Add", before)


@pytest.mark.parametrize(
    "net",
    [
        Net().conv(8).add("Sigmoid"),
        Net().conv(8).planes(2).conv(4),
        Net().conv(8).enlarge(mode="linear", coordinate_transformation_mode="half_pixel"),
        Net().conv(8).enlarge(nearest_mode="round_prefer_floor"),
        Net().conv(8).enlarge(1.5),
        Net().conv(6),
        Net().conv(8, 3, dilations=[2, 2]),
        Net(4).conv(8, alone=True),
        Net().clip(0, 1).conv(8),
        two_users(),
    ],
    ids=lambda net: "-".join(node.op_type for node in net.nodes),
)
def test_what_the_kernels_lack_is_left_to_the_runtime(net):
    assert make_plan(net.bytes()) is None


@pytest.mark.parametrize("inner", [3, 27, 4000])
def test_no_sum_of_products_overflows_and_weights_stay_exact(inner):
    weight = RNG.normal(size=(12, inner, 1, 1)).astype(np.float32)
    weight[0], weight[1], weight[2, 1:] = 5, 0, 0
    integers, units = pack(weight)
    rows = integers.transpose(0, 2, 1, 3).reshape(16, -1).astype(np.int64)
    assert LARGEST * np.abs(rows).sum(1).max() < 2**31
    back = (rows * units[:, None])[:12, :inner]
    assert np.abs(back - weight[:, :, 0, 0]).max() < np.abs(weight).max() * inner / 2**18


def test_both_sides_know_the_same_largest_value():
    assert f"#define LARGEST {LARGEST}.0f" in (LOCAL / "kernels.c").read_text()
    assert plans._LANES == 8  # as `multiply` takes them


def test_the_kernels_are_those_of_their_source(tmp_path):
    shipped = (LOCAL / "kernels.wasm").read_bytes()
    clang, linker = shutil.which("clang"), shutil.which("wasm-ld")
    if not (clang and linker):
        pytest.skip("there is no clang with wasm-ld, which `make kernels` takes")
    version = subprocess.run([clang, "-dumpversion"], check=True, capture_output=True, text=True)
    if f"clang\x06{version.stdout.strip()}".encode() not in shipped:
        pytest.skip("another version of clang wrote kernels.wasm")
    made = tmp_path / "kernels.wasm"
    root = Path(__file__).parents[2]
    subprocess.run(["make", "kernels", f"KERNELS={made}"], cwd=root, check=True)
    assert made.read_bytes() == shipped
