"""The unpack workload: what it lists, what it refuses, and a disk that is full."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from workloads.kit.corpus import Corpus
from workloads.unpack.corpus import RECIPE, UNPACKED_BYTES
from workloads.unpack.unpack import BadBundle, DiskFull, unpack

MIB = 2**20


def bundle(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            made.addfile(about, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_files_are_listed_by_name_with_digest_and_size(temporary: Path) -> None:
    done = unpack(bundle(b=b"two", a=b""), {})
    (output,) = done.outputs
    empty, two = (hashlib.sha256(data).hexdigest() for data in (b"", b"two"))
    assert output.data.decode() == f"{empty}  0  a\n{two}  3  b\n"
    assert done.row == {"files": 2, "bytes": 3}
    assert list(temporary.iterdir()) == [], "nothing is left on the disk"


def test_no_name_leads_out_of_the_folder(temporary: Path) -> None:
    done = unpack(bundle(**{"../../outside": b"1", "/etc/outside": b"2"}), {})
    assert done.row["files"] == 2
    assert list(temporary.parent.rglob("outside")) == []


def test_links_and_folders_are_passed_over(temporary: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link", tarfile.SYMTYPE)):
            about = tarfile.TarInfo(name)
            about.type, about.linkname = kind, "/etc/passwd"
            made.addfile(about)
    assert unpack(packed.getvalue(), {}).row == {"files": 0, "bytes": 0}


@pytest.mark.parametrize(
    "data",
    [b"", b"no bundle", bundle(a=b"1" * 10_000)[:-40], gzip.compress(b"no tar file" * 1000)],
    ids=["empty", "plain", "cut short", "not tar"],
)
def test_what_is_no_bundle_is_refused(temporary: Path, data: bytes) -> None:
    with pytest.raises(BadBundle):
        unpack(data, {})
    assert list(temporary.iterdir()) == []


def test_a_full_disk_fails_the_item_in_its_own_words(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DiskFull, match="No space left on device"):
        unpack(bundle(a=b"1"), {})
    assert list(temporary.iterdir()) == []


def test_any_other_failure_of_the_disk_is_no_fault_of_the_item(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "copyfileobj", broken)
    with pytest.raises(OSError, match="Input/output"):
        unpack(bundle(a=b"1"), {})


def test_the_corpus_takes_more_than_a_function_has_and_is_always_the_same(tmp_path: Path) -> None:
    made: list[Corpus] = [RECIPE.build(tmp_path / name, 1, 1) for name in "ab"]
    assert made[0].digest == made[1].digest
    with tarfile.open(made[0].root / made[0].keys[0]) as opened:
        assert sum(member.size for member in opened) == UNPACKED_BYTES
    assert 512 * MIB < UNPACKED_BYTES < 1024 * MIB
