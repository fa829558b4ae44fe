"""The four panels in the real notebook, in JupyterLab, in chromium: every kind of control is moved, and what is seen is
checked.
"""

import json
import os
import pathlib
import statistics

import numpy as np
import pytest
from hostile import png
from laboratory import NARROW, NOTEBOOKS, WIDE
from PIL import Image
from scripts import CONTROLS, FAINT, TOO_WIDE
from seen import Seen, busyness
from skimage import data

# The notebook that gathers the panels, and the calls that a reader adds at its end.
NOTEBOOK, CALLS = "panels/panels.ipynb", ("feature_panel()", "gram_panel()", "design_panel()", "training_panel()")
FOCUSABLE = "button, input:not([type=file]), select, [role=slider]"


@pytest.fixture(scope="module")
def notebook(tabs):
    """The real notebook with all its cells run, and the four panels below."""
    notebook = tabs(NOTEBOOK, CALLS).run_all()
    yield notebook
    notebook.check()


@pytest.fixture
def panel(notebook, request):
    """The panel that a test is named after; nothing may be wrong when the test is over."""
    notebook.page.set_viewport_size(WIDE)
    seen = Seen(notebook, request.function.__name__.split("_")[1])
    yield seen
    notebook.page.set_viewport_size(WIDE)
    notebook.check()


@pytest.fixture
def note(record_property):
    """Keep a latency for the table at the end of the run.

    Its target, meant for two idle cores, is no limit: ten times that is, and more on a busy machine.
    """

    def keep(what, seconds, target):
        record_property("latency", [what, seconds, target])
        assert seconds < 10 * target * busyness(), f"{what}: {seconds:.2f} s"

    return keep


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Bytes of a real photo, as JPEG: a garment from beside the checkout, or the one that scikit-image brings along."""
    shared = (
        pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", NOTEBOOKS.parents[1] / "shared"))
        / "data"
        / "garments"
        / "tshirt"
    )
    found = sorted(shared.glob("*.jpg"))
    if found:
        return found[0].read_bytes()
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(data.astronaut()).save(path)
    return path.read_bytes()


def refuses_hostile_uploads(panel, label, control):
    """Text named .jpg, a bomb and an empty file get their messages, and the choice stays."""
    before = panel.state()[control]
    for name, content, words in (
        ("letter.jpg", b"dear madam, this is no picture", "letter.jpg"),
        ("bomb.png", png(10_000, 10_000, b"", bits=1, colour=0), "pixels"),
        ("nothing.png", b"", "0 bytes"),
    ):
        panel.upload(label, name, content)
        panel.wait_status(words)
        assert name in panel.status() and panel.box.locator(".fs-status.fs-error").count() == 1
    assert panel.state()[control] == before
    says_it_where_it_is_seen(panel)


def is_reached_by_keyboard(panel):
    """Every control has a name and gets the focus by Tab."""
    names = panel.box.evaluate(CONTROLS, FOCUSABLE)
    assert all(name and order >= 0 for name, order in names), names
    panel.box.locator("[data-number='0']").focus()
    reached = set()
    for _ in range(len(names) + 5):
        reached.add(panel.page.evaluate("() => Number(document.activeElement?.dataset?.number ?? -1)"))
        panel.page.keyboard.press("Tab")
    missed = set(range(len(names))) - reached
    assert not missed, [names[number] for number in missed]


def fits_into(panel, size):
    """Nothing reaches over the panel's right edge or is cut off there."""
    panel.page.set_viewport_size(size)
    panel.page.wait_for_timeout(300)
    over = panel.box.evaluate(TOO_WIDE)
    assert not over, over[:5]
    box, room = (
        panel.box.bounding_box(),
        panel.box.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')][1]").bounding_box(),
    )
    assert box["width"] <= room["width"] + 1


def is_readable(panel, least=4.5):
    """In both themes every text stands out from what is behind it, by WCAG's measure; the names over pictures have
    their own dark ground.
    """
    for dark in (True, False):
        panel.tab.theme(dark)
        faint = panel.box.evaluate(FAINT, least)
        assert not faint, ("dark" if dark else "light", faint[:5])


def size_of(panel):
    """(width, height) of a panel in whole pixels: as long as both stay, nothing below or beside it jumps."""
    box = panel.box.bounding_box()
    return round(box["width"]), round(box["height"])


def says_it_where_it_is_seen(panel):
    """The status line is in the window, however far the panel reaches over its lower edge."""
    panel.box.locator("button").first.scroll_into_view_if_needed()
    line, height = panel.box.locator("[role=status]").bounding_box(), panel.page.viewport_size["height"]
    assert 0 <= line["y"] and line["y"] + line["height"] <= height, line


def answers(panel, note, when):
    """A cell run meanwhile gets its answer."""
    text, seconds = panel.tab.ask("print(6 * 7)")
    assert text == "42"
    note(f"{panel.kind}: a cell answers {when}", seconds, 1.0)


def opens_again(panel, note, seconds=2.0):
    """Run the panel's cell again: the new panel is there, and one of its kind is left."""
    widgets = "len(__import__('ipywidgets').widgets.widget._instances)"
    old, before = panel.python(f"[id(panel), {widgets}]")
    note(f"{panel.kind}: run again, until it is open", panel.opens_again(), seconds)
    new, after = panel.python(f"[id(panel), {widgets}]")
    assert new != old and after <= before + 1


# The panels
# ------------------------------------------------------------------------------------------------------------
def test_feature_panel(panel, photo, screenshot, note):
    view, sheet = panel.picture("one channel over the picture"), panel.picture("channels of the picture")
    place, size = view.bounding_box(), size_of(panel)
    # a channel, by mouse
    panel.changes(view, lambda: panel.box.locator(".fs-cells:not(.fs-fine) button").nth(8).click())
    assert panel.box.locator(".fs-cells:not(.fs-fine) button.mod-active").count() == 1
    panel.changes(view, lambda: panel.press("Channel", "ArrowRight"))
    panel.changes(view, lambda: panel.type("Row", 12))
    assert panel.state()["row"] == 12 and "Row 12," in panel.box.inner_text()
    # a place in the view
    panel.changes(view, lambda: panel.box.locator(".fs-fine").first.click(position=dict(x=200, y=100)))
    assert (panel.state()["row"], panel.state()["column"]) == (55, 115)
    panel.changes(view, lambda: panel.button("Go to the strongest position").click())
    assert view.bounding_box() == place, "nothing jumps"
    panel.changes(sheet, lambda: panel.box.get_by_label("Layer").first.select_option("block3_conv1"))
    panel.changes(sheet, lambda: panel.box.get_by_label("Sorted by").select_option("number"))
    panel.changes(sheet, lambda: panel.type("Page", 2))
    panel.changes(sheet, lambda: panel.button("houndstooth").click())
    assert size_of(panel) == size, "nothing jumps"
    panel.box.get_by_label("compare two pictures").check()
    other = panel.picture("channels of the other picture")
    other.wait_for()
    panel.changes(other, lambda: panel.box.get_by_role("button", name="kimono").last.click())
    assert panel.box.locator("svg rect").count() == 2 * 24
    panel.changes(sheet, lambda: panel.upload("picture", "photo.jpg", photo))
    assert panel.state()["picture"] == "photo.jpg"
    refuses_hostile_uploads(panel, "picture", "picture")
    panel.type("Weights file", "nowhere.npz")
    panel.wait_status("nowhere.npz")
    assert panel.state()["network"] == "embedded"
    panel.python(
        "panel.set_state(picture='dress', other='tartan', compare=False, layer='block2_conv1', order='activity',"
        " page=1)"
    )
    panel.page.wait_for_timeout(300)
    screenshot(panel, "feature_panel")
    panel.box.get_by_label("compare two pictures").check()
    other.wait_for()
    is_readable(panel)
    fits_into(panel, NARROW)
    is_reached_by_keyboard(panel)
    opens_again(panel, note)


def test_gram_panel(panel, photo, screenshot, note):
    maps, overview, large = (
        panel.picture("channel i, channel k"),
        panel.picture("Gram matrices"),
        panel.picture("the strongest channels of Gram A"),
    )
    size = size_of(panel)
    panel.changes(large, lambda: panel.button("B block3").click())
    panel.changes(maps, lambda: panel.box.locator(".fs-fine").nth(1).click(position=dict(x=100, y=30)))
    panel.changes(maps, lambda: panel.press("Channel i", "ArrowLeft"))
    before = panel.python("panel.cell.text.value").split("Company")[0]
    panel.changes(maps, lambda: panel.box.get_by_label("Positions").select_option("all channels together"))
    assert panel.python("panel.cell.text.value").split("Company")[0] == before, "the number stays"
    assert panel.box.inner_text().count("by the shuffle: 0.0%") == 2
    panel.changes(maps, lambda: panel.type("Shuffle no.", 3))
    panel.changes(overview, lambda: panel.button("ogee").click())
    grown = panel.picture("the texture that grows")
    panel.changes(grown, lambda: panel.button("One step").click())
    assert size_of(panel) == size, "nothing jumps"
    panel.changes(overview, lambda: panel.upload("second style", "photo.jpg", photo))
    refuses_hostile_uploads(panel, "second style", "second")
    panel.python("panel.set_state(first='tartan', second='leopard', layer='block3_conv1')")
    panel.button("Start").click()
    for _ in range(3):
        panel.changes(grown, lambda: None)
    answers(panel, note, "while a texture grows")
    panel.press("block1_conv1", "ArrowLeft")
    panel.box.get_by_label("Solo").select_option("block2_conv1")
    panel.wait(lambda: panel.python("panel.desk.weights.values") == [0, 1, 0, 0, 0], "solo")
    panel.button("Pause").click()
    panel.wait_status("Paused after step")
    steps = panel.python("[panel.desk.texture.steps, panel.desk.worker.running]")
    still = panel.pixels(grown)
    panel.page.wait_for_timeout(300)
    assert (
        panel.python("[panel.desk.texture.steps, panel.desk.worker.running]") == steps
        and steps[1] is False
        and panel.pixels(grown) == still
    )
    panel.changes(grown, lambda: panel.button("New noise").click())
    panel.python("setattr(panel.desk, 'foreground', True)")  # what gram_panel finds out for itself in Colab: no thread
    panel.changes(grown, lambda: panel.button("Start").click())
    panel.wait_status("Step 40. Start takes 40 more.")
    panel.python("panel.set_state(solo='all layers', **{f'weight_{number}': 0.0 for number in range(1, 6)})")
    panel.button("One step").click()
    panel.wait_status("muted")
    panel.python("panel.set_state(**{f'weight_{number}': 1.0 for number in range(1, 6)})")
    panel.python("[panel.desk.advance() for _ in range(60)] and panel.desk.draw()")
    panel.page.wait_for_timeout(300)
    screenshot(panel, "gram_panel")
    is_readable(panel)
    fits_into(panel, NARROW)
    is_reached_by_keyboard(panel)
    opens_again(panel, note)


def test_design_panel(panel, photo, screenshot, note):
    picture = panel.picture("The garment with its print")
    size = size_of(panel)
    panel.changes(picture, lambda: panel.press("strength", "ArrowLeft"))
    panel.changes(picture, lambda: panel.press("motif scale", "ArrowRight"))
    panel.changes(picture, lambda: panel.press("wipe to garment", "ArrowRight"))
    panel.press("wipe to garment", "ArrowLeft")
    panel.changes(picture, lambda: panel.button("houndstooth").click())  # a second print
    panel.changes(picture, lambda: panel.press("houndstooth", "ArrowLeft"))
    panel.changes(picture, lambda: panel.box.get_by_label("keep the garment's colours").check())
    panel.changes(picture, lambda: panel.box.get_by_label("lock the background").uncheck())
    panel.box.get_by_label("keep the garment's colours").uncheck()
    panel.box.get_by_label("lock the background").check()
    panel.changes(picture, lambda: panel.button("kimono").click())
    for label in ("strength", "houndstooth", "motif scale"):
        note(
            f"design panel: median from {label} slider to picture",
            statistics.median(filter(None, panel.latencies(label, "The garment with its print"))),
            0.15,
        )
    panel.button("Keep this design").click()
    panel.wait(lambda: panel.box.locator("a[download]").count() == 2, "two links, the design and the contact sheet")
    assert size_of(panel) == size, "nothing jumps"
    with panel.page.expect_download() as download:
        panel.box.locator("a[download='design-1.png']").click()
    recipe = json.loads(Image.open(download.value.path()).text["recipe"])
    assert recipe["garment"] == "kimono" and len(recipe["styles"]) == 2 and recipe["generator"]
    with panel.page.expect_download() as download:
        panel.box.locator("a[download='contact-sheet.png']").click()
    assert np.asarray(Image.open(download.value.path())).std() > 10
    panel.changes(picture, lambda: panel.upload("garment", "photo.jpg", photo))
    assert panel.state()["garment"] == "photo.jpg"
    refuses_hostile_uploads(panel, "garment", "garment")
    panel.changes(picture, lambda: panel.button("design 1").click())
    assert panel.state()["garment"] == "kimono", "a kept design comes back with its settings"
    panel.python(
        "panel.set_state(garment='dress', styles=['ikat', 'wax print'], weights=[1.0, 0.4], strength=1.0,"
        " motif_scale=0.8)"
    )
    panel.button("Keep this design").click()
    panel.page.wait_for_timeout(500)
    screenshot(panel, "design_panel")
    is_readable(panel)
    fits_into(panel, NARROW)
    is_reached_by_keyboard(panel)
    opens_again(panel, note)


def steps_of(panel):
    return panel.python("panel.session.step")


def threads_of(panel):
    return panel.python("sum(thread.name == 'training panel' for thread in __import__('threading').enumerate())")


def test_training_panel(panel, screenshot, note):
    size = size_of(panel)
    steps_without_a_thread(panel)
    is_steered_while_it_trains(panel, note)
    pauses_and_takes_one_step(panel)
    assert size_of(panel) == size, "nothing jumps"
    shows_older_snapshots(panel)
    assert any(
        word in panel.box.inner_text().lower() for word in ("verdict", "healthy", "too early", "watch", "critic")
    ), "the verdict in words"
    panel.page.wait_for_timeout(300)
    screenshot(panel, "training_panel", first=trains_on)
    stops_and_starts_over(panel)
    is_readable(panel)
    fits_into(panel, NARROW)
    is_reached_by_keyboard(panel)
    opens_again(panel, note, seconds=4.0)  # it first gives the old thread 2 seconds for the step in progress
    panel.wait(lambda: threads_of(panel) == 0, "the end of the old thread")


def steps_without_a_thread(panel):
    panel.python("setattr(panel, 'foreground', True)")  # what training_panel finds out for itself in Colab: no thread
    panel.changes(panel.picture("Held-out garments"), lambda: panel.button("Step").click())
    assert steps_of(panel) == 1 and threads_of(panel) == 0
    panel.python("setattr(panel, 'foreground', False)")


def is_steered_while_it_trains(panel, note):
    panel.button("Start").click()
    panel.wait(lambda: steps_of(panel) >= 4, "four steps")
    answers(panel, note, "while it trains")
    panel.press("style", "ArrowRight")
    panel.press("learning rate", "ArrowLeft")
    panel.box.get_by_label("constraint").select_option("clip")
    panel.wait(lambda: panel.python("panel.session.trainer.settings.constraint") == "clip", "the other constraint")
    panel.type("critic steps", 2)
    panel.wait(lambda: panel.python("panel.session.trainer.settings.critic_steps") == 2, "more critic steps")
    panel.changes(panel.picture("Loss curves"), lambda: None)
    panel.changes(panel.picture("Held-out garments"), lambda: None)


def pauses_and_takes_one_step(panel):
    panel.button("Pause").click()
    panel.wait(lambda: panel.python("panel.session.wait(0)"), "the end of the step in progress")
    rests = steps_of(panel)
    panel.page.wait_for_timeout(500)
    assert steps_of(panel) == rests, "paused is paused"
    panel.button("Step").click()
    panel.wait(
        lambda: steps_of(panel) == rests + 1 and panel.python("panel.session.wait(0)"), "one step, and its snapshot"
    )


def shows_older_snapshots(panel):
    panel.changes(panel.picture("Held-out garments"), lambda: panel.press("snapshot", "Home"))  # the first snapshot
    panel.wait(lambda: "snapshot of step 1;" in panel.box.inner_text(), "the first snapshot's caption")
    for _ in range(panel.python("len(panel.snapshots.kept)")):
        panel.press("snapshot", "ArrowRight")
    panel.wait(lambda: "snapshot of step 1;" not in panel.box.inner_text(), "the newest snapshot")


def trains_on(panel, steps=300):
    """Far enough to have something to show."""
    panel.box.get_by_label("constraint").select_option("gradient_penalty")
    panel.type("critic steps", 1)
    panel.button("Start").click()
    panel.wait(lambda: steps_of(panel) >= steps, f"{steps} steps")
    panel.button("Pause").click()
    panel.wait(lambda: panel.python("panel.session.wait(0)"), "the end of the step in progress")
    panel.button("Step").click()
    panel.wait(
        lambda: panel.python("panel.session.wait(0) and panel.snapshots.kept[-1][0]") == steps_of(panel),
        "the newest snapshot",
    )


def stops_and_starts_over(panel):
    panel.button("Stop").click()
    panel.wait_status("no thread is left")
    panel.wait(lambda: threads_of(panel) == 0, "the end of the thread")
    panel.button("Start over").click()
    panel.wait(lambda: steps_of(panel) == 0, "a new beginning")
    panel.button("Start").click()
    panel.wait(lambda: panel.python("panel.session.running"), "a start")
