"""Training beside other work: on a busy machine, and several trials side by side."""

from pages.layout import Section, machine
from pages.records import AMD, read

SIDES = {
    "authors, 0 workers": "the authors' loop, BMIS",
    "ours, paper": "ours, BMIS, recipe `paper`",
    "ours, default": "ours, BMIS, recipe `default`",
    "ours, bmis_edge": "ours, `bmis_edge`",
}


def under_load() -> Section:
    """The training rate while other processes compute, beside that of a quiet machine."""
    quiet, busy = (read(f"training_{kind}_phantoms_{AMD}") for kind in ("rate", "load"))
    rows = [
        [
            name,
            *(
                f"{found['images_per_second'][side]:.1f} "
                f"({found['images_per_second'][side] / found['images_per_second'][first]:.2f}x)"
                for found, first in ((quiet, "authors, 0 workers"), (busy, "authors, 0 workers"))
            ),
        ]
        for side, name in SIDES.items()
    ]
    return Section(
        "`bmis_edge` trains faster than BMIS, and on a busy machine too",
        f"On the busy one {busy['load']} other processes compute all the time, on two cores.",
        ["", ">quiet, images/s", ">busy, images/s"],
        rows,
        "python benchmarks/training_rate.py --workers 0; ... --load 4",
        machine(quiet["machine"]),
        f"training_rate_phantoms_{AMD}.json`, `training_load_phantoms_{AMD}.json",
        [
            "512 x 512 phantoms at 224 x 224, in turns within a run; in brackets: times the "
            "authors' loop. Ours takes as many threads as it finds to be fastest. "
            f"{quiet['images']} images a turn on the quiet machine, {busy['images']} on the busy "
            "one, where the turns differ much."
        ],
    )


def side_by_side() -> Section:
    """Serial against parallel trials of a comparison."""
    found = read(f"side_by_side_{AMD}")
    (_, one), (count, many) = found["seconds"].items()
    return Section(
        f"{count} trials side by side take {many / one:.2f} of the time of one after another",
        "Costs are measured before them, one by one, in both.",
        ["`bmis compare`", ">seconds"],
        [["one after another", f"{one:.0f}"], [f"`--parallel {count}`", f"{many:.0f}"]],
        "python benchmarks/side_by_side.py",
        machine(found["machine"]),
        f"side_by_side_{AMD}.json",
        [
            f"{', '.join(f'`{name}`' for name in found['methods'])}, two epochs each on "
            f"{found['images']} drawn images of 224 x 224."
        ],
    )
