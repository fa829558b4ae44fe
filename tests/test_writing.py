"""Writing over a file: permissions, owners, links, and what must never be replaced."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from fashion_style.errors import TrainingError
from fashion_style.images import open_picture, save_picture
from fashion_style.writing import append_to, write_whole, writer_lock

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions and links of a POSIX system")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644, 0o664, 0o755, 0o666])
def test_an_old_file_keeps_its_permissions(tmp_path, umask, bits):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(bits)
    write_whole(path, b"new")
    assert (mode(path), path.read_bytes(), os.listdir(tmp_path)) == (bits, b"new", ["file"])


def test_a_new_file_follows_the_umask(tmp_path, umask):
    write_whole(tmp_path / "file", b"new")
    assert mode(tmp_path / "file") == 0o640


def test_no_file_keeps_a_bit_that_lends_rights(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o4755)
    write_whole(tmp_path / "file", b"new")
    assert mode(tmp_path / "file") == 0o755


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_the_owner_as_it_was(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    os.chown(tmp_path / "file", 12345, 23456)
    (tmp_path / "file").chmod(0o640)
    write_whole(tmp_path / "file", b"new")
    there = os.stat(tmp_path / "file")
    assert (there.st_uid, there.st_gid, mode(tmp_path / "file")) == (12345, 23456, 0o640)


def test_where_the_group_cannot_be_kept_ours_gets_no_more_than_everybody(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError

    old = os.stat_result((stat.S_IFREG | 0o664, *os.stat(tmp_path)[1:4], 12345, 23456, *os.stat(tmp_path)[6:10]))
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fchown", refused)
    monkeypatch.setattr("fashion_style.writing._file_there", lambda path: old)
    write_whole(path, b"new")
    assert mode(path) == 0o644


def test_a_link_stays_and_its_target_is_replaced_whole(tmp_path):
    (tmp_path / "far").mkdir()
    target, link, chain = tmp_path / "far" / "file", tmp_path / "link", tmp_path / "chain"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to("far/file")
    chain.symlink_to("link")
    write_whole(chain, b"new", follow_links=True)
    assert chain.is_symlink() and link.is_symlink() and not target.is_symlink()
    assert (target.read_bytes(), mode(target)) == (b"new", 0o600)
    assert sorted(os.listdir(tmp_path)) == ["chain", "far", "link"] and os.listdir(tmp_path / "far") == ["file"]


def test_a_link_in_a_strangers_folder_is_replaced_and_leads_nowhere(tmp_path):
    (tmp_path / "diary").write_bytes(b"mine")
    for number, target in enumerate(("diary", "nowhere", "itself", "/dev/null")):
        link = tmp_path / f"link-{number}"
        link.symlink_to(link.name if target == "itself" else target)
        write_whole(link, b"new")
        assert not link.is_symlink() and link.read_bytes() == b"new"
    assert (
        (tmp_path / "diary").read_bytes() == b"mine" and os.path.exists("/dev/null") and not os.path.isfile("/dev/null")
    )


def test_a_lock_that_is_a_link_empties_nothing(tmp_path):
    (tmp_path / "diary").write_bytes(b"mine")
    (tmp_path / "writer.lock").symlink_to("diary")
    with pytest.raises(TrainingError, match="this is a link"), writer_lock(tmp_path):
        raise AssertionError("it was locked")
    assert (tmp_path / "diary").read_bytes() == b"mine" and (tmp_path / "writer.lock").is_symlink()


def test_a_picture_follows_a_link_that_was_named(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    for follow, stays in ((True, True), (False, False)):
        (tmp_path / "link.png").unlink(missing_ok=True)
        (tmp_path / "link.png").symlink_to("real.png")
        save_picture(picture, tmp_path / "link.png", follow_links=follow)
        assert (tmp_path / "link.png").is_symlink() is stays and open_picture(tmp_path / "link.png").shape == (4, 4, 3)


def test_a_link_to_nothing_makes_its_target_and_one_into_no_folder_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "lost").symlink_to("nowhere/file")
    write_whole(tmp_path / "link", b"new", follow_links=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(OSError):
        write_whole(tmp_path / "lost", b"new", follow_links=True)
    assert (tmp_path / "lost").is_symlink() and not (tmp_path / "nowhere").exists()


def test_what_is_no_regular_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "to pipe").symlink_to("pipe")
    (tmp_path / "to folder").symlink_to("folder")
    for name in ("pipe", "folder", "circle", "to pipe", "to folder"):
        before = os.lstat(tmp_path / name)
        with pytest.raises(OSError):
            write_whole(tmp_path / name, b"new", follow_links=True)
        assert os.lstat(tmp_path / name).st_ino == before.st_ino
    assert len(os.listdir(tmp_path)) == 5


def test_a_write_protected_file_stays_for_whoever_is_not_root(tmp_path):
    """As another user, where we are root."""
    tmp_path.chmod(0o777)
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o444)
    drop = "os.setgid(65534); os.setuid(65534)" if hasattr(os, "geteuid") and os.geteuid() == 0 else "pass"
    script = (
        "import os, sys\n"
        "from fashion_style.writing import write_whole, writer_lock\n"
        f"{drop}\n"
        "os.chdir(sys.argv[1])\n"
        "try:\n    write_whole('file', b'new')\n"
        "except PermissionError as error:\n    sys.exit(3 if 'write-protected' in error.strerror else 4)"
    )
    if drop != "pass":  # the folders above belong to root
        for parent in tmp_path.parents:
            if parent.stat().st_uid == 0 and not mode(parent) & 0o001:
                parent.chmod(mode(parent) | 0o011)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode == 3 and (tmp_path / "file").read_bytes() == b"old"


# Growing files --------------------------------------------------------------------------------------------------------
def test_a_file_grows_by_lines_and_can_be_read(tmp_path):
    for line in (b"one\n", b"two\n"):
        with append_to(tmp_path / "diary") as file:
            file.seek(0)
            file.write(line)  # at the end, wherever the place was
    with append_to(tmp_path / "diary") as file:
        file.seek(0)
        assert file.read() == b"one\ntwo\n"


@pytest.mark.parametrize("kind", ["link", "link to nowhere", "pipe", "folder"])
def test_nothing_is_appended_through_what_is_no_file_of_ours(tmp_path, kind):
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    path = tmp_path / "diary"
    if kind.startswith("link"):
        path.symlink_to(mine if kind == "link" else tmp_path / "nowhere")
    else:
        os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(OSError):
        append_to(path)
    assert mine.read_bytes() == b"mine" and not (tmp_path / "nowhere").exists()
