"""The card that export writes is the card of the bundles that come with the package."""

from types import SimpleNamespace

import pytest

from bmis.bundle import read_bundle
from bmis.export.model_card import write_card
from bmis.pretrained.lookup import find_model_file
from helpers.bundles import manifest

MODALITIES = {
    "breast-ultrasound": "ultrasound",
    "chest-xray": "chest X-ray",
    "colonoscopy": "endoscopy",
    "dermoscopy": "dermoscopy",
    "fundus-vessels": "fundus photography",
    "nuclei": "microscopy",
}


def without_export(lines):
    return [line for line in lines if not line.startswith("- exported on ")]


@pytest.mark.parametrize("name", sorted(MODALITIES))
def test_the_cards_of_the_shipped_bundles_are_written_again(name):
    bundle = read_bundle(find_model_file(name))
    above, _, notes = bundle.card.partition("## Training and test")
    card = write_card(name, bundle.manifest, SimpleNamespace(modality=MODALITIES[name]), "NOTES\n")
    assert card.endswith("\n\nNOTES\n")
    lines = card.removesuffix("NOTES\n").splitlines()
    assert without_export(lines) == without_export(above.splitlines())
    assert "## Known failures" in notes


def test_a_bundle_that_detects_nothing_says_that_it_does_not_warn():
    check = {"iou": 0.8, "dice": 0.9, "agreement": 1.0, "logits_error": 1e-6, "iou_torch": 0.8}
    quality = {"data": "d", "split": "test", "images": 3, "fields_of_view": 0}
    plain = manifest(quality=quality)
    plain.graphs[0].check.update(check)
    card = write_card("a", plain, SimpleNamespace(modality=None))
    assert "its answer means nothing, and it does not say so." in card
    assert "warns of images" not in card
