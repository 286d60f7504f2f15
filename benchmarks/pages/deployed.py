"""What export, int8 and tiling change in the masks."""

from pages.layout import Section, machine
from pages.records import AMD, AMD_AVX2, DATASETS, NAMES, read

GRAPHS = {
    "model.onnx": "float32, ONNX Runtime",
    "openvino/model.xml": "float32, OpenVINO",
    "model.int8.onnx": "int8, ONNX Runtime",
    "openvino/model.int8.xml": "int8, OpenVINO",
}


def export() -> Section:
    rows, losses = [], []
    for data in ("kvasir", "busi"):
        both, small = read(f"export_{data}")["exports"]
        for graph in both["graphs"]:
            check = graph["check"]
            losses.append(check["iou_torch"] - check["iou"])
            values = (f"{check[key]:.4f}" for key in ("iou_torch", "iou", "dice", "agreement"))
            kept = f"{len(both['kept'])} of {len(both['sensitivity'])}"
            int8 = graph["precision"] == "int8"
            size = f"{small['bytes'] / 1e6:.2f}" if graph["file"] == "model.int8.onnx" else ""
            rows.append(
                [DATASETS[data], GRAPHS[graph["file"]], *values, kept if int8 else "", size]
            )
    found = read("export_kvasir")
    return Section(
        f"Export loses at most {max(losses):.3f} of IoU",
        "Float32 graphs give the masks of the torch network.",
        [
            "data",
            "graph",
            ">IoU, torch",
            ">IoU",
            ">Dice",
            ">agreement with torch, Dice",
            ">parts in float",
            ">int8 bundle, MB",
        ],
        rows,
        "python benchmarks/export.py RUN...",
        machine(found["machine"]),
        "export_*.json",
        [
            "The runs of recipe `default` above, all test images at their own size. Parts in float "
            "are those that int8 would spoil, besides attention; their weights are stored in int8 "
            "all the same."
        ],
    )


def int8_without_vnni() -> Section:
    found = read(f"int8_sums_{AMD_AVX2}")
    rows = []
    for name in NAMES:
        network = found["networks"][name]
        ious = [network["exported"], network["clipped"]["iou"], network["exact"]["iou"]]
        times = [
            " / ".join(f"{ms:.0f}" for ms in network[way]["ms"].values())
            for way in ("clipped", "exact")
        ]
        rows.append([f"`{name}-bmis`", *(f"{iou:.4f}" for iou in ious), *times])
    worst = found["networks"]["chest-xray"]
    return Section(
        "int8 scores the same on processors without VNNI",
        "There ONNX Runtime would clip sums of int8 products, and the lung network would fall "
        f"from IoU {worst['exported']:.3f} to {worst['clipped']['iou']:.3f}. bmis has it "
        "calculate exactly.",
        [
            "name",
            ">IoU where exported",
            ">clipped",
            ">exact",
            ">ms on 1 / 2 cores, clipped",
            ">exact",
        ],
        rows,
        "python benchmarks/int8_sums.py DATA",
        machine(found["machine"]),
        f"int8_sums_{AMD_AVX2}.json",
        ["Test images of each network's data set. The times waver from run to run."],
    )


def tiles() -> Section:
    found = read(f"large_images_drive_{AMD}")
    rows = []
    for entry in found["differences"]:
        height, width = entry["size"]
        by_tile = [
            f"{tile['different_percent']:.2f} % ({tile['iou']:.4f})"
            for tile in entry["tiles"].values()
        ]
        what = f"{entry['pictures']} of {width} x {height}"
        rows.append([what, f"{entry['iou_whole']:.4f}", *by_tile])
    return Section(
        "Tiles change less than half a percent of the pixels",
        "The masks by tiles are compared with those of the whole picture in one pass. What is "
        "left comes from channel attention, whose means are those of a tile.",
        ["pictures", ">IoU, whole", ">tiles of 224 (default)", ">320", ">448"],
        rows,
        "python benchmarks/large_images.py DRIVE RUN",
        machine(found["machine"]),
        f"large_images_drive_{AMD}.json",
        [
            "BMIS trained on DRIVE with `--resize native --size 224`, 100 epochs. In brackets: IoU "
            "over the whole picture, not cut to the field of view. Larger pictures are "
            "photographs side by side at their own scale."
        ],
    )
