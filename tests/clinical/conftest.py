"""A study of every kind of image, and a network that finds what is bright."""

import pytest

from bmis.clinical.run import write_study
from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.study import find_stacks
from bmis.predict.predictor import Predictor
from helpers import dicoms
from helpers.fakes import Brightness, info


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Photograph, X-rays, clips, a series, an enhanced file and a volume in one folder."""
    root = tmp_path_factory.mktemp("study")
    dicoms.write_photo(root / "skin.dcm")
    dicoms.write_xray(root / "dx.dcm")
    dicoms.write_xray(root / "cr.dcm", modality="CR", photometric="MONOCHROME2")
    dicoms.write_clip(root / "us.dcm")
    dicoms.write_endoscopy(root / "deep" / "es")
    dicoms.write_ct(root / "ct")
    dicoms.write_enhanced(root / "enhanced.dcm")
    dicoms.write_nifti(root / "volume.nii.gz")
    return root


@pytest.fixture
def predict(tmp_path):
    """Predict sources by brightness; the results and their folder."""

    def run(*sources, classes=2, outputs=("seg", "csv"), spacing=None, overlay=False, **options):
        options = ClinicalOptions(outputs=outputs, **options)
        probabilities = options.seg_type == "fractional"
        network = info(classes, size=(32, 32), resize="native")
        predictor = Predictor(Brightness(classes), network, keep_probabilities=probabilities)
        found = find_stacks(list(sources), window=options.shown, axis=options.axis)
        out = tmp_path / "out"
        done = write_study(
            predictor, found, out, model="b", options=options, spacing=spacing, overlay=overlay
        )
        return done, out

    return run
