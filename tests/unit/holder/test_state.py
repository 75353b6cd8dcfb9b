"""Where labs that stay are found, and who has a name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.errors import LabError, UsageError
from labkit.holder.state import Folder, open_folder


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(runtime: Path) -> Iterator[Folder]:
    del runtime
    with open_folder() as mine:
        yield mine


def files(folder: Folder) -> list[str]:
    return sorted(each.name for each in Path(folder.path).iterdir())


def test_the_directory_is_private_and_below_the_runtime_directory(runtime: Path) -> None:
    with open_folder() as folder:
        assert folder.path == f"{runtime}/labkit"
    assert (runtime / "labkit").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("given", ["", "relative", "/no/such/directory"])
def test_without_a_runtime_directory_it_is_below_the_temporary_one(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with open_folder() as folder:
        assert Path(folder.path).parent == tmp_path


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_that_is_open_to_others_is_refused(runtime: Path, mode: int) -> None:
    (runtime / "labkit").mkdir()
    (runtime / "labkit").chmod(mode)
    with pytest.raises(UsageError, match=rf"is open to others \(mode {mode:04o}\); set XDG_"):
        open_folder()


@pytest.mark.parametrize("what", ["a file", "a link"])
def test_what_is_no_directory_is_refused(runtime: Path, what: str) -> None:
    if what == "a file":
        (runtime / "labkit").touch()
    else:
        (runtime / "other").mkdir(mode=0o700)
        (runtime / "labkit").symlink_to(runtime / "other")
    with pytest.raises(UsageError, match="Not a directory; set XDG_RUNTIME_DIR"):
        open_folder()


def test_another_users_runtime_directory_is_passed_over(
    runtime: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        pytest.skip("only root can give a directory away")
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    shutil.chown(runtime, 65534)
    with open_folder() as folder:
        assert folder.path == f"{temporary}/labkit-0"


def test_a_name_is_taken_while_its_lock_is_open(folder: Folder) -> None:
    lock = folder.claim("web")
    assert lock is not None
    assert folder.claim("web") is None
    assert folder.labs() == ["web"]

    os.close(lock)

    assert folder.labs() == []
    assert files(folder) == []


def test_stale_files_are_no_hindrance(folder: Folder) -> None:
    path = Path(folder.path)
    (path / "web.lock").write_text("1")
    (path / "web.sock").touch()

    lock = folder.claim("web")

    assert lock is not None
    assert files(folder) == ["web.lock"]
    assert (path / "web.lock").read_text() == ""
    os.close(lock)


def test_the_holder_is_the_process_that_signed_a_lock_that_is_held(folder: Folder) -> None:
    lock = folder.claim("web")
    assert lock is not None
    with pytest.raises(LabError, match="just being built"):
        folder.holder_of("web")

    folder.sign(lock)
    holder = folder.holder_of("web")
    assert holder is not None
    assert f"Pid:\t{os.getpid()}\n" in Path(f"/proc/self/fdinfo/{holder}").read_text()
    os.close(holder)

    os.close(lock)
    assert folder.holder_of("web") is None
    assert files(folder) == []


def test_one_connects_to_a_lab_that_listens(folder: Folder) -> None:
    lock = folder.claim("web")
    assert lock is not None
    with pytest.raises(LabError, match="lab web is just being built or taken down; ask again"):
        folder.connect("web")
    with folder.listen("web") as listener, folder.connect("web") as connection:
        accepted, _ = listener.accept()
        accepted.sendall(b"x")
        accepted.close()
        assert connection.recv(1) == b"x"
    folder.release("web")
    os.close(lock)
    assert files(folder) == []


def test_a_lab_that_does_not_run_is_told_with_those_that_do(folder: Folder) -> None:
    with pytest.raises(UsageError, match="no lab web runs; none runs: labkit up FILE"):
        folder.connect("web")
    lock = folder.claim("web-1")
    assert lock is not None
    with pytest.raises(UsageError, match="did you mean web-1\\? there are: web-1"):
        folder.connect("web1")
    os.close(lock)


def test_a_path_of_any_length_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # struct sockaddr_un takes 108 bytes (unix(7)).
    long = tmp_path / ("x" * 200)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with open_folder() as folder, folder.listen("web"), folder.connect("web"):
        assert files(folder) == ["web.sock"]
