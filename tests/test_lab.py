"""`fashion-style lab` and its child: signals, root, nothing left behind."""

import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from fashion_style.commands import lab

posix = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of a POSIX system")
START = "import sys; from fashion_style.cli import main; sys.exit(main())"


def wait_for(what, seconds=60):
    """The first true answer of `what()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def is_gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_signal_ends_the_child_too(tmp_path, number, stubborn):
    ready, tidy = tmp_path / "ready", tmp_path / "tidy"
    answer = "None" if stubborn else f"(pathlib.Path({str(tidy)!r}).touch(), sys.exit(0))"
    child = (
        "import os, pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: {answer})\n"
        f"pathlib.Path({str(ready) + '.part'!r}).write_text(str(os.getpid()))\n"
        f"os.replace({str(ready) + '.part'!r}, {str(ready)!r})\n"
        "end = time.monotonic() + 100\n"
        "while time.monotonic() < end: time.sleep(0.1)"
    )
    parent = (
        "import signal, sys; from fashion_style.commands import lab; lab.PATIENCE = 0.5\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and stays so\n"
        "sys.exit(lab.run_to_its_end([sys.executable, '-c', sys.argv[1]]))"
    )
    with subprocess.Popen([sys.executable, "-c", parent, child]) as process:
        wait_for(ready.exists)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    wait_for(lambda: is_gone(int(ready.read_text())))
    assert tidy.exists() is not stubborn


@posix
def test_codes_and_handlers_are_handed_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    for script, code in (("raise SystemExit(7)", 7), ("pass", 0), ("import os; os.kill(os.getpid(), 9)", 128 + 9)):
        assert lab.run_to_its_end([sys.executable, "-c", script]) == code
    with pytest.raises(OSError):
        lab.run_to_its_end(["/no such program"])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@posix
def test_root_is_told_what_to_do_and_nothing_is_copied(tmp_path, monkeypatch, capfd):
    from fashion_style.cli import main

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["lab", str(tmp_path / "course")]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "--allow-root" in said and not (tmp_path / "course").exists()
    assert main(["lab", str(tmp_path / "course"), "--copy-only"]) == 0


@posix
def test_the_real_jupyterlab_ends_with_the_command(tmp_path):
    pytest.importorskip("jupyterlab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    homes = {
        name: str(tmp_path / name) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")
    }
    words = ["lab", str(tmp_path / "course"), "--no-browser", "--port", str(port), "--allow-root"]
    environment = dict(os.environ, **homes, JUPYTER_PLATFORM_DIRS="1")
    with open(tmp_path / "said", "wb") as said:
        process = subprocess.Popen([sys.executable, "-c", START, *words], env=environment, stdout=said, stderr=said)
    try:
        runtime = tmp_path / "JUPYTER_RUNTIME_DIR"
        note = wait_for(
            lambda: (
                [path for path in runtime.glob("jpserver-*.json") if path.stat().st_size] if runtime.is_dir() else []
            )
        )
        server = json.loads(note[0].read_text())["pid"]
        assert server != process.pid and not is_gone(server)
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM, (tmp_path / "said").read_text()
        assert is_gone(server) and not list(runtime.glob("jpserver-*")), "it did not end cleanly"
    finally:
        process.kill()
        process.wait()


# --- the copy
# -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def alarm():
    """Ends a test that hangs."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def course(tmp_path):
    """(the package's folder of a course of two files, a reader's copy of it), and a newer version of the first."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("a.ipynb", "b.ipynb"):
        (source / name).write_text("1")
    lab.copy_notebooks(source, target)
    (target / "a.ipynb").unlink()
    (source / "a.ipynb").write_text("2")
    return source, target


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_in_the_copy_is_the_readers(course, kind, alarm):
    source, target = course
    os.mkfifo(target / "a.ipynb") if kind == "pipe" else (target / "a.ipynb").mkdir()
    assert lab.copy_notebooks(source, target) == (["b.ipynb"], ["a.ipynb"])


@posix
def test_a_giant_in_the_copy_is_not_read(course, alarm):
    source, target = course
    with (target / "a.ipynb").open("wb") as file:
        file.truncate(10_000_000_000)  # it takes no room on the disk
    assert lab.copy_notebooks(source, target) == (["b.ipynb"], ["a.ipynb"])


@posix
def test_a_link_in_the_copy_is_the_readers(course, tmp_path):
    source, target = course
    for leads_to, text in ((tmp_path / "mine", "1"), (tmp_path / "nowhere", None)):
        if text:
            leads_to.write_text(text)  # also with the very bytes that we wrote
        (target / "a.ipynb").unlink(missing_ok=True)
        (target / "a.ipynb").symlink_to(leads_to)
        assert lab.copy_notebooks(source, target) == (["b.ipynb"], ["a.ipynb"])
        assert (target / "a.ipynb").is_symlink() and (not text or leads_to.read_text() == text)


def test_a_file_is_hashed_in_pieces(course, monkeypatch):
    source, target = course
    (target / "a.ipynb").write_bytes(b"mine" * 5_000_000)
    monkeypatch.setattr(pathlib.Path, "read_bytes", lambda path: pytest.fail(f"{path} is read whole"))
    known = hashlib.sha256(b"mine" * 5_000_000).hexdigest()
    assert lab._is_the_readers(target / "a.ipynb", ()) and not lab._is_the_readers(target / "a.ipynb", (known,))
