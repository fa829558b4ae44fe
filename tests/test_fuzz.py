"""A short run of the fuzz; the long one is `python tests/fuzz.py --files 2000`."""

import fuzz
import fuzz_files
import numpy as np
import pytest


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    fuzz.KEEP = tmp_path_factory.mktemp("escapes")
    return fuzz.run(60, seed=1, workers=1)


def test_no_spoilt_file_escapes(results):
    escapes = [(number, kind, words) for number, kind, outcome, words, _ in results if outcome == "escaped"]
    assert not escapes, escapes


def test_every_kind_is_opened_and_most_are_refused(results):
    assert len(results) == 60 and {kind for _, kind, *_ in results} == set(fuzz_files.FILES)
    outcomes = [outcome for _, _, outcome, *_ in results]
    assert outcomes.count("refused") > 20 and outcomes.count("opened") > 6
    assert "all" in fuzz.table(results) and max(result[-1] for result in results) < fuzz.HANG


def test_an_escape_is_seen_named_and_kept(tmp_path, monkeypatch):
    """A child that dies, one that hangs and one that raises something else."""
    script = tmp_path / "fuzz_worker.py"
    script.write_text(
        "import sys, os, time, json\n"
        "def case(folder, seed, number, place): (place / 'spoilt').write_text(str(number))\n"
        "def main():\n"
        "    print(json.dumps('ready'), flush=True)\n"
        "    for number in map(int, sys.stdin):\n"
        "        if number == 0: os.kill(os.getpid(), 9)\n"
        "        if number == 1: time.sleep(60)\n"
        "        print(json.dumps([number, 'x', 'escaped' if number == 2 else 'opened', 'words', 0.0]), flush=True)\n"
        "if __name__ == '__main__': main()\n"
    )
    import fuzz_worker

    monkeypatch.setattr(fuzz, "HERE", tmp_path)
    monkeypatch.setattr(fuzz, "HANG", 2.0)
    monkeypatch.setattr(fuzz, "KEEP", tmp_path / "kept")
    monkeypatch.setattr(fuzz_worker, "case", lambda folder, seed, number, place: (place / "spoilt").touch())
    found = fuzz.run(4, seed=0, workers=1)
    assert [outcome for _, _, outcome, *_ in found] == ["escaped", "escaped", "escaped", "opened"]
    assert "crash" in found[0][3] and "hang" in found[1][3] and found[2][3] == "words"
    assert (
        len(list((tmp_path / "kept").glob("*/traceback.txt"))) == 3 == len(list((tmp_path / "kept").glob("*/spoilt")))
    )


def test_a_number_and_a_seed_make_the_same_file():
    data = b'{"steps": 4, "weights": {"style": 2.0}, "style_layers": ["block1_conv1"]}'
    for spoil in (fuzz_files.spoil_json, fuzz_files.spoil_bytes, fuzz_files.spoil_text, fuzz_files.spoil_lines):
        made = [spoil(data, np.random.default_rng([0, number])) for number in range(40)]
        assert made == [spoil(data, np.random.default_rng([0, number])) for number in range(40)]
        assert len(set(made)) > 20
