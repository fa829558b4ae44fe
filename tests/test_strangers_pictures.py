"""Pictures as strangers store them: each kind is decoded rightly, by a known answer, or refused; none turns black."""

import subprocess
import sys

import numpy as np
import pytest
from hostile import encode, png, png_chunk, write_hostile_files
from PIL import Image
from tiff_writer import CMYK, DEFLATE, GREY, GREY_WHITE_IS_ZERO, LAB, RGB, YCBCR, tiff

from fashion_style.decoding.depth import deep_to_uint8
from fashion_style.decoding.tiff import LIBTIFF_IS_SILENT
from fashion_style.errors import PictureError
from fashion_style.images import open_picture

HEIGHT, WIDTH = 20, 37  # odd, and no multiple of a tile
RAMP = np.add.outer(np.arange(HEIGHT) / (HEIGHT - 1), np.arange(WIDTH) / (WIDTH - 1)) / 2  # 0 to 1
COLOURS = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]])
MANNERS = [
    dict(order=order, compression=compression, tile=tile, rows=rows)
    for order in "<>"
    for compression in (1, DEFLATE)
    for tile, rows in ((None, None), (None, 7), (16, None))
]


def in_type(unit, dtype, top):
    """Values in [0, 1] as whole numbers up to `top`."""
    return np.round(unit * top).astype(dtype)


def opens_as(data, unit, *, apart=1.0):
    """Whether a file shows the picture `unit`, (H, W) or (H, W, 3) in [0, 1], to within `apart` of 255."""
    shown = open_picture(data).astype(float)
    unit = np.repeat(unit[..., None], 3, axis=2) if unit.ndim == 2 else unit
    return shown.shape == unit.shape and np.abs(shown - 255 * unit).max() <= apart


def refused(source, words):
    """Whether a source is refused with these words and a remedy."""
    with pytest.raises(PictureError, match=words) as caught:
        open_picture(source)
    assert caught.value.remedy
    return True


# --- grey of more than 8 bits
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [1, DEFLATE])
@pytest.mark.parametrize("rows", [None, 7])
def test_12_bits(compression, rows):
    values = in_type(RAMP, np.uint16, 4095)
    assert opens_as(
        tiff(values, bits=12, compression=compression, rows=rows), np.round(values / 4095 * 255) / 255, apart=0
    )


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("photometric", [GREY, GREY_WHITE_IS_ZERO])
def test_16_bits(manner, photometric):
    values = in_type(RAMP, np.uint16, 65535)
    stored = 65535 - values if photometric == GREY_WHITE_IS_ZERO else values
    data = tiff(stored, photometric, **manner)
    try:
        opened = open_picture(data)
    except PictureError as error:
        assert photometric == GREY_WHITE_IS_ZERO and manner["order"] == ">" and "TIFF" in str(error)
    else:
        assert np.abs(opened - values[..., None] / 257).max() <= (0.5 if photometric == GREY else 1)


def test_16_bits_signed():
    assert opens_as(tiff(in_type(RAMP, np.int16, 32767)), RAMP)
    assert refused(tiff(in_type(RAMP, np.int16, 32767) - np.int16(5)), "its values run from -5")


def test_8_bits_signed_is_refused():
    assert refused(tiff(in_type(RAMP, np.int8, 127)), "signed values of 8 bits")


@pytest.mark.parametrize(
    "dtype, top", [(np.uint32, 2**32 - 1), (np.int32, 2**31 - 1), (np.uint32, 65535), (np.int32, 65535)]
)
def test_32_bits(dtype, top):
    assert opens_as(tiff(in_type(RAMP, dtype, top)), RAMP)


def test_32_bits_of_another_order_are_right_or_refused():
    data = tiff(in_type(RAMP, np.uint32, 2**32 - 1), order=">")
    try:
        open_picture(data)
    except PictureError:
        return
    assert opens_as(data, RAMP)


@pytest.mark.parametrize("compression", [1, DEFLATE])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_signed_of_both_orders(dtype, compression):
    for order in "<>":
        assert opens_as(tiff(in_type(RAMP, dtype, np.iinfo(dtype).max), order=order, compression=compression), RAMP)


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("photometric", [GREY, GREY_WHITE_IS_ZERO])
@pytest.mark.parametrize("top", [1, 255])
def test_floats(manner, photometric, top):
    values = np.float32(1 - RAMP if photometric == GREY_WHITE_IS_ZERO else RAMP) * top
    assert opens_as(tiff(values, photometric, **manner), RAMP)


def test_floats_that_a_resize_took_beyond_1():
    values = np.float32(RAMP * 1.02 - 0.01)
    assert opens_as(tiff(values), np.clip(values, 0, 1))


@pytest.mark.parametrize(
    "values",
    [
        in_type(RAMP, np.uint16, 4095),  # 12 bits in 16
        in_type(RAMP, np.uint16, 255),
        in_type(RAMP, np.uint32, 70_000),
        in_type(RAMP, np.int32, 70_000),
        in_type(RAMP, np.int32, 255),
        np.float32(RAMP * 1.2),
        np.float32(RAMP * 10),
        np.float32(RAMP * 0.03),
    ],
    ids=lambda values: f"{values.dtype} to {values.max():g}",
)
def test_what_would_be_black_is_refused(values):
    assert refused(tiff(values), "where .* would be white")
    if values.dtype.kind == "u":
        assert refused(values, "where .* would be white")
    assert refused(Image.fromarray(values.astype(np.int32) if values.dtype == np.uint32 else values), "would be white")


@pytest.mark.parametrize("dtype, least, most", [(np.uint16, 0, 4095), (np.uint16, 64, 1023), (np.float32, 0.0, 4.0)])
def test_a_range_that_the_file_names(dtype, least, most):
    values = (least + RAMP * (most - least)).round(3).astype(dtype)
    letter = "f" if dtype == np.float32 else "H"
    named = ((340, letter, [least]), (341, letter, [most]))
    assert opens_as(tiff(values, tags=named), (values - least) / (most - least))
    assert refused(tiff(values, tags=((341, letter, [dtype(most / 2)]),)), "but the file says 0 to")


def test_black_all_over_is_a_picture():
    for values in (np.zeros((4, 4), np.uint16), np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)):
        assert (open_picture(tiff(values)) == 0).all()


def test_arrays_of_whole_numbers():
    for dtype, top in ((np.uint16, 65535), (np.uint32, 65535), (np.uint32, 2**31 - 1), (np.uint32, 2**32 - 1)):
        assert np.abs(open_picture(in_type(COLOURS, dtype, top)) - 255 * COLOURS).max() <= 1
    assert refused(in_type(COLOURS, np.uint16, 1023), "would be white")


def test_what_was_right_is_the_same_to_the_bit():
    deep = np.arange(65536, dtype=np.uint16)
    assert (deep_to_uint8("deep", deep) == np.round(deep.astype(np.float64) * (255 / 65535)).astype(np.uint8)).all()
    for top in (1.0, 255.0):
        floats = np.linspace(0, top, 100_001).astype(np.float32)
        old = np.round(floats.astype(np.float64) * (255.0 / top)).astype(np.uint8)
        assert (deep_to_uint8("floats", floats) == old).all()
    large = np.linspace(0, 2**31 - 1, 100_001).astype(np.int32)
    assert (deep_to_uint8("large", large) == np.round(large.astype(np.float64) * (255.0 / (2.0**31 - 1)))).all()


# --- colours
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype, top", [(np.uint8, 255), (np.uint16, 65535)])
def test_rgb(manner, planar, dtype, top):
    assert opens_as(tiff(in_type(COLOURS, dtype, top), RGB, planar=planar, **manner), COLOURS)


@pytest.mark.parametrize("manner", MANNERS[:3] + MANNERS[-3:], ids=str)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype, top", [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("kind", [1, 2])  # multiplied, not multiplied
def test_rgba(manner, planar, dtype, top, kind):
    opacity = np.clip(RAMP + 0.2, 0, 1)[..., None]
    stored = np.dstack([COLOURS * opacity if kind == 1 else COLOURS, opacity])
    data = tiff(in_type(stored, dtype, top), RGB, planar=planar, extra=(kind,), **manner)
    assert opens_as(data, COLOURS * opacity + 1 - opacity, apart=3)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("compression", [1, DEFLATE])
@pytest.mark.parametrize("dtype, top", [(np.uint8, 255), (np.uint16, 65535)])
def test_cmyk(planar, compression, dtype, top):
    ink = np.dstack([1 - COLOURS, np.zeros((HEIGHT, WIDTH))])
    assert opens_as(tiff(in_type(ink, dtype, top), CMYK, planar=planar, compression=compression), COLOURS)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_lab(planar, compression):
    """Five colours whose CIELAB (D50) is in every table: white, black, and three of sRGB's corners."""
    known = {(255, 255, 255): (100, 0, 0), (0, 0, 0): (0, 0, 0), (255, 0, 0): (54.29, 80.81, 69.89)}
    known |= {(0, 255, 0): (87.82, -79.29, 80.99), (0, 0, 255): (29.57, 68.30, -112.03)}
    lab = np.array([list(known.values())] * 4)
    stored = np.dstack([np.round(lab[..., 0] * 2.55), np.round(lab[..., 1:]).astype(np.int8).view(np.uint8)])
    data = tiff(stored.astype(np.uint8), LAB, planar=planar, compression=compression)
    if planar:
        assert refused(data, "plane by plane")
    else:
        assert np.abs(open_picture(data).astype(int) - np.array(list(known))).max() <= 24


def test_ycbcr():
    red = np.zeros((8, 8, 3), np.uint8) + np.uint8([76, 85, 255])
    for compression in (1, DEFLATE):
        data = tiff(red, YCBCR, compression=compression, tags=((530, "H", [1, 1]),))
        assert np.abs(open_picture(data).astype(int) - [254, 0, 0]).max() <= 2
    assert refused(tiff(red, YCBCR, tags=((530, "H", [2, 2]),)), "YCbCr")
    assert refused(tiff(red, YCBCR, planar=True, tags=((530, "H", [1, 1]),)), "plane by plane")


@pytest.mark.parametrize("photometric", [GREY, GREY_WHITE_IS_ZERO])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits(bits, photometric):
    values = in_type(RAMP, np.uint8, 2**bits - 1)
    stored = 2**bits - 1 - values if photometric == GREY_WHITE_IS_ZERO else values
    for rows in (None, 7):
        assert opens_as(tiff(stored, photometric, bits=bits, rows=rows), values / (2**bits - 1))


def test_dark_colours_of_16_bits_are_refused():
    dark = in_type(COLOURS, np.uint16, 1023)
    for planar in (False, True):
        assert refused(tiff(dark, RGB, planar=planar), "would be white")
        assert refused(tiff(dark, RGB, planar=planar, tags=((341, "H", [1023] * 3),)), "run from 0 to 1023")
    assert refused(tiff(dark // 8, RGB), "would be white")


@pytest.mark.parametrize(
    "values, photometric", [(np.float32(COLOURS), RGB), (np.float64(RAMP), GREY), (np.float16(RAMP), GREY)]
)
def test_kinds_that_are_not_read_are_called_by_their_name(values, photometric):
    assert refused(tiff(values, photometric), "this TIFF holds pixels of a kind that is not read here")


# --- PNG with one transparent shade
# -----------------------------------------------------------------------------------------------


def rows_of(values, bits):
    """Packed PNG rows, each with filter 0."""
    from tiff_writer import packed

    return b"".join(b"\0" + packed(row[None], bits, ">") for row in values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_shade_of_grey_is_white(bits):
    top = 2**bits - 1
    values = in_type(RAMP, np.uint16 if bits == 16 else np.uint8, top)
    key = int(values[3, 3])
    data = png(
        WIDTH, HEIGHT, rows_of(values, bits), bits=bits, colour=0, extra=png_chunk(b"tRNS", key.to_bytes(2, "big"))
    )
    expected = np.where(values == key, 1, values / top)
    assert (values == key).any() and opens_as(data, expected)


def test_a_transparent_16_bit_colour_is_refused():
    values = in_type(COLOURS, np.uint16, 65535)
    key = b"".join(int(value).to_bytes(2, "big") for value in values[0, 0])
    data = png(WIDTH, HEIGHT, rows_of(values, 16), bits=16, colour=2, extra=png_chunk(b"tRNS", key))
    assert refused(data, "one of its 16-bit colours as transparent")
    assert opens_as(png(WIDTH, HEIGHT, rows_of(values, 16), bits=16, colour=2), COLOURS)
    assert refused(png(WIDTH, HEIGHT, rows_of(values // 100, 16), bits=16, colour=2), "would be white")


# --- lines and memory
# -----------------------------------------------------------------------------------------------------------------

CHILD = """
import sys, threading
import fashion_style.images as images
from fashion_style.errors import PictureError

def read(part):
    for path in part:
        try: images.open_picture(path)
        except PictureError as error: errors.append(error)

errors, paths = [], sys.argv[1:]
if sys.platform == "linux":
    import resource
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2 * 2**30, -1))
threads = [threading.Thread(target=read, args=(paths[start::2],)) for start in range(2)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(len(errors))
memory = [str(error) for error in errors if "MemoryError" in str(error)]
print(*memory, sep="\\n")
"""


def torn_tiffs(folder):
    """Packed TIFFs with bytes changed, about which libtiff has much to say."""
    values = np.asarray(Image.effect_mandelbrot((96, 96), (-2, -1, 1, 1), 60).convert("RGB"))
    for number, packing in enumerate(("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits") * 3):
        data = bytearray(encode(Image.fromarray(values), "TIFF", compression=packing))
        begin = 10 + 20 * number
        data[begin : begin + 60] = bytes([255 - number] * 60)
        (folder / f"{packing}-{number}.tif").write_bytes(data)
    return sorted(folder.iterdir())


@pytest.mark.skipif(not LIBTIFF_IS_SILENT, reason="libtiff's switch cannot be reached in this build of Pillow")
def test_libtiff_says_nothing_on_the_terminal(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, torn_tiffs(tmp_path))], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) >= 6 and done.stderr == ""


def test_hostile_files_stay_within_two_gigabytes(tmp_path):
    files = [str(file.path) for file in write_hostile_files(tmp_path)]
    done = subprocess.run([sys.executable, "-c", CHILD, *files], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and done.stderr == "", done.stderr[-2000:]
    assert done.stdout.split("\n")[1] == "", done.stdout


def test_the_largest_pictures_stay_within_two_gigabytes(tmp_path):
    """Just below 40 million pixels, in the modes that take most: deep, floats, transparent, planar."""
    height, width = 5000, 7990
    row = np.linspace(0, 65535, width).astype(np.uint16)
    for name, depth, colour, data in (
        ("grey16", 16, 0, (b"\0" + row.astype(">u2").tobytes()) * height),
        ("rgba", 8, 6, (b"\0" + np.repeat((row // 257).astype(np.uint8), 4).tobytes()) * height),
    ):
        (tmp_path / f"{name}.png").write_bytes(png(width, height, data, bits=depth, colour=colour))
    floats = np.broadcast_to(np.float32(row / 65535), (height, width))
    (tmp_path / "floats.tif").write_bytes(tiff(floats, compression=DEFLATE, rows=50))
    for path in sorted(tmp_path.iterdir()):
        done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, timeout=300)
        assert done.stdout.split() == ["0"] and done.stderr == "", (path.name, done.stdout, done.stderr[-500:])
