"""The critic's ablation: arms differ as their names say, rows are kept and not made twice, and sentences say what the
numbers say. The opinion sheet is written from a run that trained with a critic.
"""

import pathlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import common
import critic_arms
import critic_opinion

from fashion_style.settings import TrainingSettings

TINY = ["--drawn-only", "--steps", "2", "--train-size", "32", "--batch", "2", "--count", "3", "--size", "64"]
TINY += ["--critic-pairs", "4"]


def tiny(folder, *more):
    """Arguments of two steps on drawings, everything in one folder."""
    return [*TINY, "--runs", str(folder / "runs"), "--out", str(folder / "out"), *map(str, more)]


# What an arm is -------------------------------------------------------------------------------------------------------
def test_arms_differ_as_their_names_say():
    chosen = critic_arms.options_of(["--drawn-only", "--steps", "7"])
    arms = {arm: critic_arms.arm_settings(arm, 1, chosen, TrainingSettings()) for arm in critic_arms.ARMS}
    truth, styles, dressed, alone, article = (arms[arm] for arm in critic_arms.ARMS)
    assert [one.critic_steps for one in arms.values()] == [0, 1, 1, 1, 1]
    assert [one.real_set for one in (styles, dressed, alone, article)] == ["styles", "dressed", "dressed", "styles"]
    assert [one.weights.truth for one in arms.values()] == [1, 1, 1, 0, 0]
    assert styles.weights == dressed.weights and truth.weights.adversarial == 0 < dressed.weights.adversarial
    assert (article.head, article.lessons, article.weights) == ("print", "pictures", TrainingSettings().weights)
    for one in arms.values():
        assert (one.penalty_every, one.constraint, one.critic, one.steps, one.seed) == (
            4,
            "gradient_penalty",
            "style",
            7,
            1,
        )


def test_a_light_start_gets_the_corrections_of_a_print_head():
    light, other = np.arange(9 * 4 * 3, dtype=np.float32).reshape(3, 3, 4, 3), np.ones((3, 3, 3, 8), np.float32)
    weights = [other, light, np.float32([1, 2, 3])]
    found = critic_arms.weights_for("print", TrainingSettings(head="light", width=4), weights)
    assert [array.shape for array in found] == [(3, 3, 3, 8), (3, 3, 4, 5), (5,)] and found[0] is other
    np.testing.assert_array_equal(found[1][..., :2], light[..., ::2])
    assert (found[1][..., 2:] != 0).all() and np.abs(found[2][2:]).max() < 0.1
    assert critic_arms.weights_for("light", TrainingSettings(), weights) is weights


@pytest.mark.parametrize("minutes", ["0", "9"])
def test_minutes_have_a_limit(minutes, capsys):
    with pytest.raises(SystemExit):
        critic_arms.options_of(["--drawn-only", "--minutes", minutes])
    assert "at most 8" in capsys.readouterr().err


def test_a_data_folder_that_is_named_must_be_there(tmp_path, capsys):
    with pytest.raises(SystemExit):
        critic_arms.options_of(["--data", str(tmp_path / "nowhere")])
    assert "no folder" in capsys.readouterr().err


def test_the_clock_begins_after_the_first_step_and_lowers_the_rate(monkeypatch):
    rates, stop = [], SimpleNamespace(asked=False)
    trainer = SimpleNamespace(generator_rate=SimpleNamespace(assign=rates.append, __float__=lambda self: 1.0))
    clock = critic_arms.Clock(1.0, stop)
    clock.trainer, clock.rate = trainer, 1.0
    times = iter([100.0, 130.0, 161.0])
    monkeypatch.setattr(critic_arms.time, "perf_counter", lambda: next(times))
    for asked in (False, False, True):
        clock(None)
        assert stop.asked is clock.over is asked
    assert clock.seconds == 61.0 and rates == pytest.approx([0.5, 0.0])


# Rows and sentences ---------------------------------------------------------------------------------------------------
def row_of(arm, seed, digest, **figures):
    """A row with figures that depend on the arm's place and, a little, on the seed."""
    place = critic_arms.ARMS.index(arm)
    numbers = {name: place + seed / 10 for name in critic_arms.HIGHER_IS_BETTER}
    gap = None if arm == critic_arms.TRUTH else 0.5
    rest = dict(gap=gap, dressed_higher=gap, diversity_of_prints=1.0, pairs=3, known_pairs=gap and 2)
    rest |= dict(run="gone", digest=digest)
    return dict(arm=arm, seed=seed, steps=100 - place, seconds=2.0, **numbers, **rest) | figures


@pytest.fixture
def trained(monkeypatch):
    """The arms that were asked for, [(arm, seed)]; nothing is trained."""
    asked = []

    def run_row(script, one, arm, seed, *more):
        chosen = critic_arms.options_of([one, arm, str(seed), *map(str, more)])
        settings, _, start = critic_arms.read_start(chosen.start_from)
        asked.append((arm, seed))
        return row_of(
            arm,
            seed,
            critic_arms.run_digest(critic_arms.arm_settings(arm, seed, chosen, settings), start, chosen),
        )

    monkeypatch.setattr(common, "run_row", run_row)
    return asked


def test_rows_are_added_one_by_one_and_skipped_on_a_rerun(tmp_path, trained):
    two = ["--arms", critic_arms.TRUTH, critic_arms.DRESSED, "--seeds", "0", "1"]
    table = tmp_path / "out" / "critic_arms.csv"
    critic_arms.main(tiny(tmp_path, *two[:3], "--seeds", "0"))
    assert trained == [(critic_arms.TRUTH, 0), (critic_arms.DRESSED, 0)] and len(critic_arms.read_rows(table)) == 2
    critic_arms.main(tiny(tmp_path, *two))
    assert trained[2:] == [(critic_arms.TRUTH, 1), (critic_arms.DRESSED, 1)] and len(critic_arms.read_rows(table)) == 4
    critic_arms.main(tiny(tmp_path, *two))
    assert len(trained) == 4
    critic_arms.main(tiny(tmp_path, *two, "--rate", "0.1"))
    assert len(trained) == 8 and len(critic_arms.read_rows(table)) == 8
    text = (tmp_path / "out" / "critic_arms.md").read_text(encoding="utf-8")
    assert "better quality and diversity" in text and "2.050 (2.000 to 2.100)" in text
    assert "3 held-out pairs at 64 px" in text and "2 held-out garments of known shading" in text
    assert "better in make, worse in palette, chromaticity and residue" in text


def test_a_row_is_kept_when_a_later_arm_fails(tmp_path, trained, monkeypatch):
    works = common.run_row
    monkeypatch.setattr(
        common, "run_row", lambda *told: works(*told) if critic_arms.TRUTH in told else {"failed": "no memory"}
    )
    with pytest.raises(SystemExit, match="no memory"):
        critic_arms.main(tiny(tmp_path, "--seeds", "0"))
    assert [row["arm"] for row in critic_arms.read_rows(tmp_path / "out" / "critic_arms.csv")] == [critic_arms.TRUTH]


def test_a_table_of_another_kind_is_refused(tmp_path):
    table = tmp_path / "critic_arms.csv"
    table.write_text("arm,price\ntruth alone,3\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="other columns"):
        critic_arms.read_rows(table)


def rows_of(figures):
    """{(arm, seed): row}; figures: {arm: {figure: one number a seed}}, of other figures 1."""
    rows = {}
    for arm, found in figures.items():
        for seed in range(3):
            numbers = dict.fromkeys(critic_arms.HIGHER_IS_BETTER, 1.0)
            rows[arm, seed] = row_of(arm, seed, "0", **numbers | {name: found[name][seed] for name in found})
    return rows


def test_a_difference_is_shown_if_it_exceeds_the_range_of_the_seeds():
    first, second = critic_arms.DRESSED, critic_arms.TRUTH
    rows = rows_of({first: dict(make=[0.8, 0.9, 0.85], palette=[4, 4.2, 4.1]), second: dict(palette=[5, 5.1, 5.2])})
    make, palette = (critic_arms.compare(rows, first, second, figure) for figure in ("make", "palette"))
    assert (make["verdict"], make["better"]) == ("more than the seeds differ: worse", False)
    assert palette["mean"] == pytest.approx(-1) and palette["better"] is True
    rows[first, 2]["make"] = 1.2
    found = critic_arms.compare(rows, first, second, "make")
    assert (found["verdict"], found["better"]) == ("not more than the seeds differ", None)
    alone = {key: row for key, row in rows.items() if key[1] == 0}
    assert "one seed" in critic_arms.compare(alone, first, second, "palette")["verdict"]
    assert critic_arms.compare(alone, first, critic_arms.ALONE, "palette") is None
    assert "cannot bear the claim out" in critic_arms.claim_sentences(alone, first, second)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (dict(make=[2, 2, 2], diversity=[3, 3, 3]), "quality is better, and the claim is borne out"),
        (dict(make=[2, 2, 2]), "quality is better, and the claim is not borne out"),
        (dict(make=[2, 2, 2], palette=[2, 2, 2]), "quality is mixed, and the claim is not"),
        (dict(palette=[2, 2, 2], diversity=[3, 3, 3]), "quality is worse, and the claim is not"),
        ({}, "no difference of quality is shown, and the claim is not"),
    ],
)
def test_the_claim_is_judged_by_the_numbers(figures, words):
    rows = rows_of({critic_arms.DRESSED: figures, critic_arms.TRUTH: {}})
    assert words in critic_arms.claim_sentences(rows, critic_arms.DRESSED, critic_arms.TRUTH)
    assert critic_arms.claim_sentences(rows, critic_arms.ARTICLE, critic_arms.TRUTH) == ""


def test_an_interrupted_arm_leaves_no_row(tmp_path, monkeypatch):
    import fashion_style.runs.loop

    def interrupted(folder, *told, watchers, **more):
        watchers.stop.asked = True
        return SimpleNamespace(reason="stopped")

    monkeypatch.setattr(fashion_style.runs.loop, "train", interrupted)
    for clock in (["--steps", "5"], ["--minutes", "5"]):
        chosen = critic_arms.options_of(["--drawn-only", *clock, "--runs", str(tmp_path)])
        with pytest.raises(SystemExit, match="begins anew"):
            critic_arms.train_arm(critic_arms.TRUTH, 0, chosen)


def test_training_pictures_are_read_once(tmp_path, monkeypatch):
    from fashion_style.garments import draw_garment
    from fashion_style.images import save_picture
    from fashion_style.patterns import draw_pattern
    from fashion_style.reading import run_sources

    for number in range(12):
        for folder, picture in (
            ("garments/coat", draw_garment("coat", 64, number).picture),
            ("patterns", draw_pattern("stripe", 48, number)),
            ("paintings", draw_pattern("paisley", 48, number)),
        ):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            save_picture(picture, tmp_path / "data" / folder / f"{number}.png")
    monkeypatch.setattr(run_sources, "DRAWINGS_OF_A_KIND", 1)
    chosen = critic_arms.options_of(["--data", str(tmp_path / "data"), "--runs", str(tmp_path), "--train-size", "32"])
    critic_arms.prepare_pictures(chosen)
    monkeypatch.setattr(run_sources, "picture_sources", None)  # the file is there: nothing is read again
    critic_arms.prepare_pictures(chosen)
    garments, styles = critic_arms.training_sources(chosen)
    drawn = len(run_sources.GARMENT_KINDS), len(run_sources.PATTERN_FAMILIES)
    assert drawn[0] < len(garments) <= drawn[0] + 12 and drawn[1] < len(styles) <= drawn[1] + 24
    picture, mask = garments.load(len(garments) - 1)
    assert picture.dtype == mask.dtype == np.uint8 and picture.shape[:2] == mask.shape and mask.max() == 255
    assert styles.load(0)[1] is None
    (tmp_path / "data" / "patterns" / "0.png").unlink()
    assert not critic_arms.pictures_file(chosen).is_file()


def test_a_sheet_stays_below_its_bytes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert common.save_jpeg(noise, tmp_path / "sheet.jpg", 20_000).stat().st_size <= 20_000


# A run of two steps ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(row, options) of an arm that was trained for two steps on drawings with a critic."""
    chosen = critic_arms.options_of(tiny(tmp_path_factory.mktemp("arms"), "--arms", critic_arms.DRESSED, "--seeds", 0))
    return critic_arms.train_arm(critic_arms.DRESSED, 0, chosen), chosen


def test_an_arm_leaves_a_row_that_the_next_run_finds_and_a_sheet(run):
    row, chosen = run
    assert set(row) == set(critic_arms.COLUMNS) and row["steps"] == 2
    assert all(np.isfinite(row[name]) for name in (*critic_arms.HIGHER_IS_BETTER, *critic_arms.CRITICS))
    critic_arms.add_row(chosen.out / "critic_arms.csv", row)
    wanted = critic_arms.wanted_digests(chosen)
    rows = critic_arms.finished_rows(chosen.out / "critic_arms.csv", wanted)
    assert list(rows) == [(critic_arms.DRESSED, 0)]
    critic_arms.write_sheet(rows, chosen)
    with Image.open(chosen.out / "critic_arms.jpg") as sheet:
        assert sheet.width > 3 * 144 and sheet.height > 3 * 144


def test_a_critics_opinion_is_drawn(run, capsys):
    row, chosen = run
    place = ["--run", str(chosen.runs / row["run"]), "--out", str(chosen.out)]
    critic_opinion.main([*place, "--drawn-only", "--count", "6", "--shown", "2"])
    line = capsys.readouterr().out
    assert "the critic's mean score is" in line and "truly dressed scores higher in" in line
    sheet = chosen.out / "critic_opinion.jpg"
    assert sheet.stat().st_size <= critic_opinion.SHEET_BYTES
    with Image.open(sheet) as picture:
        assert picture.width == 6 * (critic_opinion.CELL + 4) + 4


def test_heat_lies_inside_the_mask_only():
    picture, mask = np.full((16, 16, 3), 0.5, np.float32), np.zeros((16, 16, 1), np.float32)
    mask[:, 8:] = 1
    found = critic_opinion.heat(picture, np.float32([[0, 0], [1, 1]]), mask, (0.0, 1.0))
    np.testing.assert_allclose(found[:, :8], 0.5)
    assert np.ptp(found[0, 12]) > 0.1 and not np.allclose(found[0, 12], found[15, 12])
