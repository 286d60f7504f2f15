"""The page on memory and size: what is installed, what a process takes, how it grows."""

from pages import predicting
from pages.layout import Section, machine, page
from pages.records import AMD, read


def render() -> str:
    """``docs/results/memory.md``."""
    return page(
        "Memory and size",
        "What the device side takes on disk and in memory, and how memory grows with the image. "
        "MB are 10^6 bytes.",
        [device(), packages(), by_size(), large_image(), predicting.clinical()],
    )


def device() -> Section:
    found = read(f"device_{AMD}")
    aims = found["aims"]
    names = {
        "installed_mb": ("installed, all packages", "{:.0f} MB"),
        "import_seconds": ("`import bmis`", "{:.2f} s"),
        "predict_seconds": ("`bmis predict` of one image, new process", "{:.2f} s"),
        "predict_seconds_uncached": ("the same, nothing in the system's file cache", "{:.2f} s"),
        "resident_mb": ("peak of resident memory of that process", "{:.0f} MB"),
        "bundle_mb": ("the bundle itself", "{:.2f} MB"),
    }
    rows = [
        [name, form.format(found[key]), form.format(aims[key]) if key in aims else ""]
        for key, (name, form) in names.items()
    ]
    return Section(
        f"One image from a cold start takes {found['predict_seconds']:.2f} s and "
        f"{found['resident_mb']:.0f} MB",
        f"The device side installs in {found['installed_mb']:.0f} MB and holds no torch, SciPy or "
        "onnx. All aims are met.",
        ["", ">measured", ">aim"],
        rows,
        "python benchmarks/device.py lesion.bmis",
        machine(found["machine"]),
        f"device_{AMD}.json",
        [
            "BMIS in int8 (`dermoscopy-bmis`), one 512 x 512 phantom on one core, in a fresh "
            "virtual environment with `pip install .` alone."
        ],
    )


def packages() -> Section:
    found = read(f"device_{AMD}")
    sizes = found["packages_mb"]
    top = list(sizes.items())[:6]
    rest = sum(sizes.values()) - sum(size for _, size in top)
    rows = [[name, f"{size:.1f}"] for name, size in top]
    rows.append([f"{len(sizes) - len(top)} others", f"{rest:.1f}"])
    return Section(
        "Most of the installed size is ONNX Runtime and NumPy",
        "The six trained networks are most of the size of bmis itself.",
        ["package", ">MB"],
        rows,
        "python benchmarks/device.py lesion.bmis",
        machine(found["machine"]),
        f"device_{AMD}.json",
    )


def by_size() -> Section:
    found = read(f"inference_memory_{AMD}")
    rows = [
        [
            f"{row['size']} x {row['size']}",
            f"{row['process_grows_mb']:.0f} MB",
            f"{row['live_tensors_mb']:.0f} MB",
            f"{row['bytes_per_pixel']:.0f}",
            f"{row['seconds']:.1f} s",
        ]
        for row in found["sizes"]
    ]
    return Section(
        "Memory grows with the pixels, not with their square",
        "The attention's map of all positions by all positions is never held, so memory per pixel "
        "falls with the size of the image. Its time is quadratic in the number of positions.",
        ["image", ">process grows by", ">live tensors", ">bytes per pixel", ">one pass"],
        rows,
        "python benchmarks/inference_memory.py",
        machine(found["machine"]),
        f"inference_memory_{AMD}.json",
        [
            "BMIS in torch, float32, batch 1, each size in a fresh process; live tensors without "
            "the weights. The times were taken beside two trainings. Large images are better "
            "predicted in tiles (`--resize native`), see below."
        ],
    )


def large_image() -> Section:
    found = read(f"large_images_drive_{AMD}")
    names = {
        "run": "the run, torch",
        "fundus.bmis": "bundle, float32, ONNX Runtime",
        "fundus-any.bmis": "the same, exported with `--size any`",
    }
    rows = [
        [
            names[key],
            f"{cost['seconds']:.0f}",
            f"{cost['resident_mb']:.0f}",
        ]
        for key, cost in found["costs"].items()
    ]
    least = min(cost["resident_mb"] for cost in found["costs"].values())
    return Section(
        f"An image of 4096 x 4096 pixels is predicted in {least:.0f} MB",
        "In tiles of 224 x 224, whose logits are merged row by row. The aim was 1.5 GB.",
        ["`bmis predict`, a new process", ">seconds", ">peak of resident memory, MB"],
        rows,
        "python benchmarks/large_images.py DRIVE RUN fundus.bmis fundus-any.bmis --only costs",
        machine(found["machine"]),
        f"large_images_drive_{AMD}.json",
        [
            "BMIS trained on DRIVE with `--resize native --size 224`; the picture repeats test "
            "photographs. How the masks differ from those of the whole picture is on the "
            "[accuracy page](accuracy.md#tiles-change-less-than-half-a-percent-of-the-pixels)."
        ],
    )
