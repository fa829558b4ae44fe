"""The benchmarks compare what can be compared: the loops make the same step, and the figures drawn from their rows are
what they are called.
"""

import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import common
import inside
import memory
import speed

FAST, SLOW = dict(seconds=[1.0, 2.0, 4.0], batch=8, size=100), dict(seconds=[8.0, 10.0, 16.0], batch=4, size=200)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start file of two pairs of 32 px, with random weights of VGG19 where there are no real ones."""
    path = tmp_path_factory.mktemp("start") / "start.npz"
    common.must(common.run_row("start.py", "--out", path, "--size", 32, "--batch", 2))
    return path


@pytest.fixture(scope="module")
def torch_python():
    """A Python that has PyTorch: this one, or that of the environment that `make bench` builds."""
    pythons = [
        path for path in (pathlib.Path(sys.executable), ROOT / ".venv-torch" / "bin" / "python") if path.is_file()
    ]
    python = next((path for path in pythons if common.ask_python("import torch; print(torch.__version__)", path)), None)
    if python is None:
        pytest.skip("needs PyTorch: neither this Python nor .venv-torch has it (make bench installs it there)")
    return python


def differences(start, first, second):
    """Relative differences of two loops after two steps, losses of all layers; each loop: (script, python, further
    arguments).
    """
    saved = []
    for script, python, *more in (first, second):
        saved.append(start.with_name(f"{script}{''.join(more)}.npz"))
        common.must(
            common.run_row(
                script, "--start", start, "--layers", "deep", "--steps", 1, "--save", saved[-1], *more, python=python
            )
        )
    return common.compare_outcomes(start, *saved)


def test_ours_is_the_articles_step(start):
    found = differences(start, ("our_loop.py", sys.executable), ("article_loop.py", sys.executable))
    assert max(found.values()) < common.TOLERANCE, found


def test_the_step_in_pytorch_is_the_articles(start, torch_python):
    found = differences(
        start, ("torch_loop.py", torch_python, "--double"), ("article_loop.py", sys.executable, "--double")
    )
    assert max(found.values()) < common.TOLERANCE, found


def test_memory_above_the_start_counts_what_came_before_the_first_step():
    row, results = common.measure_steps(lambda: 7, 2, base=1.0)
    assert row["base_mib"] == 1.0 and row["peak_mib"] > 1.0 and results == [7, 7, 7]


def test_titles_of_the_memory_table_differ():
    row = dict(peak_mib=300.0, base_mib=100.0, seconds=[2.0])
    titles = memory.table([(1, False, row)]).splitlines()[0].strip("| ").split(" | ")
    assert len(titles) == len(set(titles)) == 7


def test_a_ratio_ranges_from_slow_over_fast_to_fast_over_slow():
    assert speed.speed_range(FAST) == (4.0, 2.0, 8.0)
    assert speed.ratio_range(FAST, SLOW) == pytest.approx((10.0, 4.0, 32.0))
    assert speed.ratio_range(FAST, SLOW, pixels=True) == pytest.approx((2.5, 1.0, 8.0))
    assert speed.ratio_range(FAST, {"failed": "no compiler"}) is None


def test_an_aim_is_judged_by_the_whole_range():
    verdicts = {aim: speed.verdict((10.0, 4.0, 32.0), aim) for aim in (None, 4.0, 9.0, 11.0, 33.0)}
    assert verdicts == {
        None: "",
        4.0: "met in the whole range",
        9.0: "met at the median, not in the whole range",
        11.0: "missed at the median, not in the whole range",
        33.0: "missed in the whole range",
    }
    assert speed.verdict(None, 3.0) == "not measured"


# First steps ----------------------------------------------------------------------------------------------------------
def test_a_row_tells_its_first_and_its_second_step(monkeypatch):
    row, results = common.measure_steps(iter(range(9)).__next__, 2)
    assert results == [0, 1, 2] and row["second"] == row["seconds"][0] and row["first"] > 0
    monkeypatch.setattr(common, "time_steps", lambda step, count: ([next(clock) for _ in range(count)], [None] * count))
    clock = iter([9.0, 0.5, 0.4, 0.3])
    row, _ = common.measure_steps(None, 2, warm_up=2)
    assert (row["first"], row["second"], row["seconds"]) == (9.0, 0.5, [0.4, 0.3])
    clock = iter([9.0])
    assert common.measure_steps(None, 0)[0]["second"] is None


def test_first_steps_are_told_tree_by_tree_with_their_range():
    chosen = SimpleNamespace(recipe_size=128, before="there", before_words="traced with AutoGraph")
    found = {("recipe demo", "now"): [(9.0, 0.5), (11.0, 0.4)], ("recipe demo", "before"): [(14.0, 0.5)]}
    text = speed.first_steps_text(found, chosen, {"rounds": 2})
    assert "| recipe demo | now | 10.0 (9.0 to 11.0) | 0.45 (0.40 to 0.50) |" in text
    assert "| recipe demo | before | 14.0 (14.0 to 14.0) | 0.50 (0.50 to 0.50) |" in text
    assert "Before: traced with AutoGraph." in text and "rounds 2" in text


def test_first_steps_are_a_part_of_their_own():
    chosen = speed.options_of(["--first-steps", "--before", "there", "an older tree"])
    assert (chosen.first_steps, chosen.before, chosen.before_words) == (True, "there", "an older tree")
    assert not speed.options_of([]).first_steps and speed.options_of([]).before is None


# Inside the garment ---------------------------------------------------------------------------------------------------
def test_figures_inside_the_garment_are_written_as_a_page_a_table_and_a_sheet(shared_data, tmp_path):
    photos = sorted((shared_data / "garments").rglob("*.jpg"))
    flat = next((shared_data / "flats").glob("*.png"))
    kinds = [f"{photo.relative_to(shared_data).as_posix()},plain,," for photo in photos]
    lines = ["file,kind,split,reason", *kinds, f"flats/{flat.name},flat,,"]
    table = common.write_text(tmp_path / "kinds.csv", "\n".join(lines) + "\n")
    command = [sys.executable, ROOT / "benchmarks" / "inside.py", "--data", shared_data, "--out", tmp_path, "--quick"]
    command = [*map(str, command), "--kinds", str(table)]
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=str(ROOT))
    subprocess.run(command, check=True, capture_output=True, env=environment)
    page = (tmp_path / "inside.md").read_text(encoding="utf-8")
    for words in ("| plain | 2 | generator |", "| flat (none held out) | 1 | paste and shade |", f"| {inside.TRUE} |"):
        assert words in page
    rows = {line.split(",")[2] for line in (tmp_path / "inside.csv").read_text(encoding="utf-8").splitlines()[1:]}
    assert {"paste and shade", "generator"} < rows
    assert 5_000 < (tmp_path / "inside_sheet.jpg").stat().st_size <= 300_000


def test_kinds_without_a_held_out_file_give_all_of_theirs():
    kinds = {"a": "knit", "b": "knit", "c": "flat", "d": "flat", "e": "knit"}
    assert inside.kind_files(kinds, {"b", "e"}) == [
        ("c", "flat", False),
        ("d", "flat", False),
        ("b", "knit", True),
        ("e", "knit", True),
    ]


def test_a_ratio_of_means_has_the_pairs_own_interval():
    others = [1.0, 2.0, 5.0]
    assert inside.ratio_interval([2.0, 4.0, 10.0], others) == pytest.approx((2, 2, 2))
    ratio, low, high = inside.ratio_interval([5.0, 2.0, 1.0], others)
    assert ratio == 1 and low < 0.5 and high > 2


def test_generators_of_the_inside_table_are_named():
    assert inside.options_of(["--data", "there"]).rows == {"generator": None}
    assert inside.options_of(["--data", "there", "--weights", "a=x=y", "b=z"]).rows == {"a": "x=y", "b": "z"}
    with pytest.raises(SystemExit):
        inside.options_of(["--data", "there", "--weights", "x"])
