"""What is read of clinical images and how, and what is written of their masks."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from bmis.config import Settings
from bmis.config.checks import one_of
from bmis.errors import ConfigError

DICOM_FORMATS = ("seg", "sr", "sc")
FORMATS = (*DICOM_FORMATS, "nifti", "tiff", "png", "csv", "json")
_ROOT = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_LONGEST_ROOT = 40  # characters; a UID has 64, and 24 digits are left for what it names


@dataclass(frozen=True)
class ClinicalOptions(Settings):
    """What is read of clinical images and how, and what is written of their masks.

    Example:
        >>> ClinicalOptions(window="40,400").shown
        (40.0, 400.0)
        >>> ClinicalOptions(outputs=("sr",))
        Traceback (most recent call last):
        bmis.errors.ConfigError: sr refers to the segments of seg; ask for both: seg,sr
    """

    outputs: Annotated[
        tuple[Annotated[str, one_of("auto", *FORMATS)], ...],
        Meta(
            description="For DICOM, NIfTI and TIFF of several pages, what to write: seg, sr and sc "
            "(DICOM segmentation, structured report, overlay as secondary capture), nifti, tiff, "
            "png, csv, json (outlines); auto is seg,csv for DICOM, nifti,csv for NIfTI and "
            "tiff,csv for TIFF."
        ),
    ] = ("auto",)
    seg_type: Annotated[
        str,
        one_of("binary", "fractional", "labelmap"),
        Meta(description="Kind of the DICOM segmentation."),
    ] = "binary"
    window: Annotated[
        str,
        Meta(
            description="Greys that become black and white: file (the window in the DICOM file, "
            "else percentiles), percentiles, or CENTRE,WIDTH."
        ),
    ] = "file"
    axis: Annotated[
        str,
        one_of("axial", "coronal", "sagittal"),
        Meta(description="How NIfTI volumes are cut into slices."),
    ] = "axial"
    deidentify: Annotated[
        bool,
        Meta(
            description="Write copies of DICOM images without their patient (PS3.15, basic "
            "profile) into deidentified/, and results that refer to these. Pixels stay."
        ),
    ] = False
    uid_root: Annotated[
        str, Meta(description="Root of your organisation for the UIDs of new DICOM objects.")
    ] = "2.25"
    codes: Annotated[
        dict[str, Any],
        Meta(
            description="Code of a class in DICOM, such as polyp=SCT:68496003:Polyp of colon; may "
            "be repeated."
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every value, and that they go together."""
        super().__post_init__()
        if "sr" in self.outputs and "seg" not in self.outputs:
            raise ConfigError("sr refers to the segments of seg; ask for both: seg,sr")
        if "sr" in self.outputs and self.seg_type == "labelmap":
            raise ConfigError("sr refers to single segments, which a labelmap has not; take binary")
        if not _ROOT.fullmatch(self.uid_root) or len(self.uid_root) > _LONGEST_ROOT:
            raise ConfigError(
                f"uid_root must be numbers with dots, {_LONGEST_ROOT} characters at most, got "
                f"{self.uid_root!r}"
            )
        for name, code in self.codes.items():
            if not isinstance(code, str) or len(code.split(":", 2)) != 3:
                raise ConfigError(f"the code of {name} must be SCHEME:VALUE:MEANING, got {code!r}")
        _ = self.shown

    @property
    def shown(self) -> str | tuple[float, float]:
        """The window: "file", "percentiles", or centre and width."""
        if self.window in ("file", "percentiles"):
            return self.window
        try:
            centre, width = (float(part) for part in self.window.split(","))
        except ValueError:
            centre, width = 0.0, 0.0
        if not (0 < width < 1e9 and abs(centre) < 1e9):
            raise ConfigError(
                f"window must be file, percentiles or CENTRE,WIDTH such as 40,400, got "
                f"{self.window!r}"
            )
        return centre, width
