"""Files that made trouble once, as they were given to us: through the package's public doors, with what must happen.

They lie beside the checkout, in the folder of FASHION_STYLE_SHARED, and are no part of it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import strangers
from hostile import png, png_chunk
from PIL import Image
from scipy import ndimage

from fashion_style.cli import main
from fashion_style.errors import PictureError, TrainingError, WeightsError
from fashion_style.features import load_extractor
from fashion_style.images import open_layers, open_picture, read_picture, save_picture
from fashion_style.runs.checkpoints import find_checkpoint, newest_checkpoint
from fashion_style.runs.folder import RunFolder
from fashion_style.runs.forks import fork
from fashion_style.studio.recipes import RECIPE_FIELD, dress, read_recipe
from fashion_style.studio.ways import read_mask

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
CASES, STRANGERS = SHARED / "cases", SHARED / "cases" / "strangers"
pytestmark = pytest.mark.skipif(not STRANGERS.is_dir(), reason=f"needs the given files in {CASES}")

TIFF_12, TIFF_PLANAR = "imagetiff_e776913af9ca_hpredict-1c-12b.tiff", "imagetiff_1ddfe8e5c7c0_flower-rgb-planar-16.tif"
PICTURES = {TIFF_12, TIFF_PLANAR, "int32_max70000.tif", "float_max1.01.tif", "grey16_trns0.png"}
RECIPES = {"recipe_3000_styles.png", "recipe_escape_version.png", "recipe_escape_name.png"}
WEIGHTS = {"vgg_layer_is_dataset.h5", "vgg_1TiB_claim.h5"}


def test_every_strangers_file_has_its_case():
    assert {path.name for path in STRANGERS.iterdir()} == PICTURES | RECIPES | WEIGHTS | {"NOTES.txt", "deep_manifest"}


# --- pictures
# -----------------------------------------------------------------------------------------------------------------


def test_12_bits_are_not_16_times_too_dark():
    picture = open_picture(STRANGERS / TIFF_12)
    assert picture.mean() == pytest.approx(34, abs=0.5)
    assert (picture[0] == 6).all() and (picture[1] == 62).all()  # 100 and 1,000 of 4,095
    np.testing.assert_allclose(read_picture(STRANGERS / TIFF_12), picture / 127.5 - 1, atol=1e-6)


def test_32_bits_up_to_70_000_are_not_black():
    with pytest.raises(PictureError, match="its brightest value is 70,000, where 2,147,483,647 would be white"):
        read_picture(STRANGERS / "int32_max70000.tif")


def test_floats_up_to_1_01_are_not_black():
    with Image.open(STRANGERS / "float_max1.01.tif") as image:
        stored = np.asarray(image)
    assert stored.max() == np.float32(1.01)
    expected = np.clip(stored, 0, 1)[..., None] * 255
    assert np.abs(open_picture(STRANGERS / "float_max1.01.tif") - expected).max() <= 0.51


def test_planes_of_16_bits_are_what_the_file_holds():
    """The three planes lie one after the other in the file, 73 x 43 numbers each, without any packing."""
    data = (STRANGERS / TIFF_PLANAR).read_bytes()
    planes = np.frombuffer(data, ">u2" if data[:2] == b"MM" else "<u2", count=3 * 43 * 73, offset=8)
    expected = planes.reshape(3, 43, 73).transpose(1, 2, 0) / 257
    assert np.abs(open_picture(STRANGERS / TIFF_PLANAR) - expected).max() <= 1


def test_a_transparent_shade_of_16_bits_is_that_of_the_twin_of_8():
    rows = np.uint8([0, 0, 117, 233, 0])  # filter 0, then 0, 30,000, 60,000 and 0 of 65,535
    twin = open_layers(png(4, 1, bytes(rows), colour=0, extra=png_chunk(b"tRNS", b"\0\0")))
    opened = open_layers(STRANGERS / "grey16_trns0.png")
    np.testing.assert_array_equal(opened.colours, twin.colours)
    np.testing.assert_array_equal(opened.alpha, twin.alpha)
    assert opened.on_white[0, :, 0].tolist() == [255, 117, 233, 255]


# --- recipes
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_no_recipe_steers_the_terminal(name, capfd):
    assert main(["reproduce", str(STRANGERS / name)]) == 1
    said = "".join(capfd.readouterr())
    assert said.count("\n") == 1 and said.replace("\n", "").isprintable(), said
    wanted = "a mix has 1 to 8 styles. Received: 3,000" if "3000" in name else "cannot be made again without"
    assert wanted in said, said


@pytest.fixture(scope="module")
def designer():
    from fashion_style.design import load_designer

    return load_designer()


def test_a_version_that_steers_is_shown_as_letters(designer, tmp_path, capfd):
    """The same words in a recipe whose pictures are there, so that the whole of it is reported."""
    for name, value in (("garment.png", 200), ("print.png", 90)):
        save_picture(np.full((32, 32, 3), value, np.uint8), tmp_path / name)
    made = dress(designer, tmp_path / "garment.png", [tmp_path / "print.png"], size=32)
    version = read_recipe(STRANGERS / "recipe_escape_version.png")["version"]
    assert "\x1b" in version
    text = {RECIPE_FIELD: json.dumps(made.recipe | dict(version=version))}
    save_picture(made.design.picture, tmp_path / "out.png", metadata=text)
    assert main(["reproduce", str(tmp_path / "out.png")]) == 1
    said = "".join(capfd.readouterr())
    assert "version: made with " in said and "RED" in said and said.replace("\n", "").isprintable(), said


# --- weights and runs
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_weights_that_are_none_are_refused(name):
    with pytest.raises(WeightsError, match="is an array, expected a group|claims shape .1048576, 262144"):
        load_extractor("vgg19", ("block1_conv1",), weights=STRANGERS / name)


@pytest.fixture
def run(tmp_path):
    """A run of two checkpoints, the newer one with the given manifest of 100,000 brackets."""
    run, newest = strangers.run_of_two(tmp_path)
    shutil.copyfile(STRANGERS / "deep_manifest" / "manifest.json", newest / "manifest.json")
    return run


def test_a_deep_manifest_falls_back_to_the_checkpoint_before(run):
    with pytest.warns(UserWarning, match="brackets deep.*Going back to step-00000002"):
        assert int(newest_checkpoint(run)[1]["step/000"]) == 2
    assert RunFolder(run).is_begun and find_checkpoint(run, 2).name == "step-00000002"


def test_a_deep_manifest_is_refused_where_it_is_asked_for(run, capfd):
    with pytest.raises(TrainingError, match="brackets deep"):
        fork(run, 4)
    shutil.rmtree(find_checkpoint(run, 2))
    assert main(["train", "--resume", str(run)]) == 1
    said = "".join(capfd.readouterr())
    assert "brackets deep" in said and "Traceback" not in said and said.count("\n") <= 2, said
    assert RunFolder(run).checkpoints.is_dir() and (RunFolder(run).checkpoints / "step-00000004").is_dir()


# --- memory
# -------------------------------------------------------------------------------------------------------------------

CHILD = """
import json, resource, sys, time
from fashion_style.cli import main
from fashion_style.errors import FashionStyleError
from fashion_style.features import load_extractor
from fashion_style.design import load_designer

cases, out, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + most, now + most))
report = {}
for name, words in (
    ("recipe", ["reproduce", f"{cases}/strangers/recipe_3000_styles.png"]),
    ("photo", ["stylize", f"{cases}/13_48_megapixels.png", f"{cases}/09_print.png", "--size", "96", "-o", out]),
):
    begun = time.perf_counter()
    report[name] = [main(words), time.perf_counter() - begun]
try:
    load_extractor("vgg19", ("block1_conv1",), weights=f"{cases}/strangers/vgg_1TiB_claim.h5")
except FashionStyleError as error:
    report["weights"] = type(error).__name__
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def within(tmp_path_factory):
    """What a process did that may take 2 GB above its imports: (its report, what it said, the picture it wrote)."""
    out = tmp_path_factory.mktemp("memory") / "out.png"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(CASES), str(out), str(strangers.ALLOWED)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | dict(MPLBACKEND="agg", PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr, out


def test_3000_styles_are_refused_at_once(within):
    report, said, _ = within
    assert report["recipe"][0] == 1 and "a mix has 1 to 8 styles" in said and "Traceback" not in said


def test_a_claim_of_1_tib_is_refused(within):
    assert within[0]["weights"] == "WeightsError"


def test_13_48_megapixels_are_reduced_and_not_refused(within):
    report, said, out = within
    assert report["photo"][0] == 0 and "13_48_megapixels.png: no garment could be told" in said
    with Image.open(CASES / "13_48_megapixels.png") as whole, Image.open(out) as made:
        assert whole.width * whole.height > 48_000_000
        assert min(made.size) == 96
        assert made.width / made.height == pytest.approx(whole.width / whole.height, abs=0.01)


# --- the numbered cases, as a designer types them
# --------------------------------------------------------------------


@pytest.fixture
def stylize(tmp_path, designer, monkeypatch):
    """stylize(garment, print, more words) -> path of the design; the weights are loaded once for all cases."""
    monkeypatch.setattr("fashion_style.design.load_designer", lambda run: designer)

    def run(garment, style, *words):
        out = tmp_path / f"{pathlib.Path(garment).stem}-{pathlib.Path(style).stem}.png"
        assert main(["stylize", str(CASES / garment), str(CASES / style), "-o", str(out), *map(str, words)]) == 0
        return out

    return run


def changed(before, after):
    """By how much each pixel of uint8 pictures has changed: (H, W), of 255."""
    return np.abs(before.astype(int) - after).max(axis=2)


def test_01_a_transparent_tee_keeps_its_opacity_and_its_ground(stylize):
    tee = open_layers(CASES / "01_white_tee_transparent.png")
    made = open_layers(stylize("01_white_tee_transparent.png", "07_print.jpg"))
    np.testing.assert_array_equal(made.alpha, tee.alpha)
    np.testing.assert_array_equal(made.colours[tee.alpha == 0], tee.colours[tee.alpha == 0])
    assert (changed(tee.colours, made.colours)[tee.alpha == 255] > 8).mean() > 0.5  # white motifs stay white


def test_03_a_flat_is_filled_inside_its_outline(stylize):
    """What white can be reached from the border is outside; of the rest nearly all is the garment."""
    flat = open_picture(CASES / "03_flat_jacket.png")
    pieces, _ = ndimage.label(flat.min(axis=2) > 200)
    outside = ndimage.binary_erosion(pieces == pieces[0, 0], iterations=3, border_value=1)
    inside = (pieces > 0) & (pieces != pieces[0, 0]) & (np.bincount(pieces.ravel())[pieces] > 100)
    assert inside.mean() > 0.15
    apart = changed(flat, open_picture(stylize("03_flat_jacket.png", "06_print.jpg")))
    assert (apart[outside] == 0).mean() > 0.999 and (apart[inside] > 8).mean() > 0.9


def test_10_lace_on_a_black_tee_leaves_the_black_in_its_holes(stylize, tmp_path):
    mask_path = tmp_path / "mask.png"
    tee, holes = (
        open_picture(CASES / "09_black_tee.jpg"),
        1 - open_layers(CASES / "10_lace_transparent.png").alpha / 255,
    )
    made = open_picture(stylize("09_black_tee.jpg", "10_lace_transparent.png", "--save-mask", mask_path))
    cloth = read_mask(mask_path) > 0.999
    untouched = (changed(tee, made) == 0)[cloth]
    assert cloth.mean() > 0.4 and untouched.mean() == pytest.approx(holes.mean(), abs=0.15)
    assert np.median(made[cloth][untouched]) < 60 and np.percentile(made[cloth][~untouched], 60) > 120


@pytest.mark.parametrize("name", ["11_print_cmyk.jpg", "11_print_displayp3.jpg"])
def test_11_a_profile_changes_the_colours(stylize, tmp_path, name):
    with Image.open(CASES / name) as image:
        ignored = np.asarray(image.convert("RGB"))
    save_picture(ignored, tmp_path / "ignored.png")
    assert changed(open_picture(CASES / name), ignored).mean() > 3
    designs = [
        open_picture(stylize("07_red_jumper.jpg", style, "--size", 128)) for style in (name, tmp_path / "ignored.png")
    ]
    jumper = open_picture(stylize("07_red_jumper.jpg", name, "--size", 128, "--strength", 0))
    cloth = changed(jumper, designs[0]) > 0
    assert 0.1 < cloth.mean() < 0.7 and changed(*designs)[cloth].mean() > 3


def test_12_other_formats_open_and_are_dressed(stylize):
    names = sorted(path.name for path in CASES.glob("12_*"))
    assert {"12_flat.svg", "12_photo.avif", "12_photo.heic"} <= set(names)
    photo = open_picture(CASES / "14_hoodie.jpg").astype(int)  # the same photograph
    for name in names:
        before = open_layers(CASES / name)
        made = open_layers(stylize(name, "06_print.jpg", "--size", 96))
        assert min(made.colours.shape[:2]) == 96 and (made.alpha is None) == (before.alpha is None)
        if "photo" in name:
            assert np.abs(before.colours - photo).mean() < 4, name
    shape = open_layers(CASES / "12_flat.svg").alpha > 128  # M60 40 L140 40 L170 180 L30 180 of 200 x 200
    assert shape.mean() == pytest.approx((80 + 140) / 2 * 140 / 200**2, abs=0.01)


def test_14_a_mask_of_white_on_nothing(stylize):
    mask = CASES / "14_mask_white_on_transparent.png"
    hoodie, share = open_picture(CASES / "14_hoodie.jpg"), open_layers(mask).alpha / 255
    np.testing.assert_allclose(read_mask(mask), share, atol=1e-6)
    apart = changed(hoodie, open_picture(stylize("14_hoodie.jpg", "06_print.jpg", "--mask", mask)))
    assert (apart[share == 0] == 0).all() and (apart[share == 1] > 8).mean() > 0.9
