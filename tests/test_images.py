"""images: every good picture opens right, every bad one raises the one error, nothing written is ever lost."""

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter

import cv2
import numpy as np
import pytest
from hostile import COUNT, encode, sample, write_hostile_files
from PIL import Image, ImageCms

from fashion_style import images
from fashion_style.drawing.sheets import contact_sheet, tile_grid
from fashion_style.errors import FashionStyleError, PictureError
from fashion_style.images import (
    PICTURE_SUFFIXES,
    encode_picture,
    open_picture,
    read_picture,
    resize_picture,
    save_picture,
    show_pictures,
    to_float,
    to_uint8,
)

PICTURE = np.asarray(sample())
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]


# --- hostile files
# -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory):
    return write_hostile_files(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def alarm():
    """A file that makes us wait (a pipe, a device) fails the test instead of hanging it."""

    def ring(*_):
        raise BaseException("opening a hostile file took too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def outcome(path):
    """ "valid" or the text of the `PictureError`; anything else is raised and fails the test."""
    try:
        picture = open_picture(path)
    except PictureError as error:
        return str(error)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size
    return "valid"


def test_hostile_files(hostile_files, alarm):
    assert len({file.path for file in hostile_files}) == len(hostile_files) == COUNT
    counts = Counter(file.kind for file in hostile_files)
    assert set(counts) == {"truncated", "misnamed", "bomb", "odd", "deep", "newer", "noise", "no file", "flipped"}
    assert min(counts.values()) >= 10
    results = {file: outcome(file.path) for file in hostile_files}
    wrong = {
        file.path.name: result
        for file, result in results.items()
        if file.expected != "either" and (result == "valid") != (file.expected == "valid")
    }
    assert wrong == {}
    named = {file.path.name: result for file, result in results.items()}
    for name in ("pipe.jpg", "link-to-pipe.jpg", "link-to-device.png"):
        assert "not a regular file" in named[name]
    assert (
        "this is a folder" in named["folder.jpg"]
        and "0 bytes" in named["zero-bytes.png"]
        and "save it smaller" in named["giant.png"]
    )
    for file, result in results.items():
        if result != "valid":
            assert result.startswith(str(file.path) + ": ") and "\n" not in result and result.endswith(".")


def test_no_warning_of_pillow_reaches_the_user(hostile_files):
    """In a fresh Python (pytest changes the warning filters): nothing on stderr, for files that make Pillow warn."""
    code = (
        "import sys\nfrom fashion_style.errors import PictureError\nfrom fashion_style.images import open_picture\nfor"
        " path in sys.argv[1:]:\n    try: open_picture(path)\n    except PictureError: print('error')"
    )
    paths = [
        str(file.path)
        for file in hostile_files
        if file.path.name in ("bomb-warning.png", "torn-exif.jpg") or file.kind == "flipped"
    ]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "error" in done.stdout
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr


def test_hostile_bytes_behave_like_hostile_files(hostile_files, alarm):
    for file in hostile_files:
        if file.path.is_file() and file.path.stat().st_size < 1_000_000:
            assert (outcome(file.path.read_bytes()) == "valid") == (outcome(file.path) == "valid")


def test_hostile_files_in_threads(hostile_files, alarm):
    files = [file for file in hostile_files if file.kind in ("truncated", "bomb", "misnamed")]
    alone, together = [outcome(file.path) for file in files], {}
    threads = [
        threading.Thread(
            target=lambda part: together.update({i: outcome(files[i].path) for i in part}),
            args=(range(start, len(files), 4),),
        )
        for start in range(4)
    ]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert [together[index] for index in range(len(files))] == alone


@pytest.mark.parametrize(
    "source",
    [
        None,
        3,
        2.5,
        {},
        [],
        [[]],
        "a\0b",
        b"",
        bytearray(b"x"),
        memoryview(b"abc"),
        "",
        object(),
        np.zeros((3,)),
        np.zeros((0, 4, 3)),
        np.zeros((4, 4, 2)),
        np.full((4, 4, 3), 9.0),
        np.full((4, 4, 3), np.nan),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 3), complex),
        np.zeros((2, 4, 4, 3)),
        np.array(["a"]),
        np.zeros((4, 4, 3), bool),
        "x" * 5000,
    ],
)
def test_other_sources_raise_the_one_error(source):
    with pytest.raises(PictureError) as caught:
        open_picture(source)
    assert len(str(caught.value)) < 1000


def test_caps(tmp_path):
    path = save_picture(PICTURE, tmp_path / "a.png")
    with pytest.raises(PictureError, match="Resize the picture"):
        open_picture(path, max_pixels=40 * 56 - 1)
    with pytest.raises(PictureError, match="save it smaller"):
        open_picture(path, max_bytes=path.stat().st_size - 1)
    with pytest.raises(PictureError):
        open_picture(PICTURE, max_pixels=10)
    assert open_picture(path, max_pixels=40 * 56, max_bytes=path.stat().st_size).shape == (40, 56, 3)


def test_cap_is_checked_before_decoding(monkeypatch):
    """`load` must never run for a picture above the cap."""
    data = encode(Image.new("1", (3000, 3000)), "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    with pytest.raises(PictureError, match="pixels"):
        open_picture(data, max_pixels=1_000_000)


def test_error_is_one_line_picklable_and_of_the_family():
    error = PictureError("a\nb\x1b[31m", "reason.", "Remedy.")
    assert isinstance(error, FashionStyleError) and str(error) == "a b [31m: reason. Remedy."
    again = pickle.loads(pickle.dumps(error))
    assert (again.name, again.reason, again.remedy) == (error.name, error.reason, error.remedy)


def test_any_exception_of_a_decoder_becomes_the_one_error(monkeypatch):
    data = encode(sample(), "GIF")
    for exception in (ValueError, SyntaxError, MemoryError, ZeroDivisionError, OverflowError, RecursionError, EOFError):
        monkeypatch.setattr(images.Image.Image, "convert", lambda *_, **__: (_ for _ in ()).throw(exception("inner")))
        with pytest.raises(PictureError, match=exception.__name__):
            open_picture(data)


# --- formats and modes
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_exif_orientations(orientation, file_format):
    """The stored picture is what the camera turned; opening must undo it.

    The eight turns, written out independently.
    """
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[:16, 32:], upright[16:, :16] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": dict(quality=100, subsampling=0), "WEBP": dict(lossless=True)}.get(file_format, {})
    opened = open_picture(encode(Image.fromarray(np.ascontiguousarray(stored)), file_format, exif=exif, **options))
    assert opened.shape == upright.shape
    assert np.abs(opened.astype(int) - upright).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tif", ".tiff"])
def test_lossless_roundtrip(suffix, tmp_path):
    assert (open_picture(save_picture(PICTURE, tmp_path / f"a{suffix}")) == PICTURE).all()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_lossy_roundtrip_is_close(suffix):
    smooth = resize_picture(PICTURE, (80, 112))
    assert np.abs(open_picture(encode_picture(smooth, suffix)).astype(int) - smooth).mean() < 8


def test_every_suffix_can_be_written():
    for suffix in PICTURE_SUFFIXES:
        assert open_picture(encode_picture(PICTURE, suffix)).shape == PICTURE.shape


def test_16_bit_is_scaled_not_saturated():
    deep = np.linspace(0, 65535, 40 * 56).reshape(40, 56).astype(np.uint16)
    expected = np.round(deep / 257.0).astype(int)
    for data in (
        encode(Image.fromarray(deep), "PNG"),
        encode(Image.fromarray(deep), "TIFF"),
        encode(Image.fromarray(deep.astype(">u2")), "TIFF"),
    ):
        opened = open_picture(data)
        assert np.abs(opened.astype(int) - expected[..., None]).max() == 0
    colour = np.stack([deep, deep[::-1], deep[:, ::-1]], axis=-1)
    data = cv2.imencode(".png", colour[..., ::-1])[1].tobytes()
    assert np.abs(open_picture(data).astype(int) - colour // 257).max() <= 1
    assert np.abs(open_picture(colour).astype(int) - np.round(colour / 257.0)).max() == 0


def test_float_and_32_bit_tiff():
    unit = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    assert np.abs(open_picture(encode(Image.fromarray(unit), "TIFF"))[..., 0] - unit * 255).max() <= 0.5
    whole = np.linspace(0, 2**31 - 1, 64).astype(np.int32).reshape(8, 8)
    assert (
        np.abs(open_picture(encode(Image.fromarray(whole), "TIFF"))[..., 0] - whole / (2**31 - 1) * 255).max() <= 0.51
    )


def test_alpha_lies_on_white():
    opacity = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for colour in (0, 90, 255):
        pixels = np.dstack([np.full((16, 16, 3), colour, np.uint8), opacity])
        expected = opacity / 255 * colour + (1 - opacity / 255) * 255
        for source in (pixels, encode(Image.fromarray(pixels), "PNG"), encode(Image.fromarray(pixels), "TIFF")):
            assert np.abs(open_picture(source) - expected[..., None]).max() <= 1
    grey = Image.merge("LA", [Image.new("L", (16, 16), 40), Image.fromarray(opacity)])
    assert (
        np.abs(open_picture(encode(grey, "PNG"))[..., 0] - (opacity / 255 * 40 + (1 - opacity / 255) * 255)).max() <= 1
    )


def test_transparent_palette_and_colour_key_become_white():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((0, 0), 0)
    for file_format in ("PNG", "GIF"):
        opened = open_picture(encode(palette, file_format, transparency=0))
        assert opened[0, 0].tolist() == [255, 255, 255] and opened[1, 1].tolist() == [200, 100, 50]
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    keyed.putpixel((1, 1), (9, 8, 7))
    opened = open_picture(encode(keyed, "PNG", transparency=(1, 2, 3)))
    assert opened[0, 0].tolist() == [255, 255, 255] and opened[1, 1].tolist() == [9, 8, 7]


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16", "La", "RGBa", "PA", "LAB"]
)
def test_every_mode_of_pillow_opens(mode):
    ramp = np.tile(np.linspace(20, 235, 64), (48, 1)).astype(np.uint8)
    image = Image.fromarray(np.dstack([ramp, ramp[::-1], ramp]))
    if mode in ("La", "RGBa", "PA"):
        image = image.convert({"La": "LA", "RGBa": "RGBA", "PA": "P"}[mode]).convert(mode)
    elif mode in ("I;16", "I"):
        image = Image.fromarray(ramp.astype({"I;16": np.uint16, "I": np.int32}[mode]) * 257)
    elif mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = image.convert(mode)
    grey = np.asarray(Image.fromarray(open_picture(image)).convert("L")).astype(int)
    assert grey.shape == ramp.shape
    blocks, truth = (values.reshape(6, 8, 8, 8).mean(axis=(1, 3)) for values in (grey, ramp))
    assert np.abs(blocks - truth).max() < 12


def test_cmyk_jpeg_keeps_its_colours():
    red = Image.new("RGB", (16, 16), (200, 30, 40)).convert("CMYK")
    assert np.abs(open_picture(encode(red, "JPEG", quality=95)).astype(int) - [200, 30, 40]).max() < 12


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for file_format in ("GIF", "WEBP", "PNG"):
        options = dict(lossless=True) if file_format == "WEBP" else {}
        data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
        assert open_picture(data)[4, 4].tolist() == [255, 0, 0]


def test_arrays_are_copied():
    assert (open_picture(to_float(PICTURE)) == PICTURE).all()
    assert (open_picture(PICTURE[..., 0])[..., 2] == PICTURE[..., 0]).all()
    for array in (PICTURE, np.dstack([PICTURE, PICTURE[..., :1]]), PICTURE[..., :1]):
        assert not np.shares_memory(open_picture(array), array)


def test_large_jpeg_is_decoded_small_on_demand():
    data = encode(sample(800, 1200).resize((1200, 800)), "JPEG")
    assert open_picture(data, at_least=100).shape == (100, 150, 3)
    assert open_picture(data, at_least=101).shape == (200, 300, 3)
    assert open_picture(data).shape == (800, 1200, 3)


# --- numbers
# ---------------------------------------------------------------------------------------------------------------


def test_scaling_is_inverse_and_matches_the_formula():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(to_float(values), values / 127.5 - 1, atol=1e-6)
    assert to_float(values).dtype == np.float32 and (to_uint8(to_float(values)) == values).all()
    assert to_uint8(np.float32([-7, 7])).tolist() == [0, 255]
    batch = np.broadcast_to(PICTURE, (2, *PICTURE.shape))
    assert to_float(batch).shape == batch.shape
    for bad in (np.float32([np.nan]), np.float32([np.inf])):
        with pytest.raises(PictureError):
            to_uint8(bad)
    with pytest.raises(PictureError):
        to_float(np.zeros(3))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [1, 7, 64, (5, 90), (90, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resize_keeps_type_shape_and_range(fit, size, dtype):
    picture = PICTURE if dtype == np.uint8 else to_float(PICTURE)
    for source in (picture, picture[..., :1], picture[:1], picture[:, :1]):
        result = resize_picture(source, size, fit=fit)
        assert result.shape == (*np.broadcast_to(size, 2), source.shape[2]) and result.dtype == dtype
        margin = 0 if fit == "pad" and source.shape[2] == 1 else source.min()
        assert result.min() >= min(source.min(), margin) and (fit == "pad" or result.max() <= source.max())


def test_resize_against_block_means():
    picture = to_float(np.asarray(sample(64, 96)))
    means = picture.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_picture(picture, (16, 24)), means, atol=1e-5)


def test_one_side_shrinks_while_the_other_grows():
    """A pinstripe of 4.2 pixels, 64 x 512 -> 128 x 128: OpenCV's area method alone would drop pixels and show false
    stripes.
    """
    stripe = np.where(np.arange(512) % 4.2 < 2.1, 60, 200).astype(np.uint8)
    low = np.broadcast_to(stripe[None, :, None], (64, 512, 3))
    means = stripe.reshape(128, 4).mean(1)
    for picture in (low, low.transpose(1, 0, 2)):
        result = resize_picture(picture, 128, fit="stretch").astype(float)
        shown = result[..., 0] if picture is low else result[..., 0].T
        assert np.abs(shown - means).max() < 1 and low.std() > 60 > 5 * means.std()


@pytest.mark.parametrize("dtype, top", [(np.float32, 1), (np.uint8, 255)])
def test_a_padded_mask_grows_no_garment(dtype, top):
    mask = resize_picture(np.full((30, 20, 1), top, dtype), 60, fit="pad")
    assert mask.dtype == dtype and mask.shape == (60, 60, 1) and set(np.unique(mask)) == {0, top}
    assert (mask[:, 10:50] == top).all() and not mask[:, :10].any() and not mask[:, 50:].any()
    assert (resize_picture(np.full((30, 20, 3), top, dtype), 60, fit="pad") == top).all()


def test_crop_is_centred_and_pad_is_whole():
    picture = np.zeros((10, 30, 3), np.uint8)
    picture[:, 10:20] = 200
    assert (resize_picture(picture, 10, fit="crop") == 200).all()
    padded = resize_picture(picture, 30, fit="pad")
    assert (padded[:10] == 255).all() and (padded[20:] == 255).all() and (padded[10:20] == picture).all()


@pytest.mark.parametrize("size", [0, -3, 2.5, None, "big", (3,), (3, 4, 5), (3, 0), float("inf")])
def test_wrong_sizes(size):
    with pytest.raises(PictureError):
        resize_picture(PICTURE, size)


def test_wrong_fit_and_shape():
    for arguments in (dict(picture=PICTURE, fit="squeeze"), dict(picture=PICTURE[..., 0], fit="crop")):
        with pytest.raises(PictureError):
            resize_picture(arguments["picture"], 8, fit=arguments["fit"])


def test_read_picture():
    assert read_picture(PICTURE).shape == (40, 56, 3)
    for fit in ("crop", "pad", "stretch"):
        picture = read_picture(encode(sample(), "JPEG"), (32, 24), fit=fit)
        assert picture.shape == (32, 24, 3) and picture.dtype == np.float32 and np.abs(picture).max() <= 1


# --- sheets
# ----------------------------------------------------------------------------------------------------------------


def test_tile_grid_places_every_pixel():
    pictures = np.random.default_rng(0).uniform(-1, 1, (5, 6, 8, 3)).astype(np.float32)
    grid = tile_grid(pictures, 3, padding=2, background=-1.0)
    assert grid.shape == (2 * 8 + 2, 3 * 10 + 2, 3)
    assert (grid[2:8, 2:10] == pictures[0]).all() and (grid[10:16, 12:20] == pictures[4]).all()
    assert (grid[10:16, 22:30] == -1).all() and (grid[:2] == -1).all()
    for bad in ([], [pictures[0], pictures[0][:3]], pictures[0]):
        with pytest.raises(PictureError):
            tile_grid(bad, 3)


def test_contact_sheet_titles_and_empty_cells():
    plain = contact_sheet([[PICTURE, None], [PICTURE]], size=64)
    assert plain.shape == (2 * 68 + 4, 2 * 68 + 4, 3) and (plain[:, 70:] == 255).all()
    titled = contact_sheet(
        [[PICTURE, None], [PICTURE]], size=64, column_titles=["garment", "result"], row_titles=["a", "b\nc"]
    )
    assert titled.shape[0] > plain.shape[0] and titled.shape[1] > plain.shape[1]
    assert (titled[-plain.shape[0] :, -plain.shape[1] :] == plain).all()
    ink = titled[: titled.shape[0] - plain.shape[0]] < 100
    assert ink[:, -plain.shape[1] : -plain.shape[1] // 2].any() and ink[:, -plain.shape[1] // 2 :].any()
    assert (
        contact_sheet(
            [[PICTURE]], row_titles=["a very long title that nobody could put on one line beside it"], size=64
        ).shape[1]
        < 200
    )
    for rows in ([], [[]]):
        with pytest.raises(PictureError):
            contact_sheet(rows)


def test_show_pictures():
    figure = show_pictures([PICTURE] * 5, list("abcde"), columns=3)
    assert len(figure.axes) == 6 and [axes.get_title() for axes in figure.axes[:5]] == list("abcde")
    figure.savefig(io.BytesIO(), format="png")
    for pictures, titles in (([], None), ([PICTURE], ["a", "b"])):
        with pytest.raises(PictureError):
            show_pictures(pictures, titles)


# --- saving
# ----------------------------------------------------------------------------------------------------------------


def test_metadata_survives(tmp_path):
    path = save_picture(PICTURE, tmp_path / "a.png", metadata={"seed": "3", "style": "青海波", "long": "x" * 5000})
    with Image.open(path) as image:
        assert image.text == {"seed": "3", "style": "青海波", "long": "x" * 5000}
    for suffix, metadata in (
        (".jpg", {"a": "b"}),
        (".png", {"": "b"}),
        (".png", {"k" * 80: "b"}),
        (".png", {"键": "b"}),
    ):
        with pytest.raises(PictureError):
            encode_picture(PICTURE, suffix, metadata=metadata)


@pytest.mark.parametrize(
    "name", ["missing/a.png", "a.xyz", "a", "folder.png", "file.png/a.png", "n" * 300 + ".png", "a\0b.png"]
)
def test_places_that_cannot_be_written(name, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.png").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(PictureError):
        save_picture(PICTURE, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file(call, tmp_path, monkeypatch):
    path = save_picture(PICTURE, tmp_path / "a.png")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images.os, call, full)
    with pytest.raises(PictureError, match="No space left"):
        save_picture(255 - PICTURE, path)
    monkeypatch.undo()
    assert (open_picture(path) == PICTURE).all() and os.listdir(tmp_path) == ["a.png"]


def test_read_only_folder(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(PictureError, match="Permission"):
        save_picture(PICTURE, folder / "a.png")


def test_interrupt_leaves_no_debris(tmp_path, monkeypatch):
    path = save_picture(PICTURE, tmp_path / "a.png")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(images.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_picture(255 - PICTURE, path)
    assert (open_picture(path) == PICTURE).all() and os.listdir(tmp_path) == ["a.png"]


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = save_picture(PICTURE, tmp_path / "a.png")
    # root may write everywhere, so the answer is arranged
    monkeypatch.setattr(images.os, "access", lambda *_, **__: False)
    with pytest.raises(PictureError, match="write-protected"):
        save_picture(255 - PICTURE, path)
    with pytest.raises(OSError, match="write-protected"):
        images.write_whole(path, b"other bytes")
    assert (open_picture(path) == PICTURE).all() and os.listdir(tmp_path) == ["a.png"]
    assert save_picture(PICTURE, tmp_path / "new.png").is_file()


def test_write_whole(tmp_path):
    for data in (b"first", b""):
        images.write_whole(tmp_path / "note", data)
        assert (tmp_path / "note").read_bytes() == data and os.listdir(tmp_path) == ["note"]
    with pytest.raises(OSError):
        images.write_whole(tmp_path / "nowhere" / "note", b"")


def test_overwrite(tmp_path):
    path = save_picture(PICTURE, tmp_path / "a.png")
    with pytest.raises(PictureError, match="exists"):
        save_picture(PICTURE, path, overwrite=False)
    save_picture(255 - PICTURE, path)
    assert (open_picture(path) == 255 - PICTURE).all()


# --- real pictures
# -----------------------------------------------------------------------------------------------------------


def test_real_pictures_open(shared_data):
    paths = [path for suffix in PICTURE_SUFFIXES for path in sorted(shared_data.rglob(f"*{suffix}"))[::40]]
    assert len(paths) > 20
    for path in paths:
        opened = open_picture(path)
        assert opened.std() > 1 and min(opened.shape[:2]) > 100
        with Image.open(path) as image:
            if image.mode == "RGB" and not image.getexif().get(0x0112):
                assert (opened == np.asarray(image)).all()
