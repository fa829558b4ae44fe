"""Files: compact names, the split by bytes, and a row found block by block, always the same whoever asks first."""

import hashlib
import os
import threading
import tracemalloc
from itertools import count, groupby
from pathlib import Path

import numpy as np
import pytest

from fashion_style.errors import DataError, PictureError
from fashion_style.reading.files import (
    FIRST_LOOK,
    FileNames,
    FolderLabels,
    PartNames,
    SkippedFiles,
    file_share,
    held_out_limit,
    list_pictures,
)


def toy_share(name, seed):
    """A share that the name and the seed decide, as an independent stand-in for the bytes of a file."""
    return int.from_bytes(hashlib.md5(f"{seed} {name}".encode()).digest()[:6], "big") / 2**48


def toy_row(number, part="train", held_out=0.1, seed=0, *, share=toy_share, **options):
    """The row of a part of files called "0", "1", ... -> (row, names that were looked at)."""
    looked = []

    def noted(name, seed):
        return (looked.append(name), share(name, seed))[1]

    return (
        PartNames(tuple(map(str, range(number))), part, held_out, seed, SkippedFiles(), share=noted, **options),
        looked,
    )


# --- names
# ---------------------------------------------------------------------------------------------------------------------


def file_names(*paths):
    """Paths as `FileNames`, one folder after the other."""
    row = FileNames()
    for folder, group in groupby(map(os.path.split, paths), key=lambda path: path[0]):
        row.extend(folder, [name for _, name in group])
    return row


def test_names_read_like_a_tuple():
    names = [
        "a",
        "größe.png",
        "日本.jpg",
        os.fsdecode(b"not utf-8 \xff.png"),
        "/a/b c/d\n.gif",
        "/a/b c/e.gif",
        "/a/f.gif",
        "rel/g.gif",
    ]
    row = file_names(*names)
    assert list(row) == names and len(row) == 8 and row[-1] == names[-1] and row[1:3] == tuple(names[1:3])
    assert "größe.png" in row and "x" not in row and row.index("日本.jpg") == 2
    for wrong in (8, -9):
        with pytest.raises(IndexError):
            row[wrong]
    assert list(FileNames()) == [] and len(FileNames()) == 0


def test_folders_without_files_do_not_confuse_the_names():
    row = FileNames()
    for folder, names in (("a", []), ("b", ["1", "2"]), ("c", []), ("d", []), ("e", ["3"]), ("f", [])):
        row.extend(folder, names)
    assert list(row) == ["b/1", "b/2", "e/3"]


def test_names_take_little_more_than_their_letters():
    tracemalloc.start()
    row = FileNames()
    row.extend("/some/long/folder/of/pictures", (f"{number:08}.jpg" for number in range(30_000)))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken / len(row) < 1.3 * (len("00000000.jpg") + 8)


def test_labels_are_the_folders():
    labels = FolderLabels(file_names("/a/b/c.png", "/a/d.png", "e.png"))
    assert list(labels) == ["b", "a", ""] and len(labels) == 3 and labels[-2:] == ("a", "")


def test_skipped_files_are_bounded_and_hold_no_frames():
    skipped = SkippedFiles()

    def fail(number):
        large = bytes(100_000)
        try:
            raise PictureError(number, f"reason {len(large)}", "remedy")
        except PictureError as error:
            skipped.add(error)

    threads = [threading.Thread(target=lambda: [fail(number) for number in range(500)]) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert skipped.total == 4000 and len(skipped) == 1000
    assert all(error.__traceback__ is None and error.__context__ is None for error in skipped)
    assert str(skipped[0]) == "0: reason 100000. remedy."


# --- shares and the line
# ----------------------------------------------------------------------------------------------------------


def test_share_is_what_the_hash_says(tmp_path):
    data = b"picture " * 20_000
    (tmp_path / "a").write_bytes(data)
    digest = hashlib.sha256(b"7:160000:" + data[:65536]).hexdigest()
    assert file_share(tmp_path / "a", 7) == int(digest[:12], 16) / 16**12


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_files_that_have_no_share(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("empty", "folder", "loop", "pipe", "missing"):
        with pytest.raises(PictureError):
            file_share(tmp_path / name, 0)


def brute_limit(shares, held_out):
    """The files that are held out when all shares are known, as a set, by counting."""
    distinct = sorted(set(shares))
    number = sum(share < held_out for share in distinct)
    if held_out > 0 and len(distinct) > 1:
        number = min(max(number, 1), len(distinct) - 1)
    return set(distinct[:number])


def test_line_agrees_with_counting():
    random = np.random.default_rng(0)
    for _ in range(500):
        shares = random.choice(random.random(6), size=random.integers(0, 6)).tolist()
        held_out = float(random.choice([0, 0.01, 0.3, 0.7, 0.99]))
        limit = held_out_limit(iter(shares), held_out)
        assert {share for share in shares if share < limit} == brute_limit(shares, held_out)


def test_line_looks_no_further_than_it_must():
    shares = count(1)
    assert held_out_limit((0.05 if number == 5 else 0.5 for number in shares), 0.1) == 0.1 and next(shares) == 6
    assert held_out_limit((1 / 0 for _ in range(1)), 0) == 0
    # and is not quadratic
    assert held_out_limit((0.1 + number / 1e6 for number in range(100_000)), 1e-9) == 0.1 + 1 / 1e6


# --- the row of a part
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 3, 10, 100, 5000])
@pytest.mark.parametrize("held_out", [0, 0.01, 0.1, 0.9])
def test_parts_are_complete_and_disjoint(number, held_out):
    train, held, whole = (list(toy_row(number, part, held_out, block=64)[0]) for part in ("train", "held_out", "all"))
    assert sorted(train + held) == sorted(whole) == sorted(map(str, range(number)))
    expected = brute_limit([toy_share(name, 0) for name in whole], held_out)
    assert set(held) == {name for name in whole if toy_share(name, 0) in expected}


def test_name_q_does_not_depend_on_who_asks_first():
    whole = list(toy_row(700, block=16)[0])
    for places in (
        [0, 1, 2, 600],
        [600, 3],
        [-1, 0],
        [15, 16, 17],
        list(np.random.default_rng(0).permutation(600)[:50].tolist()),
    ):
        row, _ = toy_row(700, block=16)
        assert [row[place] for place in places] == [whole[place] for place in places]
    assert whole != list(toy_row(700, block=16, seed=1)[0])


def test_order_is_shuffled():
    order = np.array(list(map(int, toy_row(5000)[0])))
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.1


def test_threads_see_the_same_row():
    whole, (row, looked) = list(toy_row(3000, block=32)[0]), toy_row(3000, block=32)
    seen = [None] * 8

    def ask(thread):
        places = np.random.default_rng(thread).permutation(len(whole))[:400].tolist()
        seen[thread] = all(row[place] == whole[place] for place in places)

    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert seen == [True] * 8 and len(looked) == len(set(looked)) <= 3000


@pytest.mark.parametrize("number", [5_000, 20_000, 80_000])
def test_looks_for_the_first_pictures_do_not_depend_on_the_number_of_files(number):
    row, looked = toy_row(number)
    assert len(looked) < 100  # the line between the parts
    row[0], row[FIRST_LOOK - 1]
    assert FIRST_LOOK <= len(looked) < 1.3 * FIRST_LOOK
    row[FIRST_LOOK]
    assert len(looked) < 2.5 * FIRST_LOOK


def test_len_looks_at_each_file_once():
    row, looked = toy_row(3000)
    assert len(row) == len(list(row)) == len(row) and len(looked) == 3000


def test_row_of_one_block_does_not_depend_on_the_order_of_names():
    forward = tuple(map(str, range(900)))
    rows = [
        list(PartNames(names, "train", 0.1, 0, SkippedFiles(), share=toy_share)) for names in (forward, forward[::-1])
    ]
    assert rows[0] == rows[1]


def test_interrupted_walk_goes_on_where_it_stood():
    """Ctrl-C in the middle of a block loses no file and finds none twice."""
    calls = count(1)

    def share(name, seed):
        if next(calls) % 97 == 0:
            raise KeyboardInterrupt
        return toy_share(name, seed)

    row, interrupts = None, 0
    while row is None or row._done[0] < 1000:
        try:
            row = row or toy_row(1000, share=share, block=50)[0]
            len(row)
        except KeyboardInterrupt:
            interrupts += 1
    assert interrupts > 5 and list(row) == list(toy_row(1000, block=50)[0])


def test_files_without_a_share_are_left_out_and_counted_once():
    def share(name, seed):
        if int(name) % 3 == 0:
            raise PictureError(name, "bad", "Look")
        return toy_share(name, seed)

    skipped = SkippedFiles()
    rows = [
        PartNames(tuple(map(str, range(90))), part, 0.2, 0, skipped, share=share, block=8)
        for part in ("train", "held_out")
    ]
    assert sorted(int(name) for row in rows for name in row) == [number for number in range(90) if number % 3]
    assert skipped.total == 60  # 30 bad files, met by both rows


@pytest.mark.parametrize(
    "wrong", [dict(part="test"), dict(held_out=1), dict(held_out=-0.1), dict(seed=-1), dict(seed=1.5), dict(seed=True)]
)
def test_wrong_arguments(wrong):
    with pytest.raises(DataError):
        PartNames(("a",), **{**dict(part="train", held_out=0.1, seed=0, skipped=SkippedFiles()), **wrong})


# Folders
# ---------------------------------------------------------------------------------------------------------------------


def test_listing_is_sorted_and_opens_nothing(tmp_path, monkeypatch):
    for name in ("b/2.PNG", "b/1.jpg", "a/z.webp", "a/.hidden.png", ".git/x.png", "c/notes.txt", "top.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    monkeypatch.setattr("builtins.open", None)
    found = [Path(name).relative_to(tmp_path).as_posix() for name in list_pictures(tmp_path, SkippedFiles())]
    assert found == ["top.gif", "a/z.webp", "b/1.jpg", "b/2.PNG"]
    both = list_pictures([tmp_path / "a", str(tmp_path / "b")], SkippedFiles())
    assert [Path(name).name for name in both][:1] == ["z.webp"]
