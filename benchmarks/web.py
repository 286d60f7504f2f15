"""A bundle's ONNX graph in WebAssembly, against ONNX Runtime itself (needs Node.js).

    npm install --prefix web onnxruntime-web
    python benchmarks/web.py lesion.bmis photo.jpg --modules web/node_modules

One thread each, in Node.js instead of a browser: largest difference of the logits, pixels whose
class differs, and the median time of a pass. Writes ``results/web_<machine>.json``.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name

from bmis.bundle import read_bundle
from bmis.config import RuntimeOptions
from bmis.data.images import read_image
from bmis.data.preprocess import fit, normalise
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder, write_json
from bmis.system.stopwatch import time_calls

RESULTS = Path(__file__).parent / "results"
SCRIPT = """
import fs from "fs";
import * as ort from "onnxruntime-web/wasm";
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync("model.onnx")));
const shape = JSON.parse(process.argv[2]);
const pixels = new Float32Array(fs.readFileSync("image.bin").buffer.slice(0));
const image = new ort.Tensor("float32", pixels, shape);
let logits, times = [];
for (let i = 0; i < 23; i++) {
  const begun = performance.now();
  logits = (await session.run({ image })).logits;
  times.push((performance.now() - begun) / 1e3);
}
fs.writeFileSync("logits.bin", Buffer.from(logits.data.buffer));
console.log(JSON.stringify({ shape: logits.dims, times: times.slice(3) }));
"""


def measure(bundle: Path, photo: Path, modules: Path) -> dict[str, Any]:
    options = RuntimeOptions(engine="onnxruntime", precision="fp32", threads=1)
    runtime, info = load_runtime(bundle, options)
    frame, _ = fit(read_image(photo, channels=info.input.channels).pixels, info.input)
    image = normalise(frame, info.input)[None]
    native = time_calls(lambda: runtime(image), seconds=2.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "node_modules").symlink_to(modules.resolve())
        (folder / "model.onnx").write_bytes(read_bundle(bundle).read("model.onnx"))
        (folder / "script.mjs").write_text(SCRIPT, encoding="utf-8")
        np.ascontiguousarray(image).tofile(folder / "image.bin")
        command = ["node", "script.mjs", json.dumps(image.shape)]
        run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        answer = json.loads(run.stdout.splitlines()[-1])
        logits = np.fromfile(folder / "logits.bin", np.float32).reshape(answer["shape"])
    expected = runtime(image)
    package = json.loads((modules / "onnxruntime-web" / "package.json").read_text("utf-8"))
    return {
        "onnxruntime_web": package["version"],
        "size": list(image.shape[2:]),
        "largest_difference": float(np.abs(logits - expected).max()),
        "pixels_that_differ": int((logits.argmax(1) != expected.argmax(1)).sum()),
        "web_seconds": float(np.median(answer["times"])),
        "native_seconds": float(np.median(native)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--modules", type=Path, default=Path("node_modules"))
    args = parser.parse_args()
    found = measure(args.bundle, args.photo, args.modules)
    print(found)
    out = output_folder(RESULTS) / f"web_{short_name()}.json"
    write_json(out, {**found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
