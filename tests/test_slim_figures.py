"""Figures of notebooks: made small once, and nothing else of a notebook is touched."""

import base64
import io
import json
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import slim_figures


def encoded(picture, kind, **more):
    """Bytes of a picture."""
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


def curves(side=160):
    """Soft coloured lines on white, as a plot has them: hundreds of colours, few that matter."""
    picture = np.full((side, side, 3), 255, "uint8")
    across = np.arange(side)
    for colour, bend in (((31, 119, 180), 20), ((255, 127, 14), 9)):
        for row in range(side):
            share = np.clip(2 - np.abs(row - side / 2 - side / 3 * np.sin(across / bend)), 0, 1)[:, None]
            picture[row] = picture[row] * (1 - share) + np.array(colour) * share
    return Image.fromarray(picture)


def clouds(side=160, seed=0):
    """Smooth colours that change slowly everywhere: bands would be seen."""
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype="uint8"))
    return small.resize((side, side), Image.Resampling.BICUBIC)


def test_a_plot_keeps_its_looks_in_few_colours_and_fewer_bytes():
    before = encoded(curves(), "PNG")
    after = slim_figures.slim_png(before)
    picture = Image.open(io.BytesIO(after))
    mean, worst = slim_figures.changes(curves(), picture)
    assert len(after) < 0.7 * len(before) and len(picture.convert("RGB").getcolors()) <= 128
    assert mean <= slim_figures.MEAN_CHANGE and worst <= slim_figures.WORST_CHANGE


def test_a_picture_that_would_show_bands_keeps_its_colours():
    picture = clouds()
    after = Image.open(io.BytesIO(slim_figures.slim_png(encoded(picture, "PNG"))))
    np.testing.assert_array_equal(np.asarray(after.convert("RGB")), np.asarray(picture))


def test_what_shines_through_stays():
    picture = curves().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    after = Image.open(io.BytesIO(slim_figures.slim_png(encoded(picture, "PNG"))))
    np.testing.assert_array_equal(np.asarray(after.convert("RGBA"))[..., 3], np.asarray(picture)[..., 3])


def test_a_jpeg_is_encoded_once_and_a_coarse_one_never():
    fine, coarse = (encoded(clouds(), "JPEG", quality=quality) for quality in (90, 40))
    once = slim_figures.slim_jpeg(fine)
    assert len(once) < len(fine) and slim_figures.changes(clouds(), Image.open(io.BytesIO(once)))[0] < 5
    assert slim_figures.slim_jpeg(once) == once and slim_figures.slim_jpeg(coarse) == coarse


@pytest.fixture
def notebook(tmp_path):
    """Path of a notebook with text and one figure of each kind."""
    figures = {"image/png": encoded(curves(), "PNG"), "image/jpeg": encoded(clouds(), "JPEG", quality=90)}
    outputs = [
        dict(
            output_type="display_data", metadata={}, data={kind: base64.b64encode(data).decode(), "text/plain": ["<é>"]}
        )
        for kind, data in figures.items()
    ]
    outputs.append(dict(output_type="stream", name="stdout", text=["one\n", "two 衣\n"]))
    cell = dict(cell_type="code", id="a", metadata={}, execution_count=None, source=["x = 1\n", "x"], outputs=outputs)
    text = dict(cell_type="markdown", id="b", metadata={}, source=["# Title"])
    path = tmp_path / "room.ipynb"
    content = dict(cells=[text, cell], metadata={}, nbformat=4, nbformat_minor=5)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def without_figures(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for output in notebook["cells"][1]["outputs"]:
        for kind in slim_figures.SLIM:
            output.get("data", {}).pop(kind, None)
    return notebook


def test_only_figures_change_and_only_once(notebook):
    before, size = without_figures(notebook), notebook.stat().st_size
    saved = slim_figures.slim_notebook(notebook)
    assert saved > 0 and notebook.stat().st_size == size - saved and without_figures(notebook) == before
    text = notebook.read_bytes()
    assert slim_figures.slim_notebook(notebook) == 0 and notebook.read_bytes() == text
    assert [path.name for path in notebook.parent.iterdir()] == [notebook.name]


def test_a_figure_that_is_called_by_another_name_is_refused():
    with pytest.raises(ValueError, match="image/jpeg is called image/png: name its format"):
        slim_figures.slim_figure("image/png", encoded(clouds(), "JPEG"))
