"""What masks take from end to end: photographs, the networks in the package, clips, the browser."""

from typing import Any

from latency_model import GOOD
from predict_photos import NETWORKS

from pages.layout import Section, machine
from pages.records import AMD, NAMES, read


def photographs() -> Section:
    """``bmis predict`` on large photographs against the network alone."""
    found = read(f"predict_photos_{AMD}")
    rows = []
    for name in NETWORKS:
        for cores, times in found[name].items():
            ratio = times["whole"] / times["network"]
            values = (times[key] for key in ("whole", "network", "reading"))
            rows.append(
                [f"`{name}`", cores, *(f"{value:.1f}" for value in values), f"{ratio:.1f}x"]
            )
    side = found["side"]
    return Section(
        f"A photograph of {side} x {side} takes several times what the network takes",
        "The aim was 1.3 times. Reading the JPEG alone takes about as long as the network, or "
        "twice as long; the rest is shrinking it, bringing the mask back to its size, writing and "
        "measuring it.",
        ["network", ">cores", ">whole way, ms", ">network, ms", ">reading, ms", ">whole / network"],
        rows,
        "python benchmarks/predict_photos.py",
        machine(found["machine"]),
        f"predict_photos_{AMD}.json",
        [
            f"{found['images']} drawn images, JPEG. Whole way: wall time of `bmis predict` an "
            "image, where reading, network and writing overlap on several cores."
        ],
    )


def shipped() -> Section:
    """The networks in the package on one core."""
    found = read(f"shipped_speed_{AMD}")
    rows = []
    for name in NAMES:
        pair = [min(found["ms"][one].values()) for one in (name, f"{name}-bmis")]
        rows.append([f"`{name}`", *(f"{ms:.1f}" for ms in pair), f"{pair[0] / pair[1]:.2f}"])
    return Section(
        "On one core a network of the package takes 0.3 to 0.5 of the time of BMIS",
        "The networks of fundus vessels and nuclei have a step at 1/2, which costs time.",
        ["name", ">`NAME`, `bmis_edge`, ms", ">`NAME-bmis`, ms", ">share"],
        rows,
        "python benchmarks/shipped_speed.py",
        machine(found["machine"]),
        f"shipped_speed_{AMD}.json",
        [
            f"One image of the network's own size, medians of {found['rounds']} rounds in turns. "
            "Networks of vessels and nuclei take that for each tile. ONNX Runtime in int8, as the "
            "bundles hold it."
        ],
    )


def clinical() -> Section:
    """A clip and volumes, each in a process of its own."""
    found = read(f"clinical_{AMD}")
    rows = [clinical_row(name, one) for name, one in found["measured"].items()]
    height, width, slices = found["volume"]
    most = max(one["peak_mb"] for one in found["measured"].values())
    clip = found["measured"]["clip.dcm"]
    return Section(
        f"A volume of {height} x {width} x {slices} takes at most {most / 1000:.1f} GB",
        f"The aim was 1 GB. The clip of {found['frames']} frames was to run at the network's "
        f"speed, and takes {clip['ratio']:.1f} times that: reading, shrinking and writing one "
        "frame cost more than the network.",
        ["file", ">seconds", ">of the network alone", ">peak memory, MB"],
        rows,
        "python benchmarks/clinical.py",
        machine(found["machine"]),
        f"clinical_{AMD}.json",
        [f"By `{found['model']}`, masks and table written. All is drawn by the package."],
    )


def clinical_row(name: str, one: dict[str, Any]) -> list[str]:
    network = one.get("network_seconds")
    return [
        f"`{name}`",
        f"{one['seconds']:.1f}",
        f"{one['seconds'] / network:.2f}x" if network else "",
        f"{one['peak_mb']:.0f}",
    ]


def in_the_browser() -> Section:
    """The page without a service against the same bundle in Python."""
    found = read("static_page")
    rows = [
        [
            f"`{name}`",
            *(f"{one[f'{which}_dice_of_both_masks']:.4f}" for which in ("mean", "least")),
            *(f"{one[f'mean_dice_{who}_to_truth']:.4f}" for who in ("browser", "service")),
        ]
        for name, one in found["networks"].items()
    ]
    size = found["bytes"]["with_one"] / 1e6
    return Section(
        "In the browser alone the masks are nearly the service's, and as near to the truth",
        f"The page with one network has {size:.1f} MB (aim: 25). It computes what the int8 graph "
        "computes, with its limits but without its rounding, and so its masks differ a little.",
        [
            *("network", ">Dice of both masks", ">worst image"),
            *(">browser to truth", ">service to truth"),
        ],
        rows,
        "python benchmarks/static_page.py DATA",
        f"{machine(found['machine'])}, Chromium {found['chromium']}",
        "static_page.json",
        ["Means over 17 test images of each network; the gate of `bmis export` asks for 0.98."],
    )


def times_in_the_browser() -> Section:
    """The page's times in Chromium."""
    found = read(f"static_page_times_{AMD}")
    rows, ratios = [], []
    for name, one in found["networks"].items():
        milliseconds = [
            1000 * one[key]
            for key in (
                *("browser_network_seconds", "native_network_seconds"),
                *("browser_seconds", "native_seconds"),
            )
        ]
        ratios.append(milliseconds[0] / milliseconds[1])
        rows.append([f"`{name}`", *(f"{ms:.1f}" for ms in milliseconds), f"{ratios[-1]:.1f}x"])
    return Section(
        f"In Chromium the networks take {min(ratios):.1f} to {max(ratios):.1f} times as long",
        "The aim was at most 3 times ONNX Runtime's time.",
        [
            *("network", ">network, browser, ms", ">native, ms"),
            *(">one picture, browser, ms", ">native, ms", ">network, browser / native"),
        ],
        rows,
        "python benchmarks/static_page.py DATA --times",
        f"{machine(found['machine'])}, Chromium {found['chromium']}",
        f"static_page_times_{AMD}.json",
        [
            "One thread each. One picture: from the bytes of a file to masks, measurements and "
            "outlines."
        ],
    )


def web_assembly() -> Section:
    """One thread in WebAssembly, by several ways."""
    found = read(f"webassembly_{AMD}")
    ways = list(next(iter(found["networks"].values()))["seconds"])
    rows = []
    for name, one in found["networks"].items():
        native = one["native_seconds"]
        times = [f"{one['seconds'][way] / native:.1f}x" for way in ways]
        rows.append([f"`{name}`", f"{1000 * native:.1f}", *times])
    own = [
        one["seconds"]["own kernels"] / one["native_seconds"] for one in found["networks"].values()
    ]
    return Section(
        f"Kernels of our own take {min(own):.1f} to {max(own):.1f} times ONNX Runtime's time in "
        "one thread of WebAssembly",
        "The aim was 3 times. onnxruntime-web is far from it with any graph and option, so the "
        "page has 12 kB of kernels of its own. What is left is likely the width of a vector: 128 "
        "bits in WebAssembly, and up to 512 with products of bytes in ONNX Runtime here.",
        ["network", ">native, ms", *(f">{way}" for way in ways)],
        rows,
        "python benchmarks/webassembly.py --onnxruntime-web FOLDER",
        f"{machine(found['machine'])}, Node.js {found['node']}",
        f"webassembly_{AMD}.json",
        [
            f"onnxruntime-web {found['onnxruntime_web']} but for the last column. Time of the "
            "processor, medians in turns, against ONNX Runtime with the int8 graph. Mixed: "
            "depthwise convolutions in float32, the others in int8."
        ],
    )


def latency() -> Section:
    """How well ``bmis fit`` predicts times of networks that it never measured."""
    found = read(f"latency_model_{AMD}")
    rows = [
        [name, str(len(one["errors"])), f"{100 * one['median']:.0f} %"]
        for name, one in found["ways"].items()
    ]
    good = sum(one["median"] <= GOOD for one in found["ways"].values())
    return Section(
        f"`bmis fit` predicts times of new networks by {good} of {len(rows)} ways within 15 %",
        "The aim was a median error of 15 % for all ways. What is predicted decides only which "
        "networks are measured.",
        ["engine and precision", ">networks that were predicted", ">median error"],
        rows,
        "python benchmarks/latency_model.py",
        machine(found["machine"]),
        f"latency_model_{AMD}.json",
        [
            f"Learnt from {len(found['learnt'])} networks, none of which, at any size, is among "
            "those that were predicted. The aim was 100 of them; there was no time for more."
        ],
    )
