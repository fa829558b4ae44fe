"""One panel in the browser: what a test or a benchmark does to it, what it sees of it, and how long that took."""

import json
import re
import time

from laboratory import HANG_GUARD
from scripts import LATENCIES, PIXELS

# a button that only this panel has
MARKS = dict(feature="Go to the strongest position", gram="New noise", design="Keep this design", training="Start over")


def busyness():
    """How many times longer a bit of work takes now because others use the machine too: time passed over processor
    time, at least 1.
    """
    started, spent = time.perf_counter(), time.process_time()
    while time.process_time() - spent < 0.2:
        pass
    return max(1.0, (time.perf_counter() - started) / 0.2)


def open_panel(tab, name, cell):
    """Run a panel's cell: (`Seen`, seconds until it shows its first picture)."""
    started = time.monotonic()
    tab.run(cell)
    panel = Seen(tab, name)
    panel.wait(
        lambda: panel.box.locator("img").first.evaluate("image => image.complete && image.naturalWidth > 0"),
        "its picture",
    )
    return panel, time.monotonic() - started


class Seen:
    """One panel in the browser.

    `tab`: its notebook; `name`: feature, gram, design or training; `kind`: its name in the package's registry; `box`:
    its element.
    """

    def __init__(self, tab, name):
        self.tab = tab
        self.page = tab.page
        self.name = name
        self.kind = {"gram": "Gram panel"}.get(name, f"{name} panel")
        self.box = tab.box.locator(".fs-panel", has=tab.page.get_by_role("button", name=MARKS[name], exact=False)).first
        self.box.wait_for(timeout=1000 * HANG_GUARD)
        self.box.scroll_into_view_if_needed()

    def python(self, expression):
        """What an expression of the panel, `panel`, is worth in the kernel, by way of JSON."""
        text, _ = self.tab.ask(
            "import json\nfrom fashion_style.panels.panel import Panel\npanel ="
            f" Panel._open[{self.kind!r}]\nprint(json.dumps({expression}))"
        )
        return json.loads(text)

    def state(self):
        return self.python("panel.state()")

    def status(self):
        return self.box.locator("[role=status]").inner_text()

    def wait_status(self, words):
        self.wait(lambda: words in self.status(), f"status {words!r}")

    def wait(self, condition, what):
        """Until the condition holds; HANG_GUARD ends a wait that is in vain."""
        end = time.monotonic() + HANG_GUARD
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}; the status line says: {self.status()}"
            self.page.wait_for_timeout(30)

    def picture(self, tooltip):
        """The picture whose tooltip begins so."""
        return self.box.locator(f"img[title^='{tooltip}'], img[alt^='{tooltip}']").first

    def pixels(self, picture):
        """A number that stands for all pixels of a picture as the browser shows it; tries again if the picture changes
        meanwhile.
        """
        return picture.evaluate(PIXELS)

    def changes(self, picture, act):
        """Do `act`, and wait until the picture's pixels are others than before."""
        before = self.pixels(picture)
        act()
        self.wait(lambda: self.pixels(picture) != before, "other pixels")

    def entry(self, label):
        return self.box.get_by_label(label, exact=True).first

    def handle(self, label):
        """The handle of the slider beside the number field with this label."""
        return (
            self.entry(label).locator("xpath=ancestor::div[contains(@class, 'widget-hbox')][1]").locator(".noUi-handle")
        )

    def press(self, label, key="ArrowRight"):
        """Move a slider by keyboard."""
        self.handle(label).focus()
        self.page.keyboard.press(key)

    def type(self, label, text):
        """Type into a field, and Enter."""
        self.entry(label).fill(str(text))
        self.page.keyboard.press("Enter")

    def button(self, name):
        """The button with exactly this text, whatever icon is before it."""
        return self.box.locator("button", has_text=re.compile(rf"^\W*{re.escape(name)}\s*$")).first

    def upload(self, label, name, content):
        with self.page.expect_file_chooser() as chooser:
            self.box.get_by_role("button", name=f"Upload {label}").click()
        chooser.value.set_files({"name": name, "mimeType": "image/jpeg", "buffer": content})

    def cell(self):
        """Number of the notebook's cell whose output this is."""
        return self.box.evaluate(
            "box => [...box.closest('.jp-Notebook').querySelectorAll('.jp-Cell')].indexOf(box.closest('.jp-Cell'))"
        )

    def opens_again(self):
        """Run the panel's cell again: seconds until the new panel shows its first picture."""
        return open_panel(self.tab, self.name, self.cell())[1]

    def latencies(self, label, picture, count=14):
        """Seconds from an arrow key on a slider to the next picture decoded in the browser, `count` times or to the
        slider's end; two more before are not counted.

        The slider goes one way, towards its farther end, so that no value comes twice and no kept picture helps. None
        where no other picture came within 5 seconds, which is right where two values look alike, such as two channels
        that are silent.
        """
        self.handle(label).scroll_into_view_if_needed()
        image = self.picture(picture).element_handle()
        times = self.handle(label).evaluate(LATENCIES, [image, count + 2])
        return times[2:]
