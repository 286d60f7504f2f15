"""The page on speed: one image through every network, engine and format."""

from typing import Any

from pages import choosing, networks, predicting, served
from pages.layout import Section, machine, page
from pages.records import AMD, AMD_AVX2, DATASETS, INTEL, SIDES, read

ENGINES = ("torch fp32", "onnxruntime fp32", "openvino fp32", "openvino bf16",
           "onnxruntime int8", "openvino int8")  # fmt: skip
FORMATS = {"executorch": "ExecuTorch", "litert": "LiteRT"}


def render() -> str:
    """``docs/results/speed.md``."""
    return page(
        "Speed",
        "Times are medians of one image on a processor. No GPU has been measured. A shared "
        "machine's speed drifts, so only large differences between separate runs count; sides "
        "that are compared within a table took turns in one run unless a note says otherwise.",
        [
            bundles(),
            folders(),
            predicting.photographs(),
            predicting.shipped(),
            networks.in_torch(),
            networks.light(),
            engines(),
            lung_engines(),
            choosing.auto_engine(),
            phone_formats(),
            browser(),
            predicting.in_the_browser(),
            predicting.times_in_the_browser(),
            predicting.web_assembly(),
            served.serving(),
            served.waiting(),
            predicting.latency(),
            postprocessing(),
        ],
    )


def bundles() -> Section:
    found = read(f"inference_kvasir_{AMD}")
    two, one = found["2 cores"], found["1 cores"]
    rows = []
    for side, name in SIDES.items():
        values = []
        for cores in (two, one):
            values += [
                f"{cores[side]['median_ms']:.1f}",
                f"{cores[side]['times_the_authors']:.2f}x",
            ]
        rows.append([name, *values, f"{two[side]['mean_dice_with_torch']:.4f}"])
    best = two["openvino int8"]["times_the_authors"]
    return Section(
        f"int8 runs up to {best:.1f}x faster than the authors' way",
        "The aims were 4x with int8 and 2x with float, bf16 allowed. Both are met on two cores; "
        f"on one core int8 comes to {one['openvino int8']['times_the_authors']:.2f}x.",
        ["", ">2 cores, ms", ">faster", ">1 core, ms", ">faster", ">Dice with torch"],
        rows,
        "python benchmarks/inference.py RUN lesion.bmis --folder kvasir/images",
        machine(found["machine"]),
        f"inference_kvasir_{AMD}.json",
        [
            f"{found['images']} test images of Kvasir-SEG, one at a time, {found['rounds']} "
            "rounds. The authors' way: their network in PyTorch, eager, float32, contiguous, with "
            "the same weights. Dice is between the masks and those of our torch network.",
            "The ratios move from run to run; `benchmarks/NOTES.md` has those of other runs.",
        ],
    )


def folders() -> Section:
    found = read(f"inference_kvasir_{AMD}")
    rows = [
        [
            SIDES[side],
            f"{row['images_per_second']:.1f}",
            f"{100 * row['share_inside_the_network']:.0f} %",
        ]
        for side, row in found["predict"].items()
    ]
    return Section(
        "bmis predict spends its time inside the network",
        "Reading, scaling and writing small masks cost a few percent of BMIS's wall time.",
        ["`bmis predict`", ">images/s", ">wall time inside the network"],
        rows,
        "python benchmarks/inference.py RUN lesion.bmis --folder kvasir/images",
        machine(found["machine"]),
        f"inference_kvasir_{AMD}.json",
        ["A folder of 999 photographs, 352 x 352 JPEG."],
    )


def engines() -> Section:
    found = read(f"runtimes_{AMD}")
    done = [row for row in found["networks"] if "ms" in row]
    done.sort(key=lambda row: float(row["ms"]["onnxruntime fp32"]))
    described = found["machine"]
    refused = [
        f"`{row['name']}` does not run by {SIDES[side]}: {why.split(' (')[0]}."
        for row in done
        for side, why in row.get("refused", {}).items()
    ]
    return Section(
        f"All {len(done)} networks can be exported, and int8 does not always pay",
        "Networks of depthwise convolutions (MK-UNet, DABNet) are slower in int8 by ONNX Runtime.",
        [
            "network",
            *(f">{SIDES[side].replace('ours in torch, channels-last', 'torch fp32')}" for side in
              ENGINES),
            ">int8 gain, ONNX Runtime",
            ">int8 gain, OpenVINO",
            ">int8, MB",
            ">logits off by",
        ],
        [engine_row(row) for row in done],
        "python benchmarks/runtimes.py",
        f"{machine(described)}, ONNX Runtime {described['onnxruntime']}, OpenVINO "
        f"{described['openvino']}",
        f"runtimes_{AMD}.json",
        [
            "Milliseconds. Untrained weights, which are as fast as trained ones; masks are not "
            "compared here. Logits off by: ONNX Runtime in fp32 against torch, over the largest "
            "logit or 1. Int8 was tried for the light networks, `unet` and `dsu_net`.",
            *refused,
        ],
    )  # fmt: skip


def engine_row(row: dict[str, Any]) -> list[str]:
    ms = row["ms"]
    gains = [
        f"{ms[f'{engine} fp32'] / ms[f'{engine} int8']:.2f}x" if f"{engine} int8" in ms else ""
        for engine in ("onnxruntime", "openvino")
    ]
    times = [f"{ms[side]:.1f}" if side in ms else "" for side in ENGINES]
    size = f"{row['int8_mb']:.2f}" if "int8_mb" in row else ""
    return [f"`{row['name']}`", *times, *gains, size, f"{row['logits_error']:.0e}"]


def lung_engines() -> Section:
    found = read(f"int8_sums_{AMD_AVX2}")
    times: dict[str, list[str]] = {}
    for run in found["engines"]:
        for entry in run["engines"]:
            side = SIDES[f"{entry['engine']} {entry['precision']}"]
            times.setdefault(side, []).append(f"{entry['batches'][0]['latency_p50_ms']:.0f}")
    return Section(
        "With AVX2 alone int8 gains little",
        "On two cores ONNX Runtime's int8 is no faster than its float32; OpenVINO's is.",
        ["lung network", ">1 core, ms", ">2 cores, ms"],
        [[side, *values] for side, values in times.items()],
        "python benchmarks/int8_sums.py DATA --engines lung.bmis",
        machine(found["machine"]),
        f"int8_sums_{AMD_AVX2}.json",
        ["One run; the times waver from run to run."],
    )


def phone_formats() -> Section:
    rows, machines = [], []
    for format_, name in FORMATS.items():
        found = read(f"device_formats_{format_}_{AMD}")
        versions = ", ".join(f"{key} {value}" for key, value in found["versions"].items())
        machines.append(f"{machine(found['machine'])} ({versions})")
        for entry in found["networks"]:
            ours, onnx = entry[format_], entry["onnx"]
            data = DATASETS.get(entry["data"], entry["data"])
            rows.append(
                [
                    f"`{entry['network']}`, {ours['images']} images of {data}",
                    name,
                    f"{ours['bytes'] / 1e6:.2f}",
                    f"{onnx['bytes'] / 1e6:.2f}",
                    f"{ours['logits_error']:.1e}".replace("e-0", "e-"),
                    f"{ours['agreement']:.4f}",
                    f"{ours['median_ms']:.1f}",
                    f"{onnx['median_ms']:.1f}",
                ]
            )
    rows.sort(key=lambda row: row[0])
    return Section(
        "ExecuTorch and LiteRT give the same masks",
        "Both are slower than ONNX Runtime in the same run.",
        [
            "network and data",
            "runtime",
            ">MB",
            ">ONNX, MB",
            ">logits off by",
            ">Dice of the masks",
            ">ms",
            ">ONNX Runtime, ms",
        ],
        rows,
        "python benchmarks/device_formats.py executorch (or litert)",
        "; ".join(machines),
        "device_formats_*.json",
        ["224 x 224 pixels, medians of 40 in turns, two threads each."],
    )


def browser() -> Section:
    found = read(f"web_{AMD}")
    rows = [
        [f"onnxruntime-web {found['onnxruntime_web']}, WebAssembly", f"{found['web_seconds']:.2f}"],
        ["ONNX Runtime, native", f"{found['native_seconds']:.2f}"],
    ]
    return Section(
        "The same graph runs in onnxruntime-web",
        f"Its logits are within {found['largest_difference']:.0e} of the native ones, and "
        f"{found['pixels_that_differ'] or 'no'} pixels of the mask differ.".replace("e-0", "e-"),
        ["BMIS, float32, 224 x 224", ">seconds"],
        rows,
        "python benchmarks/web.py",
        machine(found["machine"]),
        f"web_{AMD}.json",
        ["One thread, in Node.js 20."],
    )


def postprocessing() -> Section:
    found = read(f"postprocessing_{INTEL}")
    plain = found["ms"]["nothing"]
    rows = [
        [name, f"{ms:.1f}", "" if name == "nothing" else f"{ms - plain:+.1f}"]
        for name, ms in found["ms"].items()
    ]
    return Section(
        "Post-processing takes milliseconds, flips take the network's time again",
        "From a photograph in memory to its mask, with one kind of post-processing at a time.",
        ["post-processing", ">ms", ">more than nothing"],
        rows,
        "python benchmarks/postprocessing.py PHOTO",
        machine(found["machine"]),
        f"postprocessing_{INTEL}.json",
        [
            f"`{found['network']}` by ONNX Runtime, one thread, {found['side']} x {found['side']} "
            "pixels, in turns. Times are of the processor."
        ],
    )
