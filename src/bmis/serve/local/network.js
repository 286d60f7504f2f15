// A network of this folder, ready to run: by a plan and our kernels, or by onnxruntime-web.

import { Refused } from "./decode.js";
import { openPlan } from "./plan.js";

async function load(name) {
  const answer = await fetch(new URL(`../${name}`, import.meta.url)).catch((error) => ({ ok: false, status: error.message }));
  if (!answer.ok) throw new Refused("not_loaded", { why: `${name}: ${answer.status}` });
  return answer.arrayBuffer();
}

async function byPlan(file, steps) {
  const [kernels, weights] = await Promise.all([load("local/kernels.wasm"), load(`${file}.bin`)]);
  return openPlan(kernels, steps, weights);
}

async function byRuntime(file) {
  const ort = await import("../runtime/ort.js");
  ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
  ort.env.wasm.wasmBinary ??= await load("runtime/ort.wasm");
  const session = await ort.InferenceSession.create(new Uint8Array(await load(`${file}.onnx`)));
  return async (floats, ...shape) => {
    const image = new ort.Tensor("float32", floats, [1, ...shape]);
    const { logits } = await session.run({ image });
    return logits.data;
  };
}

export async function openNetwork(name) {
  const file = `networks/${encodeURIComponent(name)}`;
  const network = JSON.parse(new TextDecoder().decode(await load(`${file}.json`)));
  network.infer = await (network.plan ? byPlan(file, network.plan) : byRuntime(file));
  return network;
}
