"""JupyterLab on loopback and Debian's chromium, one of each for all tests.

Needs chromium on PATH (or its path in FASHION_STYLE_CHROMIUM) and playwright. Where one is missing the tests skip, but
not where CI is set: there it is a failure. FASHION_STYLE_SCREENSHOTS names a folder for pictures of the panels.
"""

import importlib.util
import os
import pathlib

import nbformat
import pytest
from laboratory import CHROMIUM, NOTEBOOKS, WIDE, application, chromium, laboratory, open_notebook
from PIL import Image


def missing(what):
    """Skip, but fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(
            f"CI must have {what}: apt-get install chromium fonts-dejavu-core; pip install playwright", pytrace=False
        )
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    if importlib.util.find_spec("playwright") is None:
        missing("playwright")
    if not CHROMIUM:
        missing("chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """The server; it starts only where a browser is there to use it."""
    with laboratory(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def lab_page(lab, browser):
    """JupyterLab open in one page."""
    page = application(browser, lab)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def tabs(lab, lab_page):
    """Opens a notebook of nbs/ in a tab of its own, without its outputs and with more code cells at its end."""
    opened = []

    def go(name, more):
        notebook = nbformat.read(NOTEBOOKS / name, 4)
        notebook.cells += [nbformat.v4.new_code_cell(code) for code in more]
        opened.append(open_notebook(lab_page, lab, notebook, f"notebook{len(opened)}.ipynb"))
        return opened[-1]

    yield go
    for notebook in opened:
        notebook.close()


def keep_small(path, limit=150_000):
    """Write a screenshot as the best JPEG of at most `limit` bytes."""
    picture = Image.open(path).convert("RGB")
    path.unlink()
    for share, quality in ((1.0, 85), (1.0, 75), (1.0, 65), (1.0, 55), (0.85, 60), (0.7, 60)):
        picture.resize([round(side * share) for side in picture.size], Image.Resampling.LANCZOS).save(
            path.with_suffix(".jpg"), quality=quality, subsampling=0, optimize=True
        )
        if path.with_suffix(".jpg").stat().st_size <= limit:
            return


@pytest.fixture
def screenshot(lab_page):
    """Keep pictures of a panel, if FASHION_STYLE_SCREENSHOTS names a folder: in both themes, and narrow.

    `first`: what to do before, only then.
    """
    folder = os.environ.get("FASHION_STYLE_SCREENSHOTS")

    def take_one(panel, path, dark, width):
        element = panel.box
        panel.tab.theme(dark)
        lab_page.set_viewport_size({"width": width, "height": 1000})
        lab_page.wait_for_timeout(300)
        lab_page.set_viewport_size({"width": width, "height": round(element.bounding_box()["height"]) + 300})
        element.scroll_into_view_if_needed()
        lab_page.wait_for_timeout(400)
        element.screenshot(path=str(path))
        keep_small(path)

    def take(panel, name, first=lambda panel: None):
        if folder:
            first(panel)
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            for kind, dark, width in (("narrow", False, 900), ("dark", True, 1280), ("light", False, 1280)):
                take_one(panel, pathlib.Path(folder) / f"{name}_{kind}.png", dark, width)
            lab_page.set_viewport_size(WIDE)

    return take
