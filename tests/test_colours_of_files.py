"""Colour profiles and opacity of picture files: sRGB on reading, sRGB named on writing, opacity kept to the bit."""

import io
import itertools
import os
import pathlib
import struct
import threading
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hostile import encode, png_chunk
from icc_writer import (
    ADOBE,
    P3,
    PROPHOTO,
    SRGB,
    grey_profile,
    ink_lab,
    matrix_profile,
    press_profile,
    stored_in,
    table_lab,
)
from PIL import Image, ImageCms
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from fashion_style.decoding.layers import Layers
from fashion_style.decoding.named_colours import code_points
from fashion_style.decoding.profiles import SRGB_PROFILE
from fashion_style.images import encode_picture, open_layers, open_picture, read_picture, save_picture
from fashion_style.reading.picture_file import read_picture_file

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
STEPS = np.linspace(0, 1, 12)
CUBE = np.stack(np.meshgrid(STEPS, STEPS, STEPS, indexing="ij"), axis=-1).reshape(36, 48, 3)  # sRGB, in [0, 1]
SHIRT = np.uint8(np.random.default_rng(3).integers(0, 256, (20, 30, 3)))
ALPHA_OF_CUBE = np.uint8(np.random.default_rng(5).integers(0, 256, CUBE.shape[:2]))
ALPHA = np.uint8(np.random.default_rng(4).integers(0, 256, (20, 30)))


def difference(shown, unit):
    """Mean and largest dE2000 between uint8 sRGB and sRGB in [0, 1]."""
    apart = deltaE_ciede2000(rgb2lab(shown / 255), rgb2lab(unit))
    return apart.mean(), apart.max()


def bytes_of(unit, profile, file_format="PNG", **options):
    """A file of pixels in [0, 1] with a profile."""
    image = Image.fromarray(np.round(unit * 255).astype(np.uint8))
    return encode(image, file_format, icc_profile=profile, **options)


# --- profiles
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize(
    "space, gamma, most", [(P3, None, 1.5), (ADOBE, 563 / 256, 1.5), (PROPHOTO, 1.8, 3.0), (SRGB, 2.2, 1.5)]
)
def test_a_profile_gives_the_colours_back(space, gamma, most, version):
    data = bytes_of(stored_in(space, gamma, CUBE), matrix_profile(space, gamma, version=version))
    mean, _ = difference(open_picture(data), CUBE)
    without, _ = difference(np.asarray(Image.open(io.BytesIO(data))), CUBE)
    assert mean <= most and mean < without, (mean, without)


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF", "WEBP", "PNG"])
def test_profiles_of_all_formats(file_format):
    options = dict(JPEG=dict(quality=100, subsampling=0), WEBP=dict(lossless=True)).get(file_format, {})
    data = bytes_of(stored_in(P3, None, CUBE), matrix_profile(P3), file_format, **options)
    assert difference(open_picture(data), CUBE)[0] <= 1.5


def test_16_bits_with_a_profile():
    stored = np.round(stored_in(P3, None, CUBE) * 65535).astype(np.uint16)
    plain = cv2.imencode(".png", stored[..., ::-1])[1].tobytes()
    place = plain.index(b"IDAT") - 4
    data = plain[:place] + png_chunk(b"iCCP", b"p3\0\0" + zlib.compress(matrix_profile(P3))) + plain[place:]
    assert difference(open_picture(data), CUBE)[0] <= 1.5


@pytest.mark.parametrize("profile", [SRGB_PROFILE, matrix_profile(SRGB), matrix_profile(SRGB, version=4)])
def test_srgb_changes_no_pixel(profile):
    assert (open_picture(encode(Image.fromarray(SHIRT), "PNG", icc_profile=profile)) == SHIRT).all()
    assert (open_picture(encode(Image.fromarray(SHIRT), "PNG")) == SHIRT).all()


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey(gamma):
    ramp = np.tile(np.linspace(0.02, 1, 64), (4, 1))
    light = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    deep = np.round(light ** (1 / gamma) * 65535).astype(np.uint16)
    for stored in (deep, (deep // 257).astype(np.uint8))[: 1 if gamma == 1 else 2]:  # 8 linear bits show steps
        shown = open_picture(encode(Image.fromarray(stored), "PNG", icc_profile=grey_profile(gamma)))
        assert (
            np.ptp(shown.astype(int), axis=2).max() <= 1
            and difference(shown, np.repeat(ramp[..., None], 3, 2))[0] <= 1.5
        )


def test_grey_and_palette_pictures_with_a_profile_of_colours():
    grey = Image.fromarray(SHIRT).convert("L")
    assert (
        np.abs(open_picture(encode(grey, "PNG", icc_profile=matrix_profile(P3)))[..., 0].astype(int) - grey).max() <= 1
    )
    red = np.zeros((4, 4, 3)) + (0.9, 0.2, 0.15)
    palette = Image.fromarray(np.round(stored_in(P3, None, red) * 255).astype(np.uint8)).quantize(4)
    assert difference(open_picture(encode(palette, "PNG", icc_profile=matrix_profile(P3))), red)[0] <= 1.5


def test_opacity_is_not_touched_by_a_profile():
    layers = Image.fromarray(np.dstack([SHIRT, ALPHA]))
    opened = open_layers(encode(layers, "PNG", icc_profile=matrix_profile(P3)))
    assert (opened.alpha == ALPHA).all() and (opened.colours != SHIRT).any()
    alone = open_layers(encode(Image.fromarray(SHIRT), "PNG", icc_profile=matrix_profile(P3)))
    assert (opened.colours == alone.colours).all()


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        matrix_profile(P3)[:200],
        matrix_profile(P3)[:128] + bytes(400),
        b"\0" * 3000,
        grey_profile(2.2),  # of grey, in a picture with colours
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
    ids=["text", "cut", "zeros", "only zeros", "grey", "Lab"],
)
def test_a_broken_profile_is_said_and_ignored(profile):
    with pytest.warns(UserWarning, match="colour profile cannot be used and is ignored"):
        assert (open_picture(encode(Image.fromarray(SHIRT), "TIFF", icc_profile=profile)) == SHIRT).all()


def test_threads_share_a_profile():
    data = bytes_of(stored_in(P3, None, CUBE), matrix_profile(P3))
    alone, together = open_picture(data), []
    threads = [threading.Thread(target=lambda: together.append(open_picture(data))) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert len(together) == 8 and all((picture == alone).all() for picture in together)


def test_inks_through_a_profile_that_the_test_builds():
    """Solid inks and their halves, as a table of sixteen overprints says; white is white, and black becomes black."""
    names = {"none": (0, 0, 0, 0), "cyan": (1, 0, 0, 0), "magenta": (0, 1, 0, 0)}  # yellow is beyond sRGB
    names |= {"red": (0, 1, 1, 0), "green": (1, 0, 1, 0), "half grey": (0, 0, 0, 0.5), "half red": (0, 0.5, 0.5, 0)}
    for name, inks in names.items():
        stored = Image.new("CMYK", (8, 8), tuple(round(255 * ink) for ink in inks))
        solids = np.array(list(itertools.product((0, 1), repeat=4)))
        shares = np.prod(np.where(solids, inks, 1 - np.array(inks)), axis=1)
        lab = shares @ np.array([ink_lab(row) for row in solids])
        for data in (
            encode(stored, "TIFF", icc_profile=press_profile()),
            encode(stored, "JPEG", quality=100, icc_profile=press_profile()),
        ):
            apart = deltaE_ciede2000(rgb2lab(open_picture(data)[4, 4] / 255), lab)
            assert apart <= 4, (name, apart, lab)
    black = encode(Image.new("CMYK", (8, 8), (255, 255, 255, 255)), "TIFF", icc_profile=press_profile())
    assert open_picture(black).max() <= 12


def test_inks_through_the_press_profile():
    """The profile of a real press: what its table says of inks that a screen can show, and not ignored."""
    path = SHARED / "cases" / "11_print_cmyk.jpg"
    if not path.is_file():
        pytest.skip(f"needs the profile in {path}")
    with Image.open(path) as image:
        press, stored = image.info["icc_profile"], image.convert("RGB")
    assert np.abs(np.int16(read_picture_file(path).pixels) - np.asarray(stored)).mean() > 5
    inks = np.array(list(itertools.product(np.linspace(0, 1, 6), repeat=4)))
    lab = table_lab(press, inks)
    shown = (lab[:, 0] > 20) & (np.abs(rgb2lab(lab2rgb(lab)) - lab).max(axis=1) < 1)
    image = Image.fromarray(np.round(inks.reshape(36, 36, 4) * 255).astype(np.uint8), "CMYK")
    data = encode(image, "TIFF", icc_profile=press)
    apart = deltaE_ciede2000(rgb2lab(open_picture(data) / 255).reshape(-1, 3), lab)[shown]
    assert shown.sum() > 200 and apart.mean() <= 4, (shown.sum(), apart.mean())
    with pytest.warns(UserWarning, match="ignored"):
        open_picture(encode(Image.fromarray(SHIRT), "PNG", icc_profile=press))


def test_what_is_written_names_srgb_and_is_the_same_each_time(tmp_path):
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        data = encode_picture(SHIRT, suffix)
        with Image.open(io.BytesIO(data)) as image:
            named = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(named)
        assert data == encode_picture(SHIRT, suffix)
        assert suffix == ".jpg" or (open_picture(data) == SHIRT).all()
    path = save_picture(SHIRT, tmp_path / "a.png", metadata={"seed": "3"})
    with Image.open(path) as image:
        assert image.text == {"seed": "3"} and image.info["icc_profile"] == SRGB_PROFILE


def test_version_0_1_0_knew_no_profile(tmp_path):
    path = tmp_path / "p3.png"
    path.write_bytes(bytes_of(stored_in(P3, None, CUBE), matrix_profile(P3)))
    file = read_picture_file(path)
    assert (file.plain_pixels == np.asarray(Image.open(path))).all() and (file.pixels != file.plain_pixels).any()


# --- colours named by a word
# --------------------------------------------------------------------------------------------------


def with_points(data, points, before=b"IDAT", size=None):
    """A PNG with the chunk cICP before another one, its size as it is or as claimed."""
    place = data.index(before) - 4
    chunk = png_chunk(b"cICP", points)
    chunk = chunk if size is None else struct.pack(">I", size) + chunk[4:]
    return data[:place] + chunk + data[place:]


@pytest.mark.parametrize(
    "profile", [None, SRGB_PROFILE, matrix_profile(ADOBE, 563 / 256)], ids=["none", "srgb", "adobe"]
)
def test_code_points_of_display_p3_go_before_a_profile(profile):
    data = bytes_of(stored_in(P3, None, CUBE), profile)
    assert difference(open_picture(data), CUBE)[0] > 1
    assert difference(open_picture(with_points(data, bytes((12, 13, 0, 1)))), CUBE)[0] <= 1.5
    plain = bytes_of(CUBE, profile)
    shown = open_picture(with_points(plain, bytes((1, 13, 0, 1))))
    assert (shown == np.round(CUBE * 255)).all(), "1, 13 is sRGB, whatever the profile says"


def test_code_points_in_pictures_of_other_depths_and_with_opacity():
    points = bytes((12, 13, 0, 1))
    deep = np.round(stored_in(P3, None, CUBE) * 65535).astype(np.uint16)
    data = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    assert difference(open_picture(with_points(data, points)), CUBE)[0] <= 1.5
    layered = encode(
        Image.fromarray(np.dstack([np.uint8(stored_in(P3, None, CUBE) * 255 + 0.5), ALPHA_OF_CUBE])), "PNG"
    )
    opened = open_layers(with_points(layered, points))
    assert (opened.alpha == ALPHA_OF_CUBE).all() and difference(opened.colours, CUBE)[0] <= 1.5
    ramp = encode(Image.fromarray(np.tile(np.uint8(range(0, 256, 5)), (4, 1))), "PNG")
    assert np.abs(open_picture(with_points(ramp, points)).astype(int) - open_picture(ramp)).max() <= 1


@pytest.mark.parametrize(
    "points", [bytes((9, 16, 0, 1)), bytes((1, 1, 0, 1)), bytes((12, 13, 0, 0)), b"", b"abc", b"abcdefghijkl"], ids=repr
)
def test_other_code_points_are_said_and_ignored(points):
    data = encode(Image.fromarray(SHIRT), "PNG")
    with pytest.warns(UserWarning, match="code points .*are ignored"):
        assert (open_picture(with_points(data, points)) == SHIRT).all()
    p3 = bytes_of(stored_in(P3, None, CUBE), matrix_profile(P3))
    with pytest.warns(UserWarning, match="are ignored"):
        assert difference(open_picture(with_points(p3, points)), CUBE)[0] <= 1.5, "then the profile counts"


def test_code_points_in_the_wrong_place_or_torn():
    data = encode(Image.fromarray(SHIRT), "PNG")
    assert (open_picture(with_points(data, bytes((12, 13, 0, 1)), before=b"IEND")) == SHIRT).all()
    assert code_points(with_points(data, b"1234", size=2**32 - 1)) is not None
    many = data[: data.index(b"IDAT") - 4] + png_chunk(b"teXt", b"") * 3000 + data[data.index(b"IDAT") - 4 :]
    assert code_points(with_points(many, bytes((12, 13, 0, 1)))) is None, "nobody walks through thousands of chunks"
    for cut in range(0, 60, 7):
        assert code_points(data[:cut]) is None


def exif_of(index="R03", space=0xFFFF):
    """EXIF bytes that name a colour space as cameras do."""
    exif = Image.Exif()
    part = exif.get_ifd(0x8769)
    part.update({0xA001: space} if space is not None else {})
    part[0xA005] = {1: index}
    return exif.tobytes()


OPTIONS = dict(JPEG=dict(quality=100, subsampling=0), WEBP=dict(lossless=True), PNG={})


@pytest.mark.parametrize("file_format", OPTIONS)
@pytest.mark.parametrize("exif", [exif_of(), exif_of(space=None)], ids=["uncalibrated", "no space"])
def test_exif_alone_names_adobe_rgb(file_format, exif):
    stored = stored_in(ADOBE, 563 / 256, CUBE)
    data = bytes_of(stored, None, file_format, exif=exif, **OPTIONS[file_format])
    assert difference(open_picture(data), CUBE)[0] <= 1.5
    assert difference(open_picture(bytes_of(stored, None, file_format, **OPTIONS[file_format])), CUBE)[0] > 1
    with Image.open(io.BytesIO(data)) as image:
        assert difference(open_picture(image), CUBE)[0] <= 1.5, "also from Pillow"


@pytest.mark.parametrize(
    "exif", [exif_of("R98"), exif_of(space=1), exif_of("R03")[:60], b"Exif\0\0II*\0" + bytes(40)], ids=range(4)
)
def test_exif_that_names_something_else_changes_nothing(exif):
    assert (open_picture(encode(Image.fromarray(SHIRT), "PNG", exif=exif)) == SHIRT).all()


def test_a_profile_goes_before_exif(tmp_path):
    data = encode(Image.fromarray(SHIRT), "PNG", exif=exif_of(), icc_profile=SRGB_PROFILE)
    assert (open_picture(data) == SHIRT).all()
    path = tmp_path / "shirt.png"
    path.write_bytes(with_points(encode(Image.fromarray(SHIRT), "PNG", exif=exif_of()), bytes((12, 13, 0, 1))))
    file = read_picture_file(path)
    assert (file.plain_pixels == SHIRT).all() and (file.pixels != SHIRT).any(), "version 0.1.0 knew neither"
    ink = Image.new("CMYK", (8, 8), (0, 200, 0, 0))
    assert (
        open_picture(encode(ink, "JPEG", quality=100, exif=exif_of())) == open_picture(encode(ink, "JPEG", quality=100))
    ).all()


def test_an_upright_picture_of_adobe_rgb():
    exif = Image.Exif()
    exif.load(exif_of())
    exif[0x0112] = 6
    data = bytes_of(stored_in(ADOBE, 563 / 256, CUBE), None, "JPEG", exif=exif.tobytes(), **OPTIONS["JPEG"])
    assert difference(open_picture(data), np.rot90(CUBE, -1))[0] <= 1.5


# --- opacity
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff"])
def test_opacity_survives_to_the_bit(suffix):
    opened = open_layers(encode_picture(SHIRT, suffix, alpha=ALPHA))
    assert (opened.alpha == ALPHA).all() and (opened.colours == SHIRT).all()


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".gif"])
def test_formats_without_opacity_say_so_and_lie_on_white(suffix):
    with pytest.warns(UserWarning, match="keeps no opacity"):
        data = encode_picture(np.zeros((8, 8, 3), np.uint8), suffix, alpha=np.zeros((8, 8), np.uint8))
    assert (open_picture(data) == 255).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_picture(SHIRT, suffix)


def test_an_opaque_channel_is_none():
    opened = open_layers(np.dstack([SHIRT, np.full((20, 30), 255, np.uint8)]))
    assert opened.alpha is None and (opened.colours == SHIRT).all() and (opened.on_white == SHIRT).all()


def test_on_white_is_what_it_was():
    """Bit for bit what Pillow's own composition gives, which the package used before it kept opacity apart."""
    layer = Image.fromarray(np.dstack([SHIRT, ALPHA]))
    before = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    assert (open_picture(encode(layer, "PNG")) == np.asarray(before)).all()
    assert (Layers(SHIRT, ALPHA).on_white == np.asarray(before)).all()
    assert read_picture(encode(layer, "PNG")).shape == (20, 30, 3)
