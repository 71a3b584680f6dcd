"""The archive workload: what it packs, what it refuses, its corpus, and that it is as short as the docs promise."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.archive.archive import BadArchive, archive
from workloads.archive.corpus import RECIPE
from workloads.archive.settings import Settings
from workloads.kit.corpus import MANIFEST, Corpus
from workloads.kit.errors import BadSettings, CorpusUnavailable

TEXT = b"".join(b"%d GET /index.html 200\n" % number for number in range(5000))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return RECIPE.build(tmp_path_factory.mktemp("corpus") / "c", 2, 1)


def test_the_content_is_kept_and_told() -> None:
    source = gzip.compress(TEXT)
    done = archive(source, {})
    (output,) = done.outputs
    assert (output.suffix, output.content_type) == ("content.xz", "application/x-xz")
    assert lzma.decompress(output.data) == TEXT
    assert done.row == {
        "source_bytes": len(source),
        "content_bytes": len(TEXT),
        "packed_bytes": len(output.data),
        "lines": 5000,
        "sha256": hashlib.sha256(TEXT).hexdigest(),
    }


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=4), preset=st.integers(0, 6))
def test_joined_files_are_packed_as_one_and_always_alike(parts: list[bytes], preset: int) -> None:
    source = b"".join(gzip.compress(part) for part in parts)
    done = archive(source, {"preset": preset})
    assert lzma.decompress(done.outputs[0].data) == b"".join(parts)
    assert archive(source, {"preset": preset}) == done


def test_a_higher_preset_packs_smaller(built: Corpus) -> None:
    source = (built.root / built.keys[0]).read_bytes()
    sizes = [archive(source, {"preset": preset}).row["packed_bytes"] for preset in (0, 6)]
    assert sizes[1] < sizes[0] < len(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"", "holds 0"),
        (gzip.compress(b""), "holds 0"),
        (b"this is no gzip", "not gzip, or damaged"),
        (gzip.compress(TEXT)[:-100], "not gzip, or damaged"),
        (gzip.compress(TEXT)[:-8] + bytes(8), "CRC"),
        (gzip.compress(TEXT)[:100] + bytes(100), "not gzip, or damaged"),
        (gzip.compress(TEXT) + b"something else", "not gzip, or damaged"),
        (gzip.compress(bytes(1_000_001)), "holds 1000001 or more"),
    ],
    ids=["nothing", "empty", "other", "cut", "checksum", "overwritten", "trailing", "too large"],
)
def test_a_bad_item_is_refused_and_says_why(source: bytes, why: str) -> None:
    with pytest.raises(BadArchive, match=why):
        archive(source, {"max_unpacked_mb": 1})


def test_exactly_the_limit_may_be_held() -> None:
    assert archive(gzip.compress(bytes(1_000_000)), {"max_unpacked_mb": 1}).row["content_bytes"] == 1_000_000


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"preset": 10}, "setting preset is 10; it must be a whole number of 0 to 9"),
        ({"preset": True}, "setting preset is True"),
        ({"preset": "6"}, "setting preset is '6'"),
        ({"max_unpacked_mb": 0}, "setting max_unpacked_mb is 0; it must be a whole number of 1 to 4096"),
        ({"level": 1, "colour": 2}, "unknown settings colour, level; known: max_unpacked_mb, preset"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings, match=told):
        Settings.parse(values)


class TestCorpus:
    def test_the_same_seed_gives_the_same_files(self, built: Corpus, tmp_path: Path) -> None:
        assert RECIPE.build(tmp_path / "again", 2, 1).digest == built.digest
        longer, other = RECIPE.build(tmp_path / "longer", 3, 1), RECIPE.build(tmp_path / "other", 2, 2)
        for key in built.keys:
            assert (longer.root / key).read_bytes() == (built.root / key).read_bytes()
            assert (other.root / key).read_bytes() != (built.root / key).read_bytes()

    def test_every_item_is_work_and_is_credited(self, built: Corpus) -> None:
        for entry in json.loads((built.root / MANIFEST).read_text())["items"]:
            row = archive((built.root / entry["key"]).read_bytes(), {"preset": 0}).row
            assert (row["source_bytes"], 10 <= len(entry["sources"]) <= 40) == (entry["bytes"], True)
            assert row["lines"] > 1000
            assert (entry["author"], entry["licence"]) == ("Amazon Web Services", "Apache-2.0")
        assert importlib.metadata.metadata("botocore")["License"] == "Apache-2.0"

    def test_the_description_tells_what_the_bytes_depend_on(self, built: Corpus) -> None:
        version = importlib.metadata.version("botocore")
        assert built.description.startswith("2 gzip files, ")
        assert built.description.endswith(f"recipe 1, botocore {version}, seed 1")

    def test_a_folder_of_ones_own(self, tmp_path: Path) -> None:
        with pytest.raises(
            CorpusUnavailable, match=r"holds no gzip files: looked for files that end in \.gz"
        ):
            RECIPE.from_folder(tmp_path)
        (tmp_path / "b.log.GZ").write_bytes(gzip.compress(TEXT))
        (tmp_path / "notes.txt").write_text("not for this")
        assert RECIPE.from_folder(tmp_path).keys == ("b.log.GZ",)


def test_it_is_written_in_less_than_60_lines(root: Path) -> None:
    files = sorted((root / "workloads/archive").rglob("*.py"))
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    assert len(files) == 4
    assert 0 < sum(bool(line) and not line.startswith("#") for line in lines) < 60
