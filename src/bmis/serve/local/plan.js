// Computes a network by its plan (bmis.serve.plan) with our own kernels (kernels.c).

const SLACK = 64; // bytes behind every image and every weight that kernels may touch
const PAGE = 65536;

const upTo = (count, step) => Math.ceil(count / step) * step;

// Places in the memory: what is given back is given out again.
class Room {
  constructor(start) {
    this.free = [{ at: start, size: Infinity }];
    this.end = start;
  }

  take(bytes) {
    const size = upTo(bytes + SLACK, 16), fits = this.free.filter((one) => one.size >= size);
    const hole = fits.reduce((best, one) => (one.size < best.size ? one : best));
    const at = hole.at;
    hole.at += size;
    hole.size -= size;
    if (hole.size === 0) this.free.splice(this.free.indexOf(hole), 1);
    this.end = Math.max(this.end, at + size);
    return { at, size };
  }

  give({ at, size }) {
    this.free.push({ at, size });
    this.free.sort((one, other) => one.at - other.at);
    this.free = this.free.reduce((merged, hole) => {
      const last = merged.at(-1);
      if (last && last.at + last.size === hole.at) last.size += hole.size;
      else merged.push({ ...hole });
      return merged;
    }, []);
  }
}

// An image's rows are computed four at a time, so that up to three may come on top.
const bytesOf = ({ height, width, channels }) => 4 * channels * (height * width + 3);

function outputOf(step, [first]) {
  if (step.op === "enlarge") return { height: first.height * step.by, width: first.width * step.by, channels: first.channels };
  if (step.op === "add") return { height: first.height, width: first.width, channels: first.channels };
  if (step.op === "planes") {
    const { block } = step;
    return { height: first.height * block, width: first.width * block, channels: first.channels / block ** 2 };
  }
  const [top, left, bottom, right] = step.pads, [tall, wide] = step.kernel, [down, across] = step.strides;
  return {
    height: Math.floor((first.height + top + bottom - tall) / down) + 1,
    width: Math.floor((first.width + left + right - wide) / across) + 1,
    channels: step.channels[1],
  };
}

// What computes a step: a list of functions, without arguments.
const KERNELS = {
  add: (kernels, { low, high }, [one, other], to) => [
    () => kernels.add(one.at, other.at, to.at, to.height * to.width * to.channels, low, high),
  ],
  enlarge: (kernels, { by }, [from], to) => [() => kernels.enlarge(from.at, to.at, from.height, from.width, from.channels, by)],
  planes: (kernels, { block }, [from], to) => [() => kernels.planes(from.at, to.at, from.height, from.width, to.channels, block)],
  depthwise: (kernels, step, [from], to, weights) => {
    const { kernel: [side], strides: [down, across], pads: [top, left], low, high } = step, { height, width, channels } = from;
    const filters = weights + step.at, biases = filters + upTo(4 * side * side * channels, 16);
    return [() => kernels.depthwise(
      from.at, filters, biases, to.at, height, width, channels, to.height, to.width, top, left, side, down, across, low, high,
    )];
  },
  conv: convolution,
};

function convolution(kernels, step, [from], to, weights, room) {
  const { kernel: [tall, wide], strides: [down, across], pads: [top, left, bottom, right], low, high } = step;
  const { height, width, channels } = from, filters = step.channels[1];
  const inner = upTo(tall * wide * channels, 2), units = weights + step.at + upTo(2 * inner * upTo(filters, 8), 16);
  const biases = units + 4 * upTo(filters, 8);
  const pitch = (width + left + right) * channels;
  const integers = room.take(2 * (pitch * (height + top + bottom) + 3 * inner));
  const lines = room.take(2 * inner * (to.width + 3));
  room.give(integers); // until the next step begins, nobody else takes it
  room.give(lines);
  const at = weights + step.at;
  const quantise = () => kernels.quantise(from.at, integers.at, height, width * channels, top, left * channels, bottom, right * channels);
  const plain = tall === 1 && wide === 1 && down === 1 && across === 1 && pitch === width * channels && inner === channels;
  if (plain && !top && !bottom) {
    return [() => kernels.pointwise(
      integers.at, at, units, biases, to.at, height * width, inner, filters, quantise(), low, high,
    )];
  }
  return [() => kernels.convolve(
    integers.at, at, units, biases, to.at, lines.at, to.height, to.width, tall, wide * channels, pitch, down, across * channels,
    inner, filters, quantise(), low, high,
  )];
}

// Where all values of a plan lie for images of one size, and the calls that compute them.
function layOut(steps, kernels, { start, weights }, shape) {
  const room = new Room(start), values = new Map(), last = new Map();
  steps.forEach((step, index) => step.from.forEach((name) => last.set(name, index)));
  const place = (name, value) => values.set(name, Object.assign(value, room.take(bytesOf(value))));
  const planes = room.take(4 * shape.channels * shape.height * shape.width), calls = [];
  place("image", { ...shape });
  calls.push(() => kernels.interleave(planes.at, values.get("image").at, shape.channels, shape.height * shape.width));
  steps.forEach((step, index) => {
    const from = step.from.map((name) => values.get(name));
    place(step.to, outputOf(step, from));
    calls.push(...KERNELS[step.op](kernels, step, from, values.get(step.to), weights, room));
    for (const name of new Set(step.from)) if (last.get(name) === index) room.give(values.get(name));
  });
  return { calls, input: planes.at, output: values.get(steps.at(-1).to), end: room.end };
}

// infer(floats (C, h, w), C, h, w) -> logits (K, H, W)
export async function openPlan(kernelBytes, steps, weightBytes) {
  const { instance } = await WebAssembly.instantiate(kernelBytes);
  const { memory, __heap_base: base, ...kernels } = instance.exports;
  const weights = upTo(base.value, 16), start = upTo(weights + weightBytes.byteLength + SLACK, 16);
  const hold = (end) => {
    const lacking = Math.ceil((end - memory.buffer.byteLength) / PAGE);
    if (lacking > 0) memory.grow(lacking);
  };
  hold(start);
  new Uint8Array(memory.buffer).set(new Uint8Array(weightBytes), weights);
  let key = "", plan = null;
  return async (floats, channels, height, width) => {
    if (key !== `${channels} ${height} ${width}`) {
      plan = layOut(steps, kernels, { start, weights }, { channels, height, width });
      hold(plan.end);
      key = `${channels} ${height} ${width}`;
    }
    new Float32Array(memory.buffer, plan.input, floats.length).set(floats);
    for (const call of plan.calls) call();
    const { output } = plan;
    return new Float32Array(memory.buffer, output.at, output.height * output.width * output.channels).slice();
  };
}
