from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from labkit.errors import MissingFeature, UsageError
from labkit.kernel.guest.choose import choose
from labkit.kernel.guest.exchange import IN_GUEST, RESULTS, Request, place_of, read_request
from labkit.kernel.guest.folder import PREFIX, exchange_folder
from labkit.kernel.guest.memory import LEAST_MIB, MEMORY, memory_mib
from labkit.kernel.guest.modules import Modules


def test_host_is_taken_at_its_word() -> None:
    assert choose("host", ["ip_vs", "no such feature"]) == "host"


@pytest.mark.parametrize("wanted", ["auto", "uml", "qemu"])
def test_inside_a_guest_every_wish_is_fulfilled_already(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IN_GUEST, "uml")

    assert choose(wanted, ["ip_vs"]) == "host"


def test_a_guest_that_was_asked_for_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IN_GUEST, raising=False)

    assert choose("uml", ["ip_vs", "dummy", "ipset"]) == "uml"


def test_a_guest_is_not_started_for_what_it_is_known_to_lack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(IN_GUEST, raising=False)

    with pytest.raises(MissingFeature, match="nftables: the uml guest has none; --kernel host"):
        choose("uml", ["ip_vs", "nftables"])


@pytest.mark.parametrize(
    ("said", "mebibytes"), [("512M", 512), ("2G", 2048), ("2g", 2048), (f"{LEAST_MIB}M", LEAST_MIB)]
)
def test_memory_is_what_the_environment_says(
    said: str, mebibytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY, said)

    assert memory_mib() == mebibytes


@pytest.mark.parametrize("said", ["", "lots", "512", "1M", "0G", "1.5G", "-1G", "512M 512M"])
def test_memory_that_is_no_size_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY, said)

    with pytest.raises(UsageError, match=MEMORY):
        memory_mib()


def test_a_guest_reads_the_request_that_was_written(tmp_path: Path) -> None:
    request = Request(
        kind="uml",
        argv=("labkit", "run", "a file.yaml"),
        path=("/a", "/b"),
        cwd="/tmp",  # noqa: S108
        environment={"NAME": "two\nlines", "BYTES": os.fsdecode(b"\xff")},
        modules="/modules",
        wanted=("veth",),
    )

    request.write(tmp_path)

    assert read_request(str(tmp_path)) == request


def test_a_result_is_written_where_the_guest_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RESULTS, f'{{"{tmp_path}/report.json": "/run/labkit/result0"}}')

    assert place_of(Path("report.json")) == Path("/run/labkit/result0")
    assert place_of(Path("other.json")) == Path("other.json")


def test_a_module_that_is_not_there_is_taken_to_be_built_in(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text("")

    assert Modules(str(tmp_path)).load(["veth"]) == []


def test_an_exchange_is_gone_when_it_is_done(temporary: Path) -> None:
    with exchange_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == temporary

    assert list(temporary.iterdir()) == []


def test_what_a_killed_labkit_left_is_removed_by_the_next(temporary: Path) -> None:
    left, used, other = (temporary / name for name in (f"{PREFIX}a", f"{PREFIX}b", "mine"))
    for each in (left, used, other):
        each.mkdir()
        (each / "file").touch()
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with exchange_folder():
        pass
    os.close(lock)

    assert set(temporary.iterdir()) == {used, other}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path
