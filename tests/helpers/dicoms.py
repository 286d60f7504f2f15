"""Small DICOM and NIfTI files, drawn from the phantoms of the package.

Every patient is called Doe^Jane with the identifier PAT-1, so that a test can look for them.
"""

from io import BytesIO

import nibabel
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    VLPhotographicImageStorage,
)

from bmis import draw_phantom

SIZE, SLICE = (64, 64), (48, 64)
PATIENT = ("Doe^Jane", "PAT-1")
ROOT = "1.2.826.0.1.3680043.10.1"


def phantom(modality, size=SIZE, seed=0):
    """The pixels of a phantom, (H, W, 1 or 3) uint8."""
    return draw_phantom(modality, size=size, seed=seed)[0]


def base(sop_class, modality, *, series=1, instance=1):
    """A header with a patient, a study, a series and no pixels."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    uid = f"{ROOT}.{series}.{instance}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.PatientName, ds.PatientID = PATIENT
    ds.PatientBirthDate, ds.PatientSex = "19700101", "F"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.9", f"{ROOT}.{series}"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "A1", ""
    ds.StudyDate, ds.StudyTime = "20260102", "030405"
    ds.SeriesNumber, ds.InstanceNumber, ds.Modality = series, instance, modality
    ds.Manufacturer, ds.ImageType = "phantoms", ["ORIGINAL", "PRIMARY"]
    return ds


def set_pixels(ds, array, *, photometric="MONOCHROME2", bits=None, frames=None):
    """Pixels (H, W), (H, W, 3) or with frames first, of whole numbers."""
    colour = array.shape[-1] == 3 and array.ndim > 2
    ds.Rows, ds.Columns = array.shape[-3:-1] if colour else array.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, photometric)
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = array.dtype.itemsize * 8
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(array.dtype.kind == "i")
    if frames:
        ds.NumberOfFrames = frames
    data = array.tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    return ds


def save(ds, path):
    """Write a data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_photo(path, *, instance=1, seed=0, size=SIZE):
    """A photograph of skin."""
    ds = base(VLPhotographicImageStorage, "XC", series=2, instance=instance)
    return save(set_pixels(ds, phantom("dermoscopy", size, seed)), path)


def write_jpeg(path):
    """The same photograph as JPEG, its colours as YBR."""
    stream = BytesIO()
    Image.fromarray(phantom("dermoscopy")).save(stream, "JPEG", quality=95)
    ds = set_pixels(base(VLPhotographicImageStorage, "XC", series=2), phantom("dermoscopy"))
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return save(ds, path)


def write_xray(path, *, modality="DX", photometric="MONOCHROME1", size=SIZE):
    """A chest X-ray of 12 bits, 0.2 mm a pixel at the detector."""
    kind = (
        DigitalXRayImageStorageForPresentation
        if modality == "DX"
        else ComputedRadiographyImageStorage
    )
    ds = base(kind, modality, series=3 if modality == "DX" else 8)
    grey = phantom("xray", size)[..., 0].astype(np.uint16) * 16
    if photometric == "MONOCHROME1":
        grey = 4095 - grey
    ds.ImagerPixelSpacing = [0.2, 0.2]
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    return save(set_pixels(ds, grey, photometric=photometric, bits=12), path)


def write_clip(path, *, frames=3, regions=True, scale=1):
    """An ultrasound clip without a Frame of Reference; 0.05 mm across and 0.1 mm down."""
    ds = base(UltrasoundMultiFrameImageStorage, "US", series=4)
    side, top, left = 48 * scale, 8 * scale, 20 * scale
    pixels = np.stack([phantom("ultrasound", (side, side), seed) for seed in range(frames)])
    whole = np.zeros((frames, 64 * scale, 80 * scale), np.uint8)
    whole[:, top : top + side, left : left + side] = pixels[..., 0]
    ds.FrameTime, ds.FrameIncrementPointer = 40, 0x00181063
    if regions:
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
        region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = left + side - 1, top + side - 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX, region.PhysicalDeltaY = 0.005, 0.01
        ds.SequenceOfUltrasoundRegions = Sequence([region])
    return save(set_pixels(ds, whole, frames=frames), path)


def write_endoscopy(path, *, frames=3, size=SIZE):
    """A clip in colour, as a Secondary Capture of several frames."""
    ds = base(MultiFrameTrueColorSecondaryCaptureImageStorage, "ES", series=5)
    ds.ConversionType, ds.BurnedInAnnotation = "DV", "NO"
    ds.FrameTime, ds.FrameIncrementPointer = 40, 0x00181063
    pixels = np.stack([phantom("endoscopy", size, seed) for seed in range(frames)])
    return save(set_pixels(ds, pixels, frames=frames), path)


ROTATED = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)  # of rows and columns: a turned coronal plane


def slice_position(index, *, orientation=ROTATED, gap=3.0, origin=(10.0, 20.0, -30.0)):
    """Where the first pixel of a slice of ``write_ct`` lies, in mm."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array(origin) + index * gap * normal


def write_ct(
    folder,
    *,
    slices=4,
    orientation=ROTATED,
    gap=3.0,
    spacing=(0.5, 0.8),
    series=6,
    size=SLICE,
):
    """Slices in Hounsfield units, named in the reverse of their order."""
    for index in range(slices):
        ds = base(CTImageStorage, "CT", series=series, instance=index + 1)
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = f"{ROOT}.{series}.99", ""
        ds.ImageOrientationPatient = list(orientation)
        ds.ImagePositionPatient = [
            round(float(x), 6) for x in slice_position(index, orientation=orientation, gap=gap)
        ]
        ds.PixelSpacing, ds.SliceThickness = list(spacing), gap
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        ds.WindowCenter, ds.WindowWidth = [40, 400], [400, 1800]
        grey = phantom("ultrasound", size, index)[..., 0]
        save(set_pixels(ds, grey.astype(np.int16) * 4 + 700), folder / f"{slices - index}.dcm")
    return folder


def write_enhanced(path, *, frames=3, gap=3.0, spacing=(0.5, 0.8), size=SLICE):
    """An enhanced CT: what a series of slices holds, in the functional groups of one file."""
    ds = base(EnhancedCTImageStorage, "CT", series=7)
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = f"{ROOT}.7.99", ""
    shared, measures, plane, values = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing), gap
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([values])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for index in range(frames):
        group, position, window = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [10, 20, gap * index]
        window.WindowCenter, window.WindowWidth = 40, 400
        group.PlanePositionSequence = Sequence([position])
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    pixels = [phantom("ultrasound", size, seed)[..., 0] for seed in range(frames)]
    array = np.stack(pixels).astype(np.int16) * 4 + 700
    return save(set_pixels(ds, array, frames=frames), path)


def write_nifti(path, *, shape=(40, 48, 3), affine=None, dtype=np.int16):
    """A volume whose voxels are phantoms slice by slice."""
    if affine is None:
        affine = np.diag([-0.8, -0.5, 3.0, 1.0])
    stack = [phantom("ultrasound", shape[:2], k)[..., 0] for k in range(shape[2])]
    image = nibabel.Nifti1Image(np.stack(stack, axis=2).astype(dtype), affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path
