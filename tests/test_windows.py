"""What another system than ours would trip over, as far as that can be seen from here.

Nothing of Windows is simulated but the two answers that it gives: a folder cannot be opened, and only a file that may
be written can be flushed. What a room asks of `os` and `signal` is read from its source.
"""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

from fashion_style import writing
from fashion_style.bounded_files import open_file
from fashion_style.errors import FileError

PACKAGE = pathlib.Path(writing.__file__).parent
# Of those that rooms are likely to want: Windows has none of them, or they do something else there.
FOREIGN = {
    "os": "kill killpg fork setsid getuid geteuid getgid getpgid mkfifo chown statvfs uname getloadavg"
    " sched_getaffinity O_NONBLOCK O_DIRECTORY O_NOFOLLOW O_CLOEXEC openpty wait waitpid fchmod sync nice",
    "signal": "SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGCHLD SIGSTOP SIGCONT SIGPIPE SIGALRM alarm pause setitimer",
}
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "crypt"}


def foreign_words(source):
    """What a module uses by name that Windows does not have; `getattr(os, "O_NONBLOCK", 0)` asks first, and may."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            known = FOREIGN.get(node.value.id, "").split()
            found += [f"{node.value.id}.{node.attr}"] * (node.attr in known)
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [node.module] * (node.module.split(".")[0] in MODULES)
    return found


def test_foreign_words_are_seen():
    source = "import os, fcntl\nos.kill(1, 0)\nfrom resource import getrusage\nfrom .resource import thing"
    assert sorted(foreign_words(source)) == ["fcntl", "os.kill", "resource"]
    assert foreign_words("import os\nos.open('x', os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0))") == []


def test_no_room_asks_for_what_windows_lacks():
    # behind a getattr in the same expression; within suppress(AttributeError)
    guarded = {"writing": {"signal.SIGHUP", "os.fchmod"}}
    found = {path.stem: set(foreign_words(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py")}
    wrong = {room: words - guarded.get(room, set()) for room, words in found.items()}
    assert not any(wrong.values()), {room: words for room, words in wrong.items() if words}


def test_text_is_read_and_written_as_utf_8():
    """Whatever the system's own encoding is."""
    bare = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            told = {keyword.arg for keyword in node.keywords}
            if node.func.attr in ("read_text", "write_text") and "encoding" not in told:
                bare.append(f"{path.stem}:{node.lineno}")
    assert not bare, bare


@pytest.fixture
def windows(monkeypatch):
    """Folders cannot be opened, and a file that is open for reading only cannot be flushed."""
    opened, real_open, real_sync = {}, os.open, os.fsync

    def open_as_there(path, flags, *more, **named):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        handle = real_open(path, flags, *more, **named)
        opened[handle] = flags
        return handle

    def sync_as_there(handle):
        if handle in opened and not opened[handle] & (os.O_RDWR | os.O_WRONLY):
            raise OSError(9, "Bad file descriptor")
        real_sync(handle)

    monkeypatch.setattr(writing, "_WINDOWS", True)
    monkeypatch.setattr(os, "open", open_as_there)
    monkeypatch.setattr(os, "fsync", sync_as_there)


def test_a_folder_and_a_file_are_synced_on_windows(windows, tmp_path):
    writing.write_synced(tmp_path / "note", b"12345")
    writing.sync_to_disk(tmp_path)
    assert (tmp_path / "note").read_bytes() == b"12345"


def test_without_the_switch_windows_would_refuse(windows, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_WINDOWS", False)
    (tmp_path / "note").write_bytes(b"12345")
    for path in (tmp_path, tmp_path / "note"):
        with pytest.raises(OSError):
            writing.sync_to_disk(path)


def test_a_folder_is_named_as_one_on_windows(windows, tmp_path):
    with pytest.raises(FileError, match="this is a folder"), open_file(tmp_path):
        raise AssertionError("it was opened")


def test_asking_for_a_process_leaves_it_alone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert writing.is_running(process.pid) and process.poll() is None
        process.communicate(b"\n")
        assert process.returncode == 0 and not writing.is_running(process.pid)
    assert not writing.is_running(os.getpid()), "a number that came again"
