"""Which images does `bmis predict` warn of? Learnt anew for the networks in the package.

    python benchmarks/unlike.py DATA [--only dermoscopy ...]

For each network the out-of-distribution reference is learnt from its training and validation
images, and written into its bundle, card and ``results/shipped/<name>.json`` with the share of the
test images of each data set that it warns of. ``results/unlike.json`` has the share of its own test
images, changed in the 46 ways of ``bmis evaluate --robustness``, by kind: with the reference, and
with one that knows the images as they are alone. Forty test images of a set are changed.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from five_modalities import MODALITIES, described
from machine import describe as describe_machine
from numpy.typing import NDArray
from pages.records import read_if_there
from shipped import NETWORKS, RESULTS, Network

from bmis import load_model, open_dataset, read_image
from bmis.bundle import Manifest, read_bundle, write_bundle
from bmis.config import OodReference
from bmis.data.cases import Case
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.export.ood import learn_ood_reference
from bmis.predict.ood import OodDetector, describe, fit_ood_reference
from bmis.pretrained.lookup import FOLDER
from bmis.system.files import write_json

FILE = RESULTS.parent / "unlike.json"
WEIGHTS = Path(__file__).parents[1] / "weights" / "bmis_weights"
CHANGED = 40  # test images that are changed
Statistics = list[NDArray[np.float64]]


def pixels(case: Case) -> NDArray[np.uint8]:
    """The image in its own colours."""
    return read_image(case.image).pixels


def share(reference: OodReference, statistics: Statistics) -> float:
    """The share of some images that is out of distribution."""
    detector = OodDetector(reference)
    return float(np.mean([detector(one) > 1 for one in statistics]))


def test_statistics(root: Path) -> dict[str, Statistics]:
    """Those of all test images of each data set."""
    return {
        name: [describe(pixels(case)) for case in open_dataset(root / modality.data).split("test")]
        for name, modality in MODALITIES.items()
    }


def changed_statistics(cases: Sequence[Case]) -> dict[str, Statistics]:
    """Those of some images in all 46 ways, by kind."""
    found: dict[str, Statistics] = defaultdict(list)
    for case in cases[:: max(1, len(cases) // CHANGED)][:CHANGED]:
        image = pixels(case)
        sample = Sample(image, np.zeros(image.shape[:2], np.uint8))
        for one in PERTURBATIONS:
            found[one.kind].append(describe(one(sample, case.id).pixels))
    return found


def warned(kind: str, rates: Mapping[str, float]) -> str:
    """A line of the model card."""
    others = ", ".join(f"{100 * rate:.0f} % of {one}" for one, rate in rates.items() if one != kind)
    return (
        f"`bmis predict` warns of {100 * rates[kind]:.1f} % of these test images as they are "
        f"(false alarms), and of test images of other kinds: {others}."
    )


def write_again(bundle: Path, manifest: Manifest, card: str) -> None:
    """Write a bundle with the same graphs under another manifest and card; its record too."""
    found = read_bundle(bundle)
    members = {file: found.read(file) for graph in manifest.graphs for file in graph.files}
    write_bundle(bundle, manifest, members, card)
    record = RESULTS / f"{bundle.stem}.json"
    if record.exists():  # not while the network is put into the package for the first time
        told = json.loads(record.read_text(encoding="utf-8"))
        told["export"]["bytes"] = bundle.stat().st_size
        write_json(record, told)


def rewrite(network: Network, reference: OodReference, rates: Mapping[str, float]) -> None:
    """Put the reference and its rates into the bundle, its card and the record beside it."""
    bundle = FOLDER / f"{network.name}.bmis"
    found = read_bundle(bundle)
    own = rates[network.kind]
    card = re.sub(r"falsely for [\d.]+ %", f"falsely for {100 * own:.1f} %", found.card, count=1)
    card = re.sub(
        r"^`bmis predict` warns of .*$", warned(network.kind, rates), card, flags=re.MULTILINE
    )
    manifest = replace(
        found.manifest,
        info=replace(found.manifest.info, ood=reference),
        quality={**found.manifest.quality, "false_alarms": own},
    )
    write_again(bundle, manifest, card)
    record = RESULTS / f"{network.name}.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    told["out_of_distribution"] = dict(rates)
    write_json(record, told)


def learn(network: Network, root: Path, runs: Path) -> tuple[OodReference, OodReference]:
    """The reference of a network, and one that knows the images as they are alone."""
    dataset = open_dataset(described(network.kind, root, runs))
    _, info = load_model(WEIGHTS / f"{network.name}.safetensors")
    reference, _ = learn_ood_reference(dataset, (), info)
    cases = [case for case in dataset.cases if case.split in ("train", "val")]
    plain = fit_ood_reference([describe(pixels(case)) for case in cases])
    assert reference is not None
    assert plain is not None
    return reference, plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--runs", type=Path, default=Path("runs/unlike"))
    args = parser.parse_args()
    tests = test_statistics(args.data)
    done: dict[str, Any] = read_if_there(FILE) or {}
    for name in args.only:
        network = NETWORKS[name]
        reference, plain = learn(network, args.data, args.runs)
        rates = {kind: share(reference, statistics) for kind, statistics in tests.items()}
        rewrite(network, reference, rates)
        cases = open_dataset(args.data / network.modality.data).split("test")
        changed = changed_statistics(cases)
        done[name] = {
            key: {kind: round(share(one, values), 4) for kind, values in changed.items()}
            for key, one in (("shown", reference), ("as they are", plain))
        } | {"machine": describe_machine()}
        write_json(FILE, done)
        print(name, rates, flush=True)


if __name__ == "__main__":
    main()
