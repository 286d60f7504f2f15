"""Whether `auto` takes the fastest engine and precision."""

from typing import Any

from pages.layout import Section, machine
from pages.records import read

FILE = "engines_amd-epyc-avx512f-1-cores"
WAYS = ("onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino int8", "ncnn fp32")


def auto_engine() -> Section:
    """One row for each bundle."""
    found = read(FILE)
    networks = found["networks"]
    return Section(
        f"`auto` is within 5 % of the best engine on {found['within_5_percent']} of "
        f"{len(networks)} networks",
        "ONNX Runtime, OpenVINO and ncnn, in float32 and int8. `auto` times them when a bundle is "
        "loaded for the first time, and remembers the fastest.",
        ["network", *(f">{way}, ms" for way in WAYS), "`auto` took", ">times the best"],
        [_row(one) for one in networks],
        "taskset -c 0 python benchmarks/engines.py FOLDER",
        machine(found["machine"]),
        f"{FILE}.json",
        [
            "Untrained networks of `bmis bench`; the number in the name is the side of the image. "
            "Medians of turns on one thread. `auto` chose three times with nothing remembered; "
            "the worst choice counts. Where an engine does not run a network, the field is empty."
        ],
    )


def _row(one: dict[str, Any]) -> list[str]:
    name = one["bundle"].removesuffix(".bmis").partition("-")[2]
    times = [f"{one['ms'][way]:.2f}" if way in one["ms"] else "" for way in WAYS]
    return [name, *times, ", ".join(dict.fromkeys(one["auto"])), f"{one['ratio']:.2f}"]
