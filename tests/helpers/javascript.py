"""The JavaScript of the engine in the browser, called from tests of its parts."""

import json
from contextlib import contextmanager

from bmis.serve.app import PAGE
from helpers.browser import chromium, handed_out

# values that are {"kind", "values"} become typed arrays, and typed arrays in what is answered lists
CALL = """async ([file, source, given]) => {
  const typed = (value) => {
    if (Array.isArray(value)) return value.map(typed);
    if (value === null || typeof value !== "object") return value;
    if (value.kind) return new globalThis[value.kind](value.values);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typed(one)]));
  };
  const plain = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  const part = await import(`/local/${file}.js`);
  const call = new Function("part", "given", `return (async () => (${source}))()`);
  return JSON.stringify(await call(part, typed(given)), plain);
}"""


@contextmanager
def running():
    """Runs an expression of ``part``, a module of the engine, and ``given``, what is passed."""
    with handed_out(PAGE.parent) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.address}page/icon.svg")

        def run(file, source, **given):
            return json.loads(page.evaluate(CALL, [file, source, given]))

        yield run


def array(values):
    kind = {"uint8": "Uint8Array", "float32": "Float32Array"}[str(values.dtype)]
    return {"kind": kind, "values": values.ravel().tolist()}


def shown(pixels):
    height, width, channels = pixels.shape
    return {"height": height, "width": width, "channels": channels, "pixels": array(pixels)}
