"""Pixels of DICOM as a viewer shows them: every kind of greys and colours, windows, codecs."""

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from bmis.data.formats import dicom_pixels
from bmis.data.formats.codestream import jpeg_size
from bmis.data.formats.dicom import read_dicom
from bmis.data.formats.dicom_pixels import read_frame
from bmis.errors import DataError, MissingExtraError
from helpers import dicoms
from helpers.fakes import hide

RAMP = np.arange(64, dtype=np.int16).reshape(8, 8)


def write(path, array, *, photometric="MONOCHROME2", bits=None, **values):
    ds = dicoms.base("1.2.840.10008.5.1.4.1.1.7", "OT")
    dicoms.set_pixels(ds, array, photometric=photometric, bits=bits)
    for name, value in values.items():
        setattr(ds, name, value)
    return read_dicom(dicoms.save(ds, path))


def test_eight_bits_stay_as_they_are_and_monochrome1_is_inverted(tmp_path):
    ramp = RAMP.astype(np.uint8) * 4
    plain = read_frame(write(tmp_path / "a.dcm", ramp))
    np.testing.assert_array_equal(plain[..., 0], ramp)
    inverted = read_frame(write(tmp_path / "b.dcm", ramp, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(inverted[..., 0], 255 - ramp)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_of_the_file_after_its_rescale(tmp_path, function):
    window = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function}
    file = write(tmp_path / "a.dcm", RAMP * 16, RescaleSlope=1, RescaleIntercept=-400, **window)
    values = RAMP * 16.0 - 400
    expected = {
        "LINEAR": (values - 39.5) / 399 + 0.5,
        "LINEAR_EXACT": (values - 40) / 400 + 0.5,
        "SIGMOID": 1 / (1 + np.exp(-4 * (values - 40) / 400)),
    }[function]
    shown = np.rint(np.clip(expected, 0, 1) * 255)
    np.testing.assert_allclose(read_frame(file)[..., 0], shown, atol=1)
    given = read_frame(file, window=(0.0, 100.0))[..., 0]
    assert given[values <= -50].max() == 0
    assert given[values >= 50].min() == 255
    assert read_frame(file, window="percentiles").max() == 255


def test_signed_twelve_bits_and_padding(tmp_path):
    signed = RAMP * 20 - 640
    signed[0, 0] = -2000
    file = write(tmp_path / "a.dcm", signed, PixelPaddingValue=-2000)
    shown = read_frame(file)[..., 0]
    assert shown[0, 0] == shown[0, 1] == 0  # the padding does not take part in the percentiles
    assert shown[7, 7] == 255
    assert 120 < shown[4, 0] < 135


def test_a_table_for_the_greys(tmp_path):
    from pydicom import Dataset
    from pydicom.sequence import Sequence

    table = Dataset()
    table.LUTDescriptor = [64, 0, 8]
    table.add_new("LUTData", "US", list(range(255, -1, -4)))
    file = write(tmp_path / "a.dcm", RAMP.astype(np.uint8), VOILUTSequence=Sequence([table]))
    np.testing.assert_array_equal(read_frame(file)[..., 0], 255 - 4 * RAMP)


def test_palettes_are_expanded(tmp_path):
    lut = {}
    for name, values in zip(("Red", "Green", "Blue"), ((0, 255), (10, 20), (7, 9)), strict=True):
        lut[f"{name}PaletteColorLookupTableDescriptor"] = [2, 0, 16]
        data = np.array(values, np.uint16) * 257
        lut[f"{name}PaletteColorLookupTableData"] = data.astype("<u2").tobytes()
    indices = (RAMP % 2).astype(np.uint8)
    file = write(tmp_path / "a.dcm", indices, photometric="PALETTE COLOR", **lut)
    assert read_frame(file)[0, :2].tolist() == [[0, 10, 7], [255, 20, 9]]


def test_ybr_becomes_rgb_once(tmp_path):
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:] = (200, 40, 90)
    stream = BytesIO()
    Image.fromarray(colours).save(stream, "JPEG", quality=95, subsampling=0)
    ds = dicoms.base("1.2.840.10008.5.1.4.1.1.7", "OT")
    dicoms.set_pixels(ds, colours)
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    shown = read_frame(read_dicom(dicoms.save(ds, tmp_path / "a.dcm")))
    np.testing.assert_allclose(shown, colours, atol=3)


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian]
)
def test_compressed_frames_are_the_same(tmp_path, syntax):
    path = dicoms.write_clip(tmp_path / "a.dcm")
    plain = [read_frame(read_dicom(path), k) for k in range(3)]
    ds = dcmread(path)
    if syntax == DeflatedExplicitVRLittleEndian:
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        ds.compress(syntax, generate_instance_uid=False)
    ds.save_as(path)
    file = read_dicom(path)
    for index in range(3):
        np.testing.assert_array_equal(read_frame(file, index), plain[index])


def test_lossless_jpeg_is_what_was_stored():
    """A file of pydicom with bars of known colours."""
    bars = read_frame(read_dicom(Path(get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))))[5::20, 50]
    assert bars.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0] * 3, [192] * 3]


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_frame_that_is_cut_off_is_refused_and_never_filled_up(tmp_path, syntax, share):
    path = dicoms.write_clip(tmp_path / "a.dcm", frames=1)
    ds = dcmread(path)
    stream = BytesIO()
    if syntax == JPEGBaseline8Bit:
        Image.fromarray(ds.pixel_array).save(stream, "JPEG", quality=95)
        frame = stream.getvalue()
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        ds.compress(syntax, generate_instance_uid=False)
        frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    for part, good in ((frame, True), (frame[: int(len(frame) * share) // 2 * 2], False)):
        ds.PixelData = encapsulate([part])
        ds["PixelData"].VR = "OB"
        file = read_dicom(dicoms.save(ds, path))
        if good:
            assert read_frame(file).shape == (64, 80, 1)
            continue
        with pytest.raises(DataError, match="truncated or damaged"):
            read_frame(file)


def test_jpeg_of_twelve_bits_needs_a_decoder_that_is_named(monkeypatch):
    file = read_dicom(Path(get_testdata_file("JPGExtended.dcm")))
    monkeypatch.setattr(dicom_pixels, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"JPEG of 12 bits; .*pip install pylibjpeg-libjpeg"):
        read_frame(file)


def test_without_gdcm_the_install_line_is_said(tmp_path, monkeypatch):
    hide(monkeypatch, "gdcm")
    path = dicoms.write_clip(tmp_path / "a.dcm", frames=1)
    ds = dcmread(path)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    ds.save_as(path)
    with pytest.raises(MissingExtraError, match=r"clinical"):
        read_frame(read_dicom(path))


def test_jpeg_gives_the_pixels_that_gdcm_gives(tmp_path, monkeypatch):
    file = read_dicom(dicoms.write_jpeg(tmp_path / "a.dcm"))
    shown = read_frame(file)
    monkeypatch.setattr(dicom_pixels, "_decoder", lambda file: "gdcm")
    np.testing.assert_array_equal(shown, read_frame(file))


def test_jpeg_that_ends_early_is_refused_and_never_filled_up(tmp_path):
    path = dicoms.write_jpeg(tmp_path / "a.dcm")
    ds = dcmread(path)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([frame[: len(frame) // 4 * 2] + b"\xff\xd9"])
    ds.save_as(path)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_frame(read_dicom(path))


def test_a_frame_that_claims_another_size_is_refused_before_it_is_decoded(tmp_path):
    path = dicoms.write_clip(tmp_path / "a.dcm", frames=1)
    ds = dcmread(path)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    at = ds.PixelData.index(b"\xff\x4f\xff\x51")
    data = bytearray(ds.PixelData)
    data[at + 8 : at + 12] = (60000).to_bytes(4, "big")
    ds.PixelData = bytes(data)
    ds.save_as(path)
    with pytest.raises(DataError, match="its compressed frame 64 x 60000"):
        read_frame(read_dicom(path))


@pytest.fixture
def boxed(tmp_path):
    """A clip of one frame, and that frame as a JP2 file."""
    path = dicoms.write_clip(tmp_path / "a.dcm", frames=1)
    ds, stream = dcmread(path), BytesIO()
    plain = read_frame(read_dicom(path))
    Image.fromarray(ds.pixel_array).save(stream, "JPEG2000")
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless

    def read(frame):
        ds.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
        ds["PixelData"].VR = "OB"
        return read_frame(read_dicom(dicoms.save(ds, path)))

    return plain, stream.getvalue(), read


def test_jpeg_2000_in_the_boxes_of_a_file_is_read(boxed):
    plain, frame, read = boxed
    assert b"jp2c" in frame
    np.testing.assert_array_equal(read(frame), plain)


def test_a_box_without_a_length_is_refused_and_not_read_for_ever(boxed):
    _, frame, read = boxed
    at = frame.index(b"jp2h")
    with pytest.raises(DataError, match="damaged"):
        read(frame[: at - 4] + bytes(4) + frame[at:])


def test_the_size_that_a_frame_in_boxes_claims_is_checked_too(boxed):
    _, frame, read = boxed
    at = frame.index(b"\xff\x4f\xff\x51") + 8
    with pytest.raises(DataError, match="its compressed frame 64 x 60000"):
        read(frame[:at] + (60000).to_bytes(4, "big") + frame[at + 4 :])


def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch):
    from bmis.data.formats import dicom

    path = dicoms.write_clip(tmp_path / "a.dcm")
    ds = dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    monkeypatch.setattr(dicom, "MAX_BYTES", 5000)
    with pytest.raises(DataError, match="once inflated"):
        read_dicom(path)
    assert zlib.MAX_WBITS == 15


def test_sixteen_bit_colours_keep_their_upper_eight(tmp_path):
    colours = np.full((8, 8, 3), 0xABCD, np.uint16)
    assert read_frame(write(tmp_path / "a.dcm", colours)).max() == 0xAB


def test_sizes_of_codestreams():
    stream = BytesIO()
    Image.new("L", (30, 20)).save(stream, "JPEG")
    assert jpeg_size(stream.getvalue()) == (20, 30)
    assert jpeg_size(b"\xff\xd8\xff\xd9") is None


@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_without_transfer_syntax_is_read_as_its_elements_are(tmp_path, implicit):
    ds = dcmread(write(tmp_path / "a.dcm", RAMP.astype(np.uint8)).path)
    del ds.file_meta
    path = tmp_path / "old.dcm"
    ds.save_as(path, implicit_vr=implicit, little_endian=True)
    np.testing.assert_array_equal(read_frame(read_dicom(path))[..., 0], RAMP)
