"""sources and data: a fair split, bounded memory, batches that are a pure function of (seed, step), and no crash by bad
files.
"""

import os
import shutil
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hostile import write_hostile_files

from fashion_style import data
from fashion_style.data import Batch, batches, held_out_pairs, make_batch, pipeline_speed
from fashion_style.drawing.palettes import palette_array
from fashion_style.errors import DataError, FashionStyleError, PictureError
from fashion_style.images import save_picture, to_float, to_uint8
from fashion_style.patterns import FAMILIES
from fashion_style.reading import sources
from fashion_style.reading.files import PartNames, file_share
from fashion_style.reading.sources import PictureSource, folder_source, garment_source, pattern_source

pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]
PARTS = ("content", "style", "mask")


def random_picture(seed, height=48, width=40):
    """A picture whose pixels tell pictures, places and directions apart."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_pictures(folder, count, start=0):
    """`count` different PNG files in a folder -> their paths."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    return [
        save_picture(random_picture(start + number), Path(folder) / f"{start + number:03}.png")
        for number in range(count)
    ]


def memory_source(pictures, masks=None, labels=None):
    """Arrays as a source."""
    masks = masks or [None] * len(pictures)
    return PictureSource(
        tuple(map(str, range(len(pictures)))),
        lambda index: (pictures[index], masks[index]),
        labels or ("",) * len(pictures),
    )


def equal(first, second):
    """Whether two batches are the same bit for bit."""
    return all(np.array_equal(getattr(first, part), getattr(second, part)) for part in PARTS)


# --- the split
# -------------------------------------------------------------------------------------------------------------


def contents_of(names):
    """The bytes of files, whatever they are called now."""
    return {Path(name).read_bytes() for name in names}


def test_split_is_complete_disjoint_and_near_its_share(tmp_path):
    write_pictures(tmp_path, 300)
    parts = {part: folder_source(tmp_path, part=part, held_out=0.2) for part in ("train", "held_out", "all")}
    assert set(parts["train"].names).isdisjoint(parts["held_out"].names)
    assert (
        set(parts["train"].names) | set(parts["held_out"].names) == set(parts["all"].names) and len(parts["all"]) == 300
    )
    assert 36 <= len(parts["held_out"]) <= 84  # 60 expected, standard deviation 7


def test_split_survives_renaming_moving_copying_and_new_files(tmp_path):
    paths = write_pictures(tmp_path / "a", 60)
    before = {
        part: contents_of(folder_source(tmp_path, part=part, held_out=0.3).names) for part in ("train", "held_out")
    }
    order = [Path(name).read_bytes() for name in folder_source(tmp_path, part="all").names]
    for number, path in enumerate(paths):
        (tmp_path / "b" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "b" / str(number % 3) / f"{99 - number}.PNG")
    assert order == [Path(name).read_bytes() for name in folder_source(tmp_path, part="all").names]
    shutil.copytree(tmp_path / "b", tmp_path / "copies")
    write_pictures(tmp_path / "new", 40, start=500)
    after = {
        part: contents_of(folder_source(tmp_path, part=part, held_out=0.3).names) for part in ("train", "held_out")
    }
    for part in before:
        assert before[part] <= after[part]
    assert after["train"].isdisjoint(after["held_out"])


def test_split_depends_on_the_seed(tmp_path):
    write_pictures(tmp_path, 60)
    held = [set(folder_source(tmp_path, part="held_out", held_out=0.3, seed=seed).names) for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_pictures_that_differ_only_after_64_kilobytes_are_told_apart_by_length(tmp_path):
    for length in (70_000, 70_001):
        (tmp_path / f"{length}.bmp").write_bytes(b"BM" + bytes(length))
    assert file_share(str(tmp_path / "70000.bmp"), 0) != file_share(str(tmp_path / "70001.bmp"), 0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_small_folders_have_both_parts(count, tmp_path):
    write_pictures(tmp_path, count)
    sizes = [len(folder_source(tmp_path, part=part, held_out=0.01)) for part in ("train", "held_out")]
    assert sizes == [count - 1, 1]
    assert len(folder_source(tmp_path, part="train", held_out=0)) == count


def test_one_picture_cannot_be_held_out(tmp_path):
    write_pictures(tmp_path, 1)
    assert len(folder_source(tmp_path)) == 1
    with pytest.raises(DataError):
        folder_source(tmp_path, part="held_out")


# --- folders
# -----------------------------------------------------------------------------------------------------------------


def test_unusable_folders(tmp_path):
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_text("text")
    (tmp_path / "file.png").write_text("text")
    (tmp_path / "loop").symlink_to("loop")
    for folder in (
        tmp_path / "missing",
        tmp_path / "empty",
        tmp_path / "bad",
        tmp_path / "file.png",
        tmp_path / "loop",
        [],
        None,
        3,
        [None],
        "",
        "a\0b",
        [tmp_path / "bad", tmp_path / "missing"],
    ):
        with pytest.raises(DataError) as caught:
            folder_source(folder)
        assert isinstance(caught.value, FashionStyleError) and "\n" not in str(caught.value)
    with pytest.raises(DataError, match="1 of them bad"):
        folder_source(tmp_path / "bad")
    write_pictures(tmp_path / "good", 2)
    for options in (
        dict(part="test"),
        dict(held_out=1.0),
        dict(held_out=-0.1),
        dict(working_size=0),
        dict(working_size="big"),
    ):
        with pytest.raises(DataError):
            folder_source(tmp_path / "good", **options)


def test_recursion_several_folders_hidden_files_and_links(tmp_path):
    write_pictures(tmp_path / "a", 3)
    write_pictures(tmp_path / "a" / "deep" / "deeper", 3, start=10)
    write_pictures(tmp_path / "b", 3, start=20)
    write_pictures(tmp_path / "a" / ".hidden", 3, start=30)
    (tmp_path / "a" / "._000.png").write_bytes(b"metadata of another system")
    (tmp_path / "a" / "notes.txt").write_text("no picture by its suffix")
    (tmp_path / "a" / "circle").symlink_to(tmp_path / "a")
    source = folder_source(tmp_path / "a", part="all")
    assert len(source) == 6 and source.skipped == [] and set(source.labels) == {"a", "deeper"}
    assert len(folder_source([tmp_path / "a", str(tmp_path / "b")], part="all")) == 9


def test_200_hostile_files_in_a_folder(tmp_path):
    files = write_hostile_files(tmp_path)
    write_pictures(tmp_path / "good", 5)
    source = folder_source(tmp_path, part="all", working_size=32)
    good = [index for index in range(len(source)) if source.good(index) == index]
    walked = {file.path for file in files if not (file.path.is_dir() and not file.path.is_symlink())}
    assert {Path(error.name) for error in source.skipped} | {
        Path(source.names[index]) for index in good
    } == walked | set((tmp_path / "good").iterdir())
    errors = {file.path for file in files if file.expected == "error"} & walked
    assert errors <= {Path(error.name) for error in source.skipped}
    assert len(source.skipped) + len(good) == len(walked) + 5 and len(good) > 20
    for index in good:
        picture, mask = source.load(index)
        assert min(picture.shape[:2]) <= 32 and max(picture.shape[:2]) <= 96 and mask is None
    for step in range(4):
        batch = make_batch(source, source, batch_size=16, size=16, seed=0, step=step)
        assert all(np.isfinite(getattr(batch, part)).all() for part in PARTS)
    assert f"{len(source.skipped)} bad" in source.report()


def test_working_copies(tmp_path):
    save_picture(random_picture(0, 300, 400), tmp_path / "large.jpg")
    save_picture(random_picture(1, 20, 30), tmp_path / "small.png")
    save_picture(random_picture(2, 10, 900), tmp_path / "long.png")
    source = folder_source(tmp_path, part="all", working_size=150)
    shapes = {Path(name).name: source.load(index)[0].shape for index, name in enumerate(source.names)}
    assert shapes == {"large.jpg": (150, 200, 3), "small.png": (20, 30, 3), "long.png": (10, 30, 3)}


def test_masks(tmp_path):
    picture = np.full((60, 60, 3), 240, np.uint8)
    picture[15:45, 20:40] = (180, 30, 40)
    save_picture(picture, tmp_path / "a.png")
    save_picture(random_picture(3), tmp_path / "b.png")
    source = folder_source(tmp_path, part="all", masks=True)
    index = [Path(name).name for name in source.names].index("a.png")
    mask = source.load(index)[1]
    truth = np.zeros((60, 60), bool)
    truth[15:45, 20:40] = True
    assert mask.dtype == np.uint8 and mask.shape == (60, 60)
    assert ((mask > 127) & truth).sum() / ((mask > 127) | truth).sum() > 0.8


def test_mask_that_fails_is_a_bad_file_and_no_crash(tmp_path, monkeypatch):
    write_pictures(tmp_path, 3)
    monkeypatch.setattr(sources, "garment_mask", lambda picture: 1 / 0)
    with pytest.raises(DataError, match="no garment"):
        folder_source(tmp_path, masks=True)


# --- memory
# ------------------------------------------------------------------------------------------------------------------


def test_memory_is_bounded_and_least_recently_used_goes_first():
    reads = []

    def read(index):
        reads.append(index)
        return random_picture(index, 10, 10), np.zeros((10, 10), np.uint8)

    source = PictureSource(tuple("abcdef"), read, tuple("abcdef"), cache_bytes=1200)
    for index in (0, 1, 2, 0, 3, 0, 1, 2, 2):
        source.load(index)
        assert source._used <= 1200 and source._used == 400 * len(source._kept)
    assert reads == [0, 1, 2, 3, 1, 2]


def test_picture_larger_than_the_memory_still_loads():
    source = PictureSource(("a",), lambda index: (random_picture(0), None), ("a",), cache_bytes=10)
    assert (source.load(0)[0] == random_picture(0)).all() and source._used == 0


def test_bad_file_is_read_once_and_counted_once_also_by_threads():
    reads = []

    def read(index):
        reads.append(index)
        raise PictureError(index, "bad", "Look")

    source = PictureSource(("a", "b"), read, ("", ""))
    threads = [threading.Thread(target=source.good) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert len(source.skipped) == 2
    before = len(reads)
    assert source.good() is None and len(reads) == before


def test_memory_of_bad_files_is_bounded_and_holds_no_frames():
    def read(index):
        large = bytes(10_000)
        raise PictureError(index, f"bad {len(large)}", "Look")

    source = PictureSource(range(5000), read, range(5000))
    assert source.good() is None and source.good(4000) is None
    assert source.skipped.total == 5000 and len(source.skipped) == 1000 and "5,000 bad" in source.report()
    assert all(error.__traceback__ is None for error in source.skipped)
    for _ in range(3):
        with pytest.raises(PictureError, match="4999"):
            source.load(4999)
    assert source.skipped.total == 5000


def test_next_good_picture_goes_around_the_end():
    bad = {0, 3, 4}

    def read(index):
        if index in bad:
            raise PictureError(index, "bad", "Look")
        return random_picture(index), None

    source = PictureSource(tuple("abcde"), read, ("",) * 5)
    assert [source.good(start) for start in range(5)] == [1, 1, 2, 1, 1]
    number, pair = source.load_from(4)
    assert number == 1 and (pair[0] == random_picture(1)).all()


def test_amount_in_words():
    assert memory_source([random_picture(0)] * 3).amount() == "3"
    assert PictureSource(range(10_000), None, range(10_000)).amount() == "more than 1,024"


# --- batches
# -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded():
    return garment_source(count=12, size=48), pattern_source(count=20, size=48)


def test_shapes_types_ranges(embedded):
    batch = make_batch(*embedded, batch_size=5, size=24, seed=0, step=0)
    assert isinstance(batch, Batch)
    assert batch.content.shape == batch.style.shape == (5, 24, 24, 3) and batch.mask.shape == (5, 24, 24, 1)
    for part, low in zip(PARTS, (-1, -1, 0)):
        array = getattr(batch, part)
        assert array.dtype == np.float32 and low <= array.min() < array.max() <= 1


def test_same_seed_same_batch(embedded):
    fresh = garment_source(count=12, size=48), pattern_source(count=20, size=48)
    for step in (7, 0, 123456):
        assert equal(
            make_batch(*embedded, batch_size=5, size=24, seed=3, step=step),
            make_batch(*fresh, batch_size=5, size=24, seed=3, step=step),
        )
    first = make_batch(*embedded, batch_size=5, size=24, seed=3, step=0)
    for other in (dict(seed=4, step=0), dict(seed=3, step=1)):
        assert not equal(first, make_batch(*embedded, batch_size=5, size=24, **other))


def test_windows_alone_depend_on_seed_and_step():
    source = memory_source([random_picture(0, 64, 64)])  # one picture: only windows and flips can differ
    first = make_batch(source, source, batch_size=4, size=24, seed=0, step=0)
    for other in (dict(seed=1, step=0), dict(seed=0, step=1)):
        batch = make_batch(source, source, batch_size=4, size=24, **other)
        assert (batch.content != first.content).any() and (batch.style != first.style).any()


def test_nothing_depends_on_global_random_state(embedded):
    np.random.seed(0), tf.random.set_seed(0)
    first = make_batch(*embedded, batch_size=4, size=24, seed=0, step=2)
    np.random.seed(1), tf.random.set_seed(1)
    state = np.random.get_state()[1].copy()
    assert equal(first, make_batch(*embedded, batch_size=4, size=24, seed=0, step=2))
    assert (state == np.random.get_state()[1]).all()


def taken(source_pair, count, **options):
    """The first batches of the data set."""
    return [
        Batch(*(part.numpy() for part in element if part is not None))
        for element in batches(*source_pair, batch_size=4, size=24, **options).take(count)
    ]


@pytest.mark.parametrize(
    "amount, bad, hopeless", [(8, 5, False), (8, 6, True), (4, 3, False), (100, 50, False), (100, 99, True)]
)
def test_a_source_tells_when_hardly_any_picture_can_be_read(amount, bad, hopeless):
    def read(index):
        if index < bad:
            raise PictureError(str(index), "it is gone", "Mend it")
        return np.zeros((4, 4, 3), np.uint8), None

    source = PictureSource(tuple(map(str, range(amount))), read, ("",) * amount)
    for index in np.random.default_rng(0).permutation(np.tile(np.arange(amount), 3)):
        source.load_from(int(index))
        if source.hardly_any():
            break
    assert source.hardly_any() == hopeless


@pytest.mark.parametrize("workers", [1, 4])
def test_data_set_is_make_batch_with_any_number_of_workers(embedded, workers):
    for number, batch in enumerate(taken(embedded, 12, seed=5, workers=workers)):
        assert equal(batch, make_batch(*embedded, batch_size=4, size=24, seed=5, step=number))


def test_data_set_started_at_step_k(embedded):
    whole = taken(embedded, 10, seed=5, workers=4)
    for start in (1, 7):
        for batch, expected in zip(taken(embedded, 3, seed=5, start=start, workers=2), whole[start:]):
            assert equal(batch, expected)


@pytest.mark.parametrize("start", [0, 5])
def test_repeated_batches_come_so_many_times_in_a_row(embedded, start):
    for number, batch in enumerate(taken(embedded, 7, seed=5, start=start, repeats=3), start=start):
        assert equal(batch, make_batch(*embedded, batch_size=4, size=24, seed=5, step=number // 3))


def test_data_set_has_static_shapes_and_can_be_read_twice(embedded):
    dataset = batches(*embedded, batch_size=4, size=24)
    shapes = [tuple(spec.shape) for spec in dataset.element_spec if hasattr(spec, "shape")]
    assert shapes == [(4, 24, 24, 3), (4, 24, 24, 3), (4, 24, 24, 1), (4,), (4,)], "pictures, mask, picture numbers"
    first, second = (next(iter(dataset))[0].numpy() for _ in range(2))
    assert (first == second).all()


def test_slow_pictures_do_not_change_the_order():
    """Workers that finish in another order than they began still deliver in order."""
    import time

    def read(index):
        time.sleep(0.02 * (index % 3))
        return np.full((8, 8, 3), index, np.uint8), None

    source = PictureSource(tuple(map(str, range(12))), read, ("",) * 12, cache_bytes=0)
    for number, element in enumerate(batches(source, source, batch_size=1, size=8, workers=4).take(12)):
        assert (
            element[0].numpy() == make_batch(source, source, batch_size=1, size=8, seed=0, step=number).content
        ).all()


def test_each_picture_comes_once_an_epoch():
    source = memory_source([np.full((8, 8, 3), 10 * number, np.uint8) for number in range(7)])
    seen = [
        value
        for step in range(14)
        for value in to_uint8(make_batch(source, source, batch_size=3, size=8, seed=1, step=step).content)[
            :, 0, 0, 0
        ].tolist()
    ]
    epochs = [seen[begin : begin + 7] for begin in range(0, 42, 7)]
    assert all(sorted(epoch) == [10 * number for number in range(7)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("count", [1, 2, 1023, 1024, 1025, 2048, 3000])
def test_each_number_comes_once_an_epoch_also_where_the_first_is_shuffled_in_blocks(count):
    source = PictureSource(range(count), None, range(count))
    epochs = [[data._number(source, 3, 0, epoch * count + place) for place in range(count)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    if count > 2:
        assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(count))
        other = (
            [data._number(source, 3, 1, place) for place in range(count)],
            [data._number(source, 4, 0, place) for place in range(count)],
        )
        assert epochs[0] != other[0] and epochs[0] != other[1]


def test_garments_and_styles_are_paired_anew_each_epoch():
    source = memory_source([np.full((8, 8, 3), 10 * number, np.uint8) for number in range(20)])
    pairs = []
    for step in range(2):
        batch = make_batch(source, source, batch_size=20, size=8, seed=0, step=step)
        pairs.append(set(zip(to_uint8(batch.content)[:, 0, 0, 0].tolist(), to_uint8(batch.style)[:, 0, 0, 0].tolist())))
    assert len(pairs[0] & pairs[1]) < 10


@pytest.mark.parametrize("shape", [(48, 48), (64, 40), (40, 64), (200, 30), (1, 1), (1, 9)])
def test_mask_and_picture_share_their_window(shape):
    """A garment that is white where the mask is 1, on black: after window, flip and resize both must still agree."""
    random = np.random.default_rng(0)
    masks = [
        (np.kron(random.random((40, 40)) > 0.5, np.ones((5, 5)))[: shape[0], : shape[1]] * 255).astype(np.uint8)
        for _ in range(6)
    ]
    for mask in masks:  # a black margin: beyond the picture the mask is 0
        mask[:8], mask[-8:], mask[:, :8], mask[:, -8:] = 0, 0, 0, 0
    source = memory_source([np.repeat(mask[..., None], 3, axis=2) for mask in masks], masks)
    for step in range(5):
        batch = make_batch(source, source, batch_size=6, size=32, seed=0, step=step)
        assert np.abs((batch.content[..., :1] + 1) / 2 - batch.mask).max() < 1e-5
    pairs = held_out_pairs(source, source, 6, size=32)
    assert np.abs((pairs.content[..., :1] + 1) / 2 - pairs.mask).max() < 1e-5


def test_source_without_masks_gives_ones():
    source = memory_source([random_picture(0, 60, 20)])
    assert (make_batch(source, source, batch_size=2, size=16, seed=0, step=0).mask == 1).all()


def test_windows_vary_in_place_scale_and_direction():
    ramp = np.tile(np.arange(0, 250, 2, dtype=np.uint8)[None, :, None], (125, 1, 3))
    upright = np.ascontiguousarray(ramp.transpose(1, 0, 2))
    styles = [
        make_batch(memory_source([ramp]), memory_source([picture]), batch_size=64, size=16, seed=0, step=0).style
        for picture in (ramp, upright)
    ]
    slopes = styles[0][:, 8, -1, 0] - styles[0][:, 8, 0, 0]
    falls = styles[1][:, -1, 8, 0] - styles[1][:, 0, 8, 0]
    for steps in (slopes, falls):
        assert 16 < (steps > 0).sum() < 48  # flipped about half of the time
        assert 1.5 < np.abs(steps).max() / np.abs(steps).min() < 2.2  # scale from 50 to 100 %
    garments = make_batch(
        memory_source([upright]), memory_source([ramp]), batch_size=64, size=16, seed=0, step=0
    ).content
    assert (garments[:, -1, 8, 0] > garments[:, 0, 8, 0]).all()  # garments never stand upside down


@pytest.mark.parametrize(
    "wrong",
    [
        dict(batch_size=0),
        dict(batch_size=2.5),
        dict(size=0),
        dict(seed=-1),
        dict(step=-1),
        dict(step=None),
        dict(size=True),
    ],
)
def test_wrong_numbers(embedded, wrong):
    with pytest.raises(DataError):
        make_batch(*embedded, **{**dict(batch_size=2, size=8, seed=0, step=0), **wrong})


@pytest.mark.parametrize("wrong", [dict(workers=0), dict(prefetch=-1), dict(start=-1), dict(batch_size="4")])
def test_wrong_numbers_for_the_data_set_are_refused_at_once(embedded, wrong):
    with pytest.raises(DataError):
        batches(*embedded, **{**dict(batch_size=2, size=8), **wrong})


# --- bad files while it runs
# ---------------------------------------------------------------------------------------------------


def test_bad_file_is_replaced_deterministically(tmp_path):
    paths = write_pictures(tmp_path, 8)
    styles = memory_source([random_picture(50)])
    good = folder_source(tmp_path, part="all")
    before = [make_batch(good, styles, batch_size=8, size=16, seed=0, step=step) for step in range(3)]
    victim = Path(good.names[3])
    assert victim in paths
    length = victim.stat().st_size
    damaged = bytearray(victim.read_bytes())
    damaged[length // 2 :] = bytes(length - length // 2)
    runs = []
    for _ in range(2):
        source = folder_source(tmp_path, part="all")  # scanned while good: same order; read when bad
        source._kept.clear()
        original = victim.read_bytes()
        victim.write_bytes(damaged)
        runs.append([make_batch(source, styles, batch_size=8, size=16, seed=0, step=step) for step in range(3)])
        assert [Path(error.name) for error in source.skipped] == [victim]
        victim.write_bytes(original)
    for first, second, whole in zip(*runs, before):
        assert equal(first, second)
        changed = (first.content != whole.content).any(axis=(1, 2, 3))
        assert changed.sum() == 1 and (first.style == whole.style).all()


def test_picture_deleted_midway(tmp_path):
    write_pictures(tmp_path, 10)
    source = folder_source(tmp_path, part="all", cache_bytes=0)
    stream = iter(batches(source, memory_source([random_picture(9)]), batch_size=5, size=16, workers=2, prefetch=1))
    next(stream)
    Path(source.names[4]).unlink()
    Path(source.names[7]).write_bytes(b"")
    for _ in range(12):
        assert np.isfinite(next(stream)[0].numpy()).all()
    assert {Path(error.name) for error in source.skipped} == {Path(source.names[4]), Path(source.names[7])}


def test_pictures_in_memory_survive_the_loss_of_their_files(tmp_path):
    write_pictures(tmp_path / "a", 6)
    source = folder_source(tmp_path / "a", part="all")
    first = make_batch(source, source, batch_size=6, size=16, seed=0, step=0)
    shutil.rmtree(tmp_path / "a")
    assert equal(first, make_batch(source, source, batch_size=6, size=16, seed=0, step=0)) and source.skipped == []


def test_all_pictures_lost_is_one_clear_error(tmp_path):
    write_pictures(tmp_path / "a", 4)
    source = folder_source(tmp_path / "a", part="all", cache_bytes=0)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(DataError, match="None of 4 pictures"):
        make_batch(source, source, batch_size=2, size=16, seed=0, step=0)
    with pytest.raises(tf.errors.OpError, match="None of 4 pictures"):
        next(iter(batches(source, source, batch_size=2, size=16)))


def test_picture_lost_after_it_left_the_memory(tmp_path):
    write_pictures(tmp_path, 6)
    source = folder_source(tmp_path, part="all", cache_bytes=2 * 48 * 40 * 3)  # room for two
    for index in range(6):
        source.load(index)
    for index in (0, 1, 5):
        Path(source.names[index]).unlink()
    assert source.load(5)[0].shape == (48, 40, 3)  # still in memory
    assert source.good(0) == 2 and source.skipped.total == 2
    assert np.isfinite(make_batch(source, source, batch_size=6, size=16, seed=0, step=0).content).all()


def replace_by_garbage(path, kind):
    """Harm done to a file while training runs."""
    data = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind != "deleted":
        path.write_bytes(
            {"text": b"no picture", "empty": b"", "torn": data[: len(data) // 2], "noise": os.urandom(len(data))}[kind]
        )


@pytest.mark.parametrize("kind", ["deleted", "folder", "loop", "text", "empty", "torn", "noise"])
def test_garbage_that_appears_while_training_is_skipped_and_counted(kind, tmp_path):
    write_pictures(tmp_path, 12)
    source = folder_source(tmp_path, held_out=0.2, cache_bytes=0)
    stream = iter(batches(source, memory_source([random_picture(9)]), batch_size=4, size=16, workers=2, prefetch=1))
    next(stream)
    victims = [Path(source.names[number]) for number in (1, 2, 5)]
    for victim in victims:
        replace_by_garbage(victim, kind)
    for _ in range(15):
        assert np.isfinite(next(stream)[0].numpy()).all()
    assert {Path(error.name) for error in source.skipped} == set(victims) and source.skipped.total == 3
    assert "3 bad" in source.report()


# --- many files
# ------------------------------------------------------------------------------------------------------------------


def write_many(folder, count):
    """`count` small pictures, all with other bytes: a few real ones with different ends -> the folder."""
    folder.mkdir(parents=True)
    originals = [path.read_bytes() for path in write_pictures(folder.parent / "originals", 8)]
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(originals[number % 8] + number.to_bytes(4, "big"))
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of 3,000 pictures, for tests that leave it as it is."""
    return write_many(tmp_path_factory.mktemp("many") / "styles", 3000)


@pytest.fixture
def looked(monkeypatch):
    """The files that sources look into for the split."""
    names = []

    def noted(name, seed):
        return (names.append(name), file_share(name, seed))[1]

    monkeypatch.setattr(sources, "PartNames", partial(PartNames, share=noted))
    return names


def test_start_looks_into_few_of_many_files(many, looked):
    plain = memory_source([random_picture(0)])
    source = folder_source(many)
    make_batch(plain, source, batch_size=8, size=16, seed=0, step=0)
    assert 1024 <= len(looked) < 1300
    for step in range(1, 128):
        data._chosen(source, 8, 0, 1, step)
    assert len(looked) < 1300
    assert source.amount() == "more than 1,024"
    assert len(looked) < 2600
    assert 2600 < len(source) < 2800 and len(looked) == 3000


def test_batches_of_many_files_are_a_pure_function_of_seed_and_step(many):
    plain = memory_source([random_picture(0)])
    source = folder_source(many)
    options = dict(batch_size=8, size=16, seed=5)
    expected = [make_batch(plain, source, step=step, **options) for step in range(0, 400, 9)]  # 337 steps an epoch
    for number in (40, 3, 15, 0):
        assert equal(expected[number], make_batch(plain, folder_source(many), step=9 * number, **options))
    stream = batches(plain, folder_source(many), workers=4, start=9 * 13, **options)  # ends in the second block
    for number, element in enumerate(stream.take(28)):
        if number % 9 == 0:
            assert (element[1].numpy() == expected[13 + number // 9].style).all()


def test_each_of_many_files_comes_once_an_epoch(many):
    source = folder_source(many)
    count = len(source)
    for epoch in range(2):
        numbers = [data._number(source, 0, 1, epoch * count + place) for place in range(count)]
        assert sorted(numbers) == list(range(count))
    held = folder_source(many, part="held_out")
    assert set(source.names).isdisjoint(held.names) and count + len(held) == 3000


def test_moving_the_folder_and_renaming_in_a_small_one_change_no_batch(tmp_path):
    large, small = write_many(tmp_path / "a" / "styles", 1500), tmp_path / "small"
    write_pictures(small, 20)
    plain = memory_source([random_picture(0)])

    def style(folder):
        return make_batch(plain, folder_source(folder), batch_size=8, size=16, seed=0, step=1).style

    before = style(large), style(small)
    large.rename(tmp_path / "moved")
    for path in sorted(small.iterdir()):
        path.rename(path.with_name(f"new {path.stem[::-1]}.png"))
    assert (before[0] == style(tmp_path / "moved")).all() and (before[1] == style(small)).all()


def test_exam_looks_at_1024_labels_only():
    class Noted:
        def __getitem__(self, number):
            assert number < 1024
            return "abc"[number % 3]

    source = PictureSource(Noted(), lambda index: (random_picture(index), None), Noted())
    assert held_out_pairs(source, source, 6, size=16).content.shape == (6, 16, 16, 3)


def test_files_lost_before_anybody_looked_at_them(tmp_path):
    source = folder_source(write_many(tmp_path / "styles", 1500), part="all", cache_bytes=0)
    assert source.reach(1024) == 1024
    for path in sorted((tmp_path / "styles").iterdir())[::3]:
        path.unlink()
    plain = memory_source([random_picture(0)])
    for step in (0, 100, 150, 200, 500):
        assert np.isfinite(make_batch(plain, source, batch_size=8, size=16, seed=0, step=step).style).all()
    assert source.good(0) is not None and len(source) + source.skipped.total >= 1500
    readable = {source.names[number] for number in range(len(source)) if source.good(number) == number}
    assert len(readable) == 1000 and source.skipped.total == 500


def test_all_of_many_files_lost_is_one_clear_error(tmp_path):
    source = folder_source(write_many(tmp_path / "styles", 1500), cache_bytes=0)
    shutil.rmtree(tmp_path / "styles")
    for _ in range(2):
        with pytest.raises(DataError, match=r"None of 1,\d\d\d pictures can be read \(.*no such file"):
            make_batch(source, source, batch_size=8, size=16, seed=0, step=0)
    assert len(source.skipped) == 1000 < source.skipped.total
    with pytest.raises(tf.errors.OpError, match="can be read"):
        next(iter(batches(source, source, batch_size=2, size=16)))


# --- embedded sets and held-out pairs
# --------------------------------------------------------------------------------------------


def test_embedded_parts_are_disjoint_and_repeatable():
    for make in (garment_source, pattern_source):
        train, held, both = (make(part=part, count=40, size=32) for part in ("train", "held_out", "all"))
        assert set(train.names).isdisjoint(held.names) and both.names == train.names + held.names
        assert make(count=40, size=32).names == train.names != make(count=40, size=32, seed=1).names
        assert len(train) == 40 and len(set(train.labels)) == min(40, len(set(make(count=500).labels)))
        picture, mask = train.load(1)
        again, _ = make(count=40, size=32).load(1)
        assert picture.shape == (32, 32, 3) and picture.dtype == np.uint8 and (picture == again).all()
        assert (mask is None) == (make is pattern_source)
        for wrong in (
            dict(part="x"),
            dict(count=0),
            dict(size=0),
            {"kinds" if make is garment_source else "families": ("anorak?",)},
        ):
            with pytest.raises(DataError):
                make(**wrong)


def test_a_longer_set_begins_with_the_shorter_one():
    assert pattern_source(count=30, size=32).names[:10] == pattern_source(count=10, size=32).names


def test_held_out_pairs_are_whole_unflipped_and_varied():
    pictures = [random_picture(number, 32, 32) for number in range(9)]
    contents = memory_source(pictures, labels=tuple("aaaaaabbc"))
    pairs = held_out_pairs(contents, memory_source(pictures), 9, size=32)
    known = {to_float(picture).tobytes(): number for number, picture in enumerate(pictures)}
    numbers = [known[np.ascontiguousarray(picture).tobytes()] for picture in pairs.content]
    assert sorted(numbers) == list(range(9)) and sorted(
        known[np.ascontiguousarray(picture).tobytes()] for picture in pairs.style
    ) == list(range(9))
    assert sorted("aaaaaabbc"[number] for number in numbers[:3]) == ["a", "b", "c"]
    assert equal(pairs, held_out_pairs(contents, memory_source(pictures), 9, size=32))
    assert not equal(pairs, held_out_pairs(contents, memory_source(pictures), 9, size=32, seed=1))
    assert len(held_out_pairs(contents, memory_source(pictures), 20, size=32).content) == 20


def test_held_out_pair_shows_a_tall_garment_whole():
    tall = np.full((80, 40, 3), 100, np.uint8)
    tall[0], tall[-1] = 0, 250
    pairs = held_out_pairs(memory_source([tall]), memory_source([tall]), 1, size=80)
    picture = to_uint8(pairs.content[0])
    assert (picture[0] == 0).all() and (picture[-1] == 250).all() and (picture[1:-1] == 100).all()
    assert (to_uint8(pairs.style[0]) == 100).all()


# --- speed and real folders
# --------------------------------------------------------------------------------------------------------


def test_pipeline_speed(embedded):
    assert pipeline_speed(*embedded, size=48, seconds=0.5, workers=1) > 100


def test_real_folders(shared_data):
    garments = folder_source(shared_data / "garments" / "skirt", masks=True, working_size=96)
    styles = folder_source([shared_data / "patterns", shared_data / "paintings"], working_size=96)
    assert garments.skipped == styles.skipped == [] and len(styles) > 600
    assert {"fabric", "repeat", "paintings"} == set(styles.labels)
    batch = make_batch(garments, styles, batch_size=4, size=64, seed=0, step=0)
    assert batch.content.std() > 0.1 and batch.style.std() > 0.1 and 0.05 < batch.mask.mean() < 0.95
    names = {part: set(folder_source(shared_data / "garments", part=part).names) for part in ("train", "held_out")}
    assert 40 < len(names["held_out"]) < 100 and len(names["train"] | names["held_out"]) == 700


def test_masks_do_not_depend_on_the_thread(shared_data):
    folder = shared_data / "garments" / "skirt"
    alone, together = (folder_source(folder, masks=True, working_size=64) for _ in range(2))
    threads = [threading.Thread(target=together.load, args=(index,)) for index in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    for index in range(8):
        assert (alone.load(index)[1] == together.load(index)[1]).all()


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_both_parts_hold_traditional_and_invented_palettes(part):
    source = pattern_source(part=part, count=60, size=32, families=["gingham"])
    grounds = [np.rint(255 * palette_array(palette)[0]) for palette in FAMILIES["gingham"][1:]]
    corners = [source.load(index)[0][0, 0].astype(int) for index in range(len(source))]
    traditional = sum(any(np.abs(corner - ground).max() <= 1 for ground in grounds) for corner in corners)
    assert 15 <= traditional <= 45, traditional
