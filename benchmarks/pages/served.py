"""What the HTTP service adds to a network, alone and under load, and how long its page takes."""

from typing import Any

from pages.layout import Section, machine
from pages.records import AMD, RESULTS, read


def serving() -> Section:
    """One row for each number of workers and threads that was measured."""
    files = sorted(RESULTS.glob(f"serving_{AMD}_*x*.json"))
    found = [read(file.stem) for file in files]
    errors = sum(
        count
        for one in found
        for status, count in one["load_test"]["statuses"].items()
        if status not in ("200", "429")
    )
    first = found[0]["load_test"]
    minutes = first["seconds"] / 60
    return Section(
        f"Served over HTTP: {first['clients']} clients for {minutes:g} minutes, {errors} errors",
        "A PNG of 224 x 224 by `POST /v1/segment/colonoscopy`, mask as PNG. What comes on top of "
        "the network is decoding, scaling, the statistics that tell odd images, the expected Dice, "
        "the mask at the image's size, and HTTP; the first four are in `bmis.load` too.",
        [
            ">workers x threads",
            ">start to first answer, s",
            ">network alone, ms",
            ">`bmis.load`, ms",
            ">request, ms (99 %)",
            ">as JSON, ms",
            ">all clients, minutes",
            ">images/s",
            ">their wait, ms (99 %)",
            ">sent away (429)",
            ">memory, MB (growth)",
        ],
        [_row(one) for one in found],
        "python benchmarks/serving.py --workers W --threads T",
        "; ".join(dict.fromkeys(machine(one["machine"]) for one in found)),
        f"serving_{AMD}_*.json",
        [
            "Medians. The clients run on the same two cores as the service. Growth: the most "
            "memory in the second half of the time less that in the first."
        ],
    )


def _row(one: dict[str, Any]) -> list[str]:
    load, png = one["load_test"], one["image/png"]
    return [
        f"{one['workers']} x {one['threads']}",
        f"{one['start_to_first_answer_s']:.1f}",
        f"{one['network']['p50_ms']:.1f}",
        f"{one['load']['p50_ms']:.1f}",
        f"{png['p50_ms']:.1f} ({png['p99_ms']:.1f})",
        f"{one['application/json']['p50_ms']:.1f}",
        f"{load['seconds'] / 60:g}",
        f"{load['images_per_second']:.0f}",
        f"{load['p50_ms']:.0f} ({load['p99_ms']:.0f})",
        f"{load['statuses'].get('429', 0):,}",
        f"{load['resident_mb']:.0f} ({load['growth_mb']:+.1f})",
    ]


def waiting() -> Section:
    """What a person waits for at the page."""
    found = read(f"page_times_{AMD}")
    with_service, alone = found["service"], found["browser alone"]
    rows = [
        ["page opened", *(f"{one['opened_s']:.2f} s" for one in (with_service, alone))],
        ["first picture", *(f"{one['first_picture_s']:.2f} s" for one in (with_service, alone))],
        ["next picture", *(f"{one['next_picture_s']:.2f} s" for one in (with_service, alone))],
        [
            "camera, pictures a second",
            *(f"{one['camera_pictures_per_second']:.0f}" for one in (with_service, alone)),
        ],
        [
            f"clip of {found['frames']} frames, frames a second",
            f"{with_service['clip_frames_per_second']:.0f}",
            "not taken",
        ],
    ]
    return Section(
        "At the page a picture takes less than a tenth of a second, the first one half a second",
        "From the choice of a file to its mask and measurements in Chromium, by `colonoscopy`, "
        "with the service on the same two cores and in the browser alone.",
        ["", ">with a service", ">browser alone"],
        rows,
        "python benchmarks/page_times.py",
        f"{machine(found['machine'])}, Chromium {found['chromium']}",
        f"page_times_{AMD}.json",
        [
            "Pictures of 352 x 352, medians after the first; the first one waits for the network "
            "to load. The camera is the one that Chromium draws, of 640 x 480. The clip is DICOM, "
            "of 256 x 320."
        ],
    )
