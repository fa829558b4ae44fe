"""No word of a stranger steers the terminal: every command with a hostile name, byte by byte."""

import io
import json
import os
import pickle
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image
from tqdm import tqdm

from fashion_style import cli
from fashion_style.cli import PatientStream
from fashion_style.commands import options
from fashion_style.errors import DesignError, FashionStyleError, FileError, PictureError, printable
from fashion_style.images import save_picture
from fashion_style.studio.recipes import RECIPE_FIELD

FORGED = "fashion-style: all is well"
HOSTILE = f"a\x1b[2J\x1b]0;owned\x07\u202egnp\r\x9b31m\t\u2066\n{FORGED}\udcff"  # the last: no UTF-8, as a byte 0xff
STEERING = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\x7f", "\x00", "\t")


def check(said):
    """That bytes that went to a terminal are letters and ends of lines, and that none of the lines is a forged one."""
    text = said.decode("utf-8")
    text = text.replace("\r\n", "\n")  # a terminal's own
    steers = {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co")}
    assert steers <= {"\n", "\r"}, steers
    lines = text.split("\n")
    assert not any(FORGED in line and line.startswith(FORGED) for line in lines), lines
    for line in lines:  # a bar goes back to the beginning of its line, before anything else
        assert "\r" not in line or all(part == "" or part.startswith(("designs:", " ")) for part in line.split("\r")), (
            line
        )


@pytest.fixture
def shell(capfdbinary):
    """Runs the command in this process and looks at every byte that it says: (exit code, stdout + stderr)."""

    def run(*words):
        code = cli.main(list(words))
        said = capfdbinary.readouterr()
        check(said.out + said.err)
        return code, (said.out + said.err).decode("utf-8")

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a hostile name; in it a garment, a print and a torn picture with such names."""
    folder = tmp_path_factory.mktemp("place") / HOSTILE
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, name in (("garments", HOSTILE), ("prints", f"=1+1 {HOSTILE}")):
        (folder / part).mkdir()
        picture = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        picture.save(os.path.join(folder, part, f"{name}.png"))
    (folder / "prints" / f"torn {HOSTILE}.png").write_bytes(b"torn")
    return folder


def test_what_steers_is_shown_and_letters_stay():
    assert all(letter not in printable(HOSTILE) for letter in (*STEERING, "\n", "\r", "\udcff"))
    assert printable(HOSTILE).isprintable() and r"\x1b[2J" in printable(HOSTILE) and r"\udcff" in printable(HOSTILE)
    for good in ("旗袍 dress.png", "a\u3000b", "می\u200cخواهم", "क्\u200dष", "naïve — 5 €", ""):
        assert printable(good) == good
    assert printable(3) == "3" and printable("\u2028\ue000") == r"\u2028\ue000"


def test_the_text_of_every_error_of_ours_is_one_line_that_steers_nothing():
    kinds = [FashionStyleError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert len(kinds) >= 13
    for kind in set(kinds):
        error = (
            kind(HOSTILE, HOSTILE, HOSTILE)
            if kind.__name__ in ("PictureError", "FileError", "_NamedError")
            else kind(HOSTILE)
        )
        assert str(error).isprintable() and "owned" in str(error)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert FileError.__mro__.index(ValueError) and str(DesignError("plain: 旗袍")) == "plain: 旗袍"


def test_a_text_of_megabytes_is_cut_and_keeps_its_remedy():
    said = str(DesignError(f"received {'x' * 1_000_000}. Name another."))
    assert len(said) < 5000 and said.startswith("received x") and said.endswith("Name another.")


def test_what_the_command_says_of_an_error_is_one_line():
    for error in (
        OSError(2, "No such file", HOSTILE),
        KeyError(HOSTILE),
        PictureError(HOSTILE, "b", "c"),
        ValueError(HOSTILE),
    ):
        assert options.explain(error)[1].isprintable()


def test_the_stream_lets_lines_and_bars_through_and_nothing_else():
    kept = io.StringIO()
    stream = PatientStream(kept)
    for _ in tqdm(range(2), file=stream, desc="designs", mininterval=0):
        pass
    stream.writelines(["two\n", "lines \x1b[1m\n"])
    print(HOSTILE, file=stream)
    bar, _, rest = kept.getvalue().partition("two\n")
    assert bar.startswith("\rdesigns:") and "\\r" not in bar and "2/2" in bar
    assert rest.startswith("lines \\x1b[1m\n") and not any(letter in rest for letter in STEERING)


@pytest.mark.parametrize(
    "words",
    [
        [HOSTILE],
        ["stylize", HOSTILE, HOSTILE, "-o", "out.png"],
        ["stylize", HOSTILE, HOSTILE, "-o", f"{HOSTILE}.docx"],
        ["stylize", HOSTILE, HOSTILE, "-o", "out.png", "--strength", HOSTILE],
        ["stylize", HOSTILE, HOSTILE, "-o", "out.png", "--debug"],
        ["designs", "--garments", HOSTILE, "--styles", HOSTILE, "--out", "out"],
        ["reproduce", HOSTILE],
        ["evaluate", HOSTILE],
        ["train", "--resume", HOSTILE],
        ["train", "--run", "run", "--garments", HOSTILE],
        ["train", "--run", "run", "--settings", HOSTILE],
        ["fork", HOSTILE],
        ["demo", "--out", f"file/{HOSTILE}"],
        ["lab", f"file/{HOSTILE}", "--copy-only"],
    ],
    ids=lambda words: words[0] if words[0].isprintable() else "none",
)
def test_a_hostile_name_in_any_command(shell, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    code, said = shell(*words)
    # a long path is cut in the middle
    assert code in (1, 2) and ("owned" in said or "all is well" in said)


def test_a_design_from_hostile_names_is_made_and_named(shell, place):
    garment, style = next((place / "garments").iterdir()), next((place / "prints").glob("=*"))
    out = str(place / f"out {HOSTILE}.png")
    code, said = shell("stylize", str(garment), str(style), "-o", out, "--size", "16")
    assert code == 0 and os.path.isfile(out)
    assert (
        "fashion-style: warning: " in said
        and "no garment could be told" in said
        and "wrote " in said
        and r"\x1b[2J" in said
    )
    code, said = shell("reproduce", out, "--look-in", str(place))
    assert code == 0 and "the same" in said
    code, said = shell(
        "designs",
        "--garments",
        str(garment.parent),
        "--styles",
        str(style.parent),
        "--out",
        str(place / "book"),
        "--size",
        "16",
    )
    assert code == 1 and said.count("left out: ") == 1 and "left out in all: 1" in said
    code, said = shell("lab", str(place / "course"), "--copy-only")
    assert code == 0 and "files copied" in said


@pytest.mark.parametrize("field", ["name", "version", "generator"])
def test_a_recipe_of_a_stranger_steers_nothing(shell, tmp_path, field):
    part = dict(name="dress.png", sha256="0" * 64)
    recipe = dict(garment=part, styles=[part], mask=None, generator=part, settings={}, pixels="1" * 64, version="0.1.0")
    steering = "\x1b[2J\x1b]0;owned\x07"
    recipe |= {"version": steering} if field == "version" else {}
    recipe |= {"garment": dict(name=steering, sha256="2" * 64)} if field == "name" else {}
    recipe |= {"generator": dict(part, name=steering)} if field == "generator" else {}
    save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "x.png", metadata={RECIPE_FIELD: json.dumps(recipe)})
    code, said = shell("reproduce", str(tmp_path / "x.png"))
    assert code == 1 and (field != "name" or r"\x1b[2J" in said)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_at_a_real_terminal(tmp_path):
    master, slave = os.openpty()
    start = "import sys; from fashion_style.cli import main; sys.exit(main())"
    words = [os.fsencode(word) for word in ("stylize", HOSTILE, HOSTILE, "-o", "out.png")]
    done = subprocess.run([sys.executable, "-c", start, *words], cwd=tmp_path, stdout=slave, stderr=slave, timeout=120)
    os.close(slave)
    said = b""
    try:
        while part := os.read(master, 65536):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(master)
    check(said)
    assert done.returncode == 1 and b"owned" in said and said.count(b"\n") == 1
