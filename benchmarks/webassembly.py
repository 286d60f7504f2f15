"""One thread of WebAssembly, in several ways, against ONNX Runtime itself (needs Node.js).

    npm install --prefix web onnxruntime-web
    python benchmarks/webassembly.py --onnxruntime-web web/node_modules/onnxruntime-web

For each network: onnxruntime-web with the int8 graph of the bundle, with the same graph
without its quantisation (float32), with depthwise convolutions alone in float32, with less
optimisation, and in its build for WebGPU; and the page's own kernels. All take turns in one
process, with a pass of ONNX Runtime between two processes. Times are those of the processor, which
a busy machine changes least. Writes ``results/webassembly_<machine>.json``.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from machine import describe, short_name
from onnx import numpy_helper
from static_page import SIX

import bmis.serve.static_page as page
from bmis.bundle import read_bundle
from bmis.bundle.onnx_numbers import read_numbers
from bmis.config import RuntimeOptions
from bmis.pretrained.lookup import find_model_file
from bmis.runtime.load import load_runtime
from bmis.serve.plan import make_plan
from bmis.serve.static_network import find_graph
from bmis.system.files import output_folder, write_json
from bmis.system.stopwatch import time_calls

RESULTS = Path(__file__).parent / "results"
LOCAL = Path(page.__file__).parent / "local"
PLAIN, WEBGPU = "ort.wasm.bundle.min.mjs", "ort.webgpu.bundle.min.mjs"
WAYS = {  # way -> graph, build, options
    "int8": ("int8.onnx", PLAIN, {}),
    "float32": ("float32.onnx", PLAIN, {}),
    "mixed": ("mixed.onnx", PLAIN, {}),
    "int8, basic optimisation": ("int8.onnx", PLAIN, {"graphOptimizationLevel": "basic"}),
    "int8, extended optimisation": ("int8.onnx", PLAIN, {"graphOptimizationLevel": "extended"}),
    "int8, no memory pattern": ("int8.onnx", PLAIN, {"enableMemPattern": False}),
    "int8, build with WebGPU": ("int8.onnx", WEBGPU, {"executionProviders": ["wasm"]}),
}
SCRIPT = """
import fs from "fs";
const { runtime, ways, shape, turns, plan, local } = JSON.parse(process.argv[2]);
const size = shape.reduce((one, other) => one * other), runs = {};
const floats = Float32Array.from({ length: size }, () => 2 * Math.random() - 1);
for (const [way, [graph, build, options]] of Object.entries(ways)) {
  const ort = await import(`${runtime}/dist/${build}`);
  ort.env.wasm.numThreads = 1;
  const bytes = new Uint8Array(fs.readFileSync(graph));
  const session = await ort.InferenceSession.create(bytes, options);
  runs[way] = () => session.run({ image: new ort.Tensor("float32", floats, shape) });
}
if (plan) {
  const { openPlan } = await import(`${local}/plan.mjs`);
  const weights = new Uint8Array(fs.readFileSync("weights.bin")).buffer;
  const infer = await openPlan(fs.readFileSync(`${local}/kernels.wasm`), plan, weights);
  runs["own kernels"] = () => infer(floats, ...shape.slice(1));
}
const seconds = Object.fromEntries(Object.keys(runs).map((way) => [way, []]));
for (let turn = 0; turn < turns; turn++) for (const [way, run] of Object.entries(runs)) {
  const begun = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(begun);
  if (turn >= 5) seconds[way].push((user + system) / 1e6); // before, it compiles
}
console.log("\\n" + JSON.stringify(seconds));
process.exit(0);
"""


def without_quantisation(graph: bytes, *, everywhere: bool) -> bytes:
    """The graph with float32 between its operations, or only around depthwise convolutions.

    What quantisation cuts off is cut off by a Clip in its place, because the quantiser leaves out
    activations that do the same.
    """
    model, constants = onnx.load_from_string(graph), read_numbers(graph).constants
    deep = {
        name
        for node in model.graph.node
        if node.op_type == "Conv"
        and any(one.name == "group" and one.i > 1 for one in node.attribute)
        for name in (node.input[0], node.output[0])
    }
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in list(model.graph.node):
        if node.op_type != "QuantizeLinear":
            continue
        after = [name for one in users.get(node.output[0], []) for name in one.output]
        if everywhere or deep & {node.input[0], *after}:
            _clip_instead(model.graph, node, users.get(node.output[0], []), constants)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _clip_instead(graph: Any, node: Any, followers: list[Any], constants: Any) -> None:
    """Puts a Clip in the place of a QuantizeLinear and what dequantises its values."""
    scale, zero = (constants[name] for name in node.input[1:])
    kind = np.iinfo(zero.dtype)
    names = [f"{node.output[0]}_{end}" for end in ("low", "high")]
    for name, value in zip(names, (kind.min, kind.max), strict=True):
        limit = np.asarray((int(value) - int(zero)) * float(scale), np.float32)
        graph.initializer.append(numpy_helper.from_array(limit, name))
    for follower in followers:
        clip = onnx.helper.make_node("Clip", [node.input[0], *names], list(follower.output))
        place = next(at for at, one in enumerate(graph.node) if one is follower or one == follower)
        graph.node.remove(follower)
        graph.node.insert(place, clip)
    graph.node.remove(node)


def native(name: str, shape: list[int]) -> float:
    """Seconds of ONNX Runtime with the bundle's graph."""
    runtime, _ = load_runtime(name, RuntimeOptions(engine="onnxruntime", threads=1))
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    times = time_calls(lambda: runtime(image), seconds=1.0, clock=time.process_time)
    return float(np.median(times))


def measure(name: str, package: Path, turns: int) -> dict[str, Any]:
    bundle = read_bundle(find_model_file(name))
    graph, spec = bundle.read(find_graph(bundle).file), bundle.manifest.info.input
    plan, shape = make_plan(graph), [1, spec.channels, *spec.size]
    graphs = {
        "int8.onnx": graph,
        "float32.onnx": without_quantisation(graph, everywhere=True),
        "mixed.onnx": without_quantisation(graph, everywhere=False),
    }
    before = native(name, shape)
    with tempfile.TemporaryDirectory() as name_of:
        folder = Path(name_of)
        for file, content in graphs.items():
            (folder / file).write_bytes(content)
        (folder / "weights.bin").write_bytes(plan.weights if plan else b"")
        (folder / "script.mjs").write_text(SCRIPT, encoding="utf-8")
        (folder / "plan.mjs").write_bytes((LOCAL / "plan.js").read_bytes())
        (folder / "kernels.wasm").write_bytes((LOCAL / "kernels.wasm").read_bytes())
        given = {
            "runtime": str(package.resolve()),
            "ways": WAYS,
            "shape": shape,
            "turns": turns,
            "plan": plan and plan.steps,
            "local": str(folder),
        }
        command = ["node", "script.mjs", json.dumps(given)]
        run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    after = native(name, shape)
    seconds = json.loads(run.stdout.splitlines()[-1])
    return {
        "native_seconds": (before + after) / 2,
        "seconds": {way: float(np.median(times)) for way, times in seconds.items()},
        "bytes": {file: len(content) for file, content in graphs.items()},
        "bytes_of_plan": len(plan.weights) if plan else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--onnxruntime-web", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--networks", nargs="+", default=SIX)
    args = parser.parse_args()
    found = {}
    for name in args.networks:
        found[name] = measure(name, args.onnxruntime_web, args.turns)
        print(name, found[name], flush=True)
    package = json.loads((args.onnxruntime_web / "package.json").read_text("utf-8"))
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    record = {
        "onnxruntime_web": package["version"],
        "node": node.stdout.strip(),
        "networks": found,
        "machine": describe(),
    }
    out = output_folder(RESULTS) / f"webassembly_{short_name()}.json"
    write_json(out, record)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
