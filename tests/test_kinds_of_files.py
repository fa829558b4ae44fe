"""HEIC, AVIF, PSD, SVG and large photographs: read as they are meant, within bounds, or refused with what to do."""

import io
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hostile import encode, heic, png, psd, sample, svg
from icc_writer import P3, matrix_profile, stored_in
from PIL import Image
from test_colours_of_files import CUBE, difference
from test_strangers_pictures import CHILD

from fashion_style.decoding.drawings import drawing_size
from fashion_style.decoding.formats import FOREIGN_SUFFIXES, READ_SUFFIXES
from fashion_style.decoding.pixels import decode_picture
from fashion_style.errors import PictureError
from fashion_style.images import PICTURE_SUFFIXES, open_layers, open_picture
from fashion_style.reading.files import SkippedFiles, list_pictures
from fashion_style.reading.picture_file import read_picture_file

PICTURE = np.asarray(sample(48, 64).resize((64, 48)).convert("RGB"))
ALPHA = np.uint8(np.add.outer(np.arange(48), np.arange(64)) * 2)
needs_heif = pytest.mark.skipif(find_spec("pillow_heif") is None, reason="needs pillow-heif")
needs_resvg = pytest.mark.skipif(find_spec("resvg_py") is None, reason="needs resvg-py")


def refused(source, words, **options):
    with pytest.raises(PictureError, match=words) as caught:
        open_picture(source, **options)
    assert caught.value.remedy
    return True


# --- HEIC and AVIF
# ------------------------------------------------------------------------------------------------------------


@needs_heif
def test_heic():
    opened = open_layers(heic(Image.fromarray(PICTURE), quality=-1, chroma=444))
    assert opened.alpha is None and np.abs(opened.colours.astype(int) - PICTURE).max() <= 3
    cut_out = open_layers(heic(Image.fromarray(np.dstack([PICTURE, ALPHA])), quality=-1, chroma=444))
    assert np.abs(cut_out.alpha.astype(int) - ALPHA).max() <= 3
    image = Image.fromarray(np.round(stored_in(P3, None, CUBE) * 255).astype(np.uint8))
    image.info["icc_profile"] = matrix_profile(P3)
    assert difference(open_picture(heic(image, quality=-1, chroma=444)), CUBE)[0] <= 1.5


@needs_heif
def test_heic_is_upright_and_known_by_its_content(tmp_path):
    image = Image.fromarray(PICTURE)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = heic(image, quality=90, exif=exif.tobytes())
    assert open_picture(data).shape == (64, 48, 3)
    (tmp_path / "dress.jpg").write_bytes(data)
    assert open_picture(tmp_path / "dress.jpg").shape == (64, 48, 3)


def test_without_the_packages_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pip install pillow-heif")
    assert refused(svg("<rect/>"), "pip install resvg-py")


def test_avif():
    data = encode(Image.fromarray(np.dstack([PICTURE, ALPHA])), "AVIF", quality=100, subsampling="4:4:4")
    opened = open_layers(data)
    assert np.abs(opened.colours.astype(int) - PICTURE)[ALPHA > 0].mean() <= 3
    assert np.abs(opened.alpha.astype(int) - ALPHA).mean() <= 1
    image = Image.fromarray(np.round(stored_in(P3, None, CUBE) * 255).astype(np.uint8))
    data = encode(image, "AVIF", quality=100, subsampling="4:4:4", icc_profile=matrix_profile(P3))
    assert difference(open_picture(data), CUBE)[0] <= 2


# --- PSD
# ------------------------------------------------------------------------------------------------------------


def test_a_flattened_psd():
    assert (open_picture(psd(PICTURE)) == PICTURE).all()
    whole = np.dstack([PICTURE, ALPHA])
    cut_out, stored_selection = open_layers(psd(whole, layers=-2)), open_layers(psd(whole, layers=2))
    assert (cut_out.alpha == ALPHA).all() and (cut_out.colours == PICTURE).all()
    assert stored_selection.alpha is None and (stored_selection.colours == PICTURE).all()
    assert refused(psd(PICTURE, finished=0), "without its finished picture")
    assert refused(psd(PICTURE, bits=16), "only 8 bits are")
    assert (
        open_picture(psd(PICTURE)[:26] + bytes(12) + psd(PICTURE)[-2 - PICTURE.size :]) == PICTURE
    ).all()  # no notes


# --- SVG
# ------------------------------------------------------------------------------------------------------------


@needs_resvg
def test_a_drawing():
    opened = open_layers(svg('<rect x="10" y="10" width="20" height="20" fill="#204060"/>'))
    assert opened.colours.shape == (1024, 1024, 3)
    assert opened.colours[512, 512].tolist() == [0x20, 0x40, 0x60] and opened.alpha[512, 512] == 255
    assert opened.alpha[10, 10] == 0 and open_picture(svg("<g/>")).min() == 255
    assert abs((opened.alpha == 255).mean() - 0.25) < 0.002
    for start in (b"\xef\xbb\xbf", b'<?xml version="1.0"?>\n<!-- made by hand -->\n', b"\n  "):
        begin = svg('<rect width="40" height="40" fill="red"/>')
        assert (open_picture(start + begin)[..., 0] == 255).all() and open_picture(start + begin)[5, 5, 1] == 0


def test_a_web_page_is_no_drawing():
    assert refused(b"<html><body><svg width='9' height='9'></svg></body></html>", "begins with <html>")


@needs_resvg
def test_a_picture_embedded_in_a_drawing():
    import base64

    red = base64.b64encode(encode(Image.new("RGB", (4, 4), "red"), "PNG")).decode()
    inside = f'<image xlink:href="data:image/png;base64,{red}" width="40" height="40"/>'
    assert open_picture(svg(inside))[500, 500].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "size, expected",
    [
        ('viewBox="0 0 40 40"', (1024, 1024)),
        ('viewBox="0,0,30,60"', (1024, 2048)),
        ('width="30mm" height="60mm"', (1024, 2048)),
        ('width="100%" height="100%" viewBox="0 0 100 10"', (4096, 410)),
        ('width="1" height="100000"', (1, 4096)),
        ('width="100%" height="100%"', None),
        ('viewBox="0 0 0 10"', None),
        ('viewBox="0 0 -5 10"', None),
        ('viewBox="a b c d"', None),
        ('viewBox="0 0 nan 10"', None),
        ('viewBox="0 0 inf 10"', None),
    ],
)
def test_sizes_of_drawings(size, expected):
    if expected is None:
        with pytest.raises(PictureError, match="names no size"):
            drawing_size("flat.svg", svg("<g/>", size))
    else:
        assert drawing_size("flat.svg", svg("<g/>", size)) == expected


@needs_resvg
def test_a_crash_of_the_renderer_is_not_ours():
    deep = svg("<g>" * 50_000 + "</g>" * 50_000)
    try:
        open_picture(deep)
    except PictureError as error:
        assert "cannot be rendered" in str(error)


@pytest.mark.parametrize(
    "spoken, reason",
    [
        (
            "memory allocation of 3600000000 bytes failed\nstack backtrace:\nnote: Some details are omitted.\n",
            "3600000000",
        ),
        ("Traceback:\nValueError: unknown entity\n", "ValueError: unknown entity"),
        ("note: nothing else\n", "the renderer ended with -6"),
        ("", "the renderer ended with -6"),
    ],
)
def test_why_a_drawing_cannot_be_rendered_is_what_the_renderer_said(monkeypatch, spoken, reason):
    def failed(words, **_):
        return subprocess.CompletedProcess(words, -6, b"", spoken.encode())

    monkeypatch.setattr("fashion_style.decoding.drawings.subprocess.run", failed)
    monkeypatch.setattr("fashion_style.decoding.drawings.importlib.util.find_spec", lambda name: True)
    with pytest.raises(PictureError, match=rf"cannot be rendered \(.*{reason}.*\)\. Export it as PNG"):
        open_picture(svg("<g/>"))


def test_a_drawing_that_takes_too_long(monkeypatch):
    def slow(*_, **__):
        raise subprocess.TimeoutExpired("draw", 30)

    monkeypatch.setattr("fashion_style.decoding.drawings.subprocess.run", slow)
    monkeypatch.setattr("fashion_style.decoding.drawings.importlib.util.find_spec", lambda name: True)
    assert refused(svg("<rect/>"), "more than 30 seconds")


# --- large photographs
# -----------------------------------------------------------------------------------------------------------


def test_a_large_jpeg_is_decoded_small_and_others_are_halved():
    photo = Image.fromarray(PICTURE).resize((800, 600))
    for file_format, most, shape in (
        ("JPEG", 300_000, (300, 400)),
        ("JPEG", 100_000, (150, 200)),
        ("PNG", 300_000, (300, 400)),
    ):
        data = encode(photo, file_format)
        layers = decode_picture("photo", data, most, reduce=True)
        assert layers.colours.shape == (*shape, 3)
        small = np.asarray(photo.resize(shape[::-1], Image.Resampling.BOX)).astype(int)
        assert np.abs(layers.colours - small).mean() < 3
        with pytest.raises(PictureError, match="Resize the picture"):
            decode_picture("photo", data, most)
    assert decode_picture("photo", encode(photo, "JPEG"), 480_000, reduce=True).colours.shape == (600, 800, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1"])
def test_halves_of_every_mode(mode):
    image = Image.fromarray(PICTURE if mode == "P" else np.dstack([PICTURE, ALPHA])).convert(mode)
    layers = decode_picture("photo", encode(image, "PNG"), 3000, reduce=True)
    assert layers.colours.shape == (24, 32, 3) and (layers.alpha is not None) == (mode in ("RGBA", "LA"))


def test_telephone_pictures_stay_within_two_gigabytes(tmp_path):
    """48 and 108 million pixels as JPEG, 48 as PNG: reduced, not refused."""
    row = np.linspace(0, 255, 8064).astype(np.uint8)
    photo = Image.fromarray(np.broadcast_to(row[None, :, None], (6048, 8064, 3)))
    photo.save(tmp_path / "48.jpg", quality=50)
    photo.resize((12_000, 9_000), Image.Resampling.NEAREST).save(tmp_path / "108.jpg", quality=30, progressive=True)
    line = b"\0" + np.repeat(row, 4).tobytes()
    (tmp_path / "48.png").write_bytes(png(8064, 6048, line * 6048, colour=6))
    (tmp_path / "60.png").write_bytes(png(10_000, 6000, bits=1, colour=0))
    code = CHILD + "print(*[images.open_picture(path).shape for path in paths[:1]])"
    for name, shape in (("48.jpg", "(3024, 4032, 3)"), ("108.jpg", "(4500, 6000, 3)"), ("48.png", "(3024, 4032, 3)")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)], capture_output=True, text=True, timeout=300
        )
        assert done.stdout.split("\n")[0] == "0" and shape in done.stdout, (name, done.stdout, done.stderr[-500:])
    assert refused(tmp_path / "60.png", "Resize the picture")
    assert read_picture_file(tmp_path / "48.jpg").pixels.shape == (3024, 4032, 3)
    assert refused(tmp_path / "48.jpg", "Resize the picture", max_pixels=40_000_000)


def test_a_telephone_s_pair_of_pictures_is_a_jpeg():
    buffer = io.BytesIO()
    first, second = Image.fromarray(PICTURE).resize((800, 600)), Image.new("RGB", (80, 60), "red")
    first.save(buffer, "MPO", save_all=True, append_images=[second], quality=95)
    assert open_picture(buffer.getvalue()).shape == (600, 800, 3)
    assert decode_picture("pair", buffer.getvalue(), 300_000, reduce=True).colours.shape == (300, 400, 3)


# --- folders
# ------------------------------------------------------------------------------------------------------------


def test_a_folder_names_what_it_leaves_out(tmp_path):
    for name in ("a.png", "b.HEIC", "c.svg", "d.psd", "e.avif", "logo.ai", "scan.CR2", "note.txt", ".hidden.ai"):
        (tmp_path / name).write_bytes(b"x")
    skipped = SkippedFiles()
    names = [name.rsplit("/", 1)[-1] for name in list_pictures(tmp_path, skipped)]
    assert names == ["a.png", "b.HEIC", "c.svg", "d.psd", "e.avif"]
    assert [error.name.rsplit("/", 1)[-1] for error in skipped] == ["logo.ai", "scan.CR2"] and skipped.total == 2
    assert all("are not read" in error.reason and "Export it as" in error.remedy for error in skipped)


def test_what_can_be_written_can_be_read():
    assert set(PICTURE_SUFFIXES) < set(READ_SUFFIXES) and not set(READ_SUFFIXES) & set(FOREIGN_SUFFIXES)
