"""Files of strangers: kind and size, JSON, arrays; what is planted is refused before it costs anything."""

import io
import os
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from fashion_style.bounded_files import file_bytes, json_depth, open_file, parse_json, read_json
from fashion_style.errors import FashionStyleError, FileError, TrainingError, WeightsError
from fashion_style.features import read_embedded_weights, read_vgg19_weights
from fashion_style.guards.bounded_arrays import ArrayLimits, read_h5, read_npz
from fashion_style.runs.events import read_events
from fashion_style.runs.history import read_history
from fashion_style.runs.weights import load_generator
from fashion_style.settings import read_settings


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def archive(*members):
    """A ZIP of (name, header of the array, bytes of numbers)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, header, numbers in members:
            member = io.BytesIO()
            np.lib.format.write_array_header_1_0(member, header)
            file.writestr(name, member.getvalue() + numbers)
    return buffer.getvalue()


NEEDS_PIPES = pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")


def header(shape, descr="<f8"):
    return dict(descr=descr, fortran_order=False, shape=shape)


@NEEDS_PIPES
def test_only_regular_files_of_the_right_size_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "note").write_bytes(b"12345")
    for path, limits in {"pipe": {}, "link": {}, ".": {}, "note": dict(most=4)}.items():
        with pytest.raises(FileError), open_file(tmp_path / path, **limits):
            raise AssertionError("it was opened")
    with pytest.raises(FileError, match="5 bytes, expected 6 to 9"):
        file_bytes(tmp_path / "note", least=6, most=9)
    with pytest.raises(FileNotFoundError):
        file_bytes(tmp_path / "none", most=9)
    assert file_bytes(tmp_path / "note", least=5, most=5) == b"12345"


def test_no_handle_stays_open_after_a_refusal(tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        with pytest.raises(FileError):
            file_bytes(tmp_path, most=1)
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.parametrize(
    "text, depth", [("1", 0), ("[]", 1), ('{"a": [1, [2]], "b": "[[["}', 3), (r'["\"[", "]"]', 1), ("[[1],[[2]]]", 3)]
)
def test_depth_of_json_by_hand(text, depth):
    assert json_depth(text.encode()) == depth


def test_json_beyond_its_limits(tmp_path):
    for text in ("[" * 50 + "]" * 50, "[" * 100_000, "x", "", '{"a": 1', " " * 5_000_000, "9" * 5000, b"\xff\xfe"):
        with pytest.raises(FileError) as caught:
            parse_json(text, "note.json")
        assert isinstance(caught.value, (FashionStyleError, ValueError)) and "note.json" in str(caught.value)
    (tmp_path / "good.json").write_text('{"steps": [1, 2]}')
    assert read_json(tmp_path / "good.json") == {"steps": [1, 2]}


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.float32(1), np.zeros((0, 3)), np.array("text"), np.array([True]), 7]
)
def test_arrays_come_back_as_they_were(array):
    back = read_npz(npz(one=array, two=np.asfortranarray(np.ones((2, 3)))), "good.npz")
    assert list(back) == ["one", "two"] and back["two"].flags.f_contiguous
    np.testing.assert_array_equal(back["one"], array)
    assert back["one"].dtype == np.asarray(array).dtype and back["one"].shape == np.shape(array)


PLANTED = {
    "claims a terabyte": archive(("a.npy", header((10**6, 125_000)), b"")),
    "claims more than it has": archive(("a.npy", header((4,)), bytes(8))),
    "has more than it claims": archive(("a.npy", header((1,)), bytes(80))),
    "negative": archive(("a.npy", header((-1,)), bytes(8))),
    "too many axes": archive(("a.npy", header((1,) * 20), bytes(8))),
    "unpacks to 80 MB": archive(("a.npy", header((10**7,)), bytes(8 * 10**7))),
    "the same name twice": archive(("a.npy", header((1,)), bytes(8)), ("a.npy", header((1,)), bytes(8))),
    "objects": npz(a=np.array([print], object)),
    "a structure": npz(a=np.zeros(2, [("x", "f4"), ("y", "O")])),
    "many arrays": npz(**{f"a{number}": 0 for number in range(60)}),
    "no archive": b"PK nothing",
    "empty": b"",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", PLANTED)
def test_planted_archives_are_refused_and_cost_no_memory(name):
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match="planted.npz"):
            read_npz(PLANTED[name], "planted.npz", ArrayLimits(memory=10**7, arrays=50))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_h5_links_and_claims_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["conv/bias"], file["conv/kernel"] = np.zeros(4, "f4"), np.ones((3, 3, 2, 4), "f4")
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["outside"] = h5py.ExternalLink(str(tmp_path / "good.h5"), "conv")
        file["soft"] = h5py.SoftLink("/outside")
        file.create_dataset("claims/kernel", (10**6, 125_000), "f8", chunks=(100, 100))
        file.create_dataset("kept/kernel", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "good.h5"), "conv/bias", (4,))
        file.create_group("virtual").create_virtual_dataset("kernel", layout)
        file.create_dataset("texts/kernel", data=["a", "b"])
    assert [array.ndim for array in read_h5(tmp_path / "good.h5", ["conv"])["conv"]] == [4, 1]
    for group in ("outside", "soft", "claims", "kept", "virtual", "texts", "none"):
        with pytest.raises(FileError, match="bad.h5"):
            read_h5(tmp_path / "bad.h5", [group])


@NEEDS_PIPES
def test_every_reader_of_strangers_files_refuses_a_pipe_and_a_claim_with_its_own_error(tmp_path):
    (tmp_path / "claims.npz").write_bytes(PLANTED["claims a terabyte"])
    (tmp_path / "deep.json").write_text("[" * 100_000)
    os.mkfifo(tmp_path / "pipe")
    for read, kind in (
        (load_generator, TrainingError),
        (read_embedded_weights, WeightsError),
        (read_settings, TrainingError),
        (lambda path: read_vgg19_weights(path, ["block1_conv1"]), WeightsError),
    ):
        for name in ("pipe", "claims.npz", "deep.json"):
            with pytest.raises(kind, match=name):
                read(tmp_path / name)


def test_a_limit_allocates_nothing(tmp_path):
    """Python's `read(n)` asks for n bytes before it looks: the limit must not be what is asked for."""
    (tmp_path / "note").write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert file_bytes(tmp_path / "note", most=200_000_000_000) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_depth_is_counted_in_one_pass_also_where_a_text_has_no_end():
    """Quadratic time would take hours here; the guard of the test run would end it."""
    assert json_depth(b'["' + b'\\"' * 2_000_000) == 1
    assert json_depth(b'["' + b"\\") == 1 and json_depth(b'{"a\\"[[[": [1]}') == 2


def test_arrays_of_several_groups_are_counted_together(tmp_path):
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for group in "ab":
            file.create_dataset(f"{group}/numbers", data=np.zeros(600, "float32"), compression="gzip")
    one = ArrayLimits(memory=40_000)
    assert sorted(read_h5(tmp_path / "many.h5", "ab", one)) == ["a", "b"]
    with pytest.raises(FileError, match="2 arrays of 4,800 bytes"):
        read_h5(tmp_path / "many.h5", "ab", ArrayLimits(arrays=1, memory=40_000))


@NEEDS_PIPES
def test_a_diary_and_a_history_that_are_pipes_do_not_hang(tmp_path):
    for name, read in (("events.jsonl", read_events), ("history.csv", read_history)):
        os.mkfifo(tmp_path / name)
        with pytest.raises(TrainingError, match="not a regular file"):
            read(tmp_path)
