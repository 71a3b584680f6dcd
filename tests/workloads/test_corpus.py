"""The corpus: repeatable, credited, checked; and folders of one's own pictures."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.workloads.pictures import encode, pixels
from workloads.kit.corpus import MANIFEST, Corpus
from workloads.kit.errors import CorpusUnavailable
from workloads.thumbnail import photographs
from workloads.thumbnail.corpus import RECIPE, recipe
from workloads.thumbnail.recipe import draw
from workloads.thumbnail.thumbnail import thumbnail

ITEMS, SEED = 6, 3


@pytest.fixture(scope="module")
def sources() -> Path:
    return photographs.fetch()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Corpus:
    return RECIPE.build(tmp_path_factory.mktemp("corpus") / "pictures", ITEMS, SEED)


def manifest(corpus: Corpus) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.root / MANIFEST).read_text())
    return found


def test_every_picture_is_as_the_manifest_says(built: Corpus) -> None:
    told = manifest(built)["items"]
    assert [entry["key"] for entry in told] == list(built.keys)
    for entry in told:
        data = (built.root / entry["key"]).read_bytes()
        with Image.open(built.root / entry["key"]) as image:
            assert image.size == (entry["width"], entry["height"])
            assert (image.format or "").lower() == entry["format"]
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
        assert thumbnail(data, {}).row["results"]


def test_every_picture_is_credited(built: Corpus) -> None:
    for entry in manifest(built)["items"]:
        assert entry["title"] and entry["author"]
        assert entry["licence"].startswith("CC")
        assert entry["licence_url"].startswith("https://creativecommons.org/")
        assert "cropped" in entry["changes"]


def test_the_same_seed_gives_the_same_files(built: Corpus, tmp_path: Path) -> None:
    again = RECIPE.build(tmp_path / "again", ITEMS, SEED)
    assert (again.keys, again.digest) == (built.keys, built.digest)
    other = RECIPE.build(tmp_path / "other", 2, SEED + 1)
    assert other.digest != built.digest


def test_a_corpus_that_is_there_is_used(built: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    nowhere = Path("/nonexistent")
    before = [(built.root / key).stat().st_mtime_ns for key in built.keys]
    assert recipe(sources=nowhere).build(built.root, ITEMS, SEED) == built
    assert [(built.root / key).stat().st_mtime_ns for key in built.keys] == before


@pytest.mark.parametrize("damage", ["changed", "missing", "other seed", "older layout"])
def test_a_corpus_that_is_not_right_is_built_again(tmp_path: Path, sources: Path, damage: str) -> None:
    first = RECIPE.build(tmp_path / "c", 1, SEED)
    path = first.root / first.keys[0]
    if damage == "changed":
        path.write_bytes(b"changed")
    elif damage == "missing":
        path.unlink()
    elif damage == "older layout":
        older = manifest(first)
        older["pictures"] = older.pop("items")
        (first.root / MANIFEST).write_text(json.dumps(older))
    told: list[tuple[int, int]] = []
    again = recipe(lambda done, all: told.append((done, all))).build(
        tmp_path / "c", 1, SEED + (damage == "other seed")
    )
    assert told == [(1, 1)]
    assert (again.digest == first.digest) == (damage != "other seed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        recipe(sources=tmp_path / "none").build(tmp_path / "c", 1, SEED)
    assert not list(tmp_path.iterdir())


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="is no corpus: choose another folder"):
        RECIPE.build(tmp_path, 1, SEED)
    assert (tmp_path / "diary.txt").exists()


def test_a_corpus_has_items(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="items is 0"):
        RECIPE.build(tmp_path / "c", 0, SEED)


class TestRecipe:
    def test_a_longer_corpus_begins_like_a_shorter_one(self) -> None:
        assert draw(20, SEED) == draw(50, SEED)[:20]

    def test_the_mix_is_that_of_a_phone(self) -> None:
        plan = draw(2000, SEED)
        megapixels = [picture.width * picture.height / 1e6 for picture in plan]
        assert min(megapixels) == pytest.approx(0.5, abs=0.01)
        assert max(megapixels) == 24
        rounded = Counter(round(size) for size in megapixels)
        assert rounded.most_common(1)[0][0] == 12
        kinds = Counter(picture.kind for picture in plan)
        assert kinds["jpeg"] > 0.65 * 2000
        assert all(kinds[kind] > 0.03 * 2000 for kind in ("progressive", "png", "webp"))
        assert Counter(picture.orientation for picture in plan).keys() == {1, 6, 8}

    def test_crops_lie_in_their_source_with_the_right_aspect(self) -> None:
        for picture in draw(2000, SEED):
            left, top, right, bottom = picture.crop
            assert 0 <= left < right <= picture.source.width + 1e-6
            assert 0 <= top < bottom <= picture.source.height + 1e-6
            assert (right - left) / (bottom - top) == pytest.approx(picture.width / picture.height)
            enlarged = picture.width / (right - left)
            assert enlarged == pytest.approx(picture.upscaled) if picture.upscaled > 1 else enlarged < 1.0001

    def test_nothing_is_enlarged_where_a_source_is_large_enough(self) -> None:
        assert all(
            p.width * p.height > 13e6 for p in draw(2000, SEED) if p.upscaled > 1 and p.width > p.height
        )


class TestPhotographs:
    def test_all_are_free_and_credited(self) -> None:
        entries = photographs.catalogue()
        assert len(entries) == 18
        assert {entry.licence for entry in entries} == {
            "CC0-1.0",
            "CC-BY-4.0",
            "CC-BY-SA-3.0",
            "CC-BY-SA-4.0",
        }
        assert all(entry.author and entry.title and len(entry.sha256) == 64 for entry in entries)

    def test_sizes_are_true(self, sources: Path) -> None:
        for entry in photographs.catalogue():
            with Image.open(sources / entry.file) as image:
                assert image.size == (entry.width, entry.height)

    def test_without_apt_the_way_out_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CorpusUnavailable, match=r"apt-get is not installed.*--corpus DIR"):
            photographs.fetch(tmp_path / "photographs")

    def test_a_failing_apt_is_quoted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "apt-get"
        fake.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(
            CorpusUnavailable, match=r"E: Unable to locate package.*apt-get update.*--corpus DIR"
        ):
            photographs.fetch(tmp_path / "photographs")

    def test_a_changed_photograph_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "apt-get"
        fake.write_text("#!/bin/sh\nexit 0\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        with pytest.raises(CorpusUnavailable, match="other pictures than expected: Bridge_by"):
            photographs.fetch(tmp_path / "photographs")


class TestOwnFolder:
    def test_holds_its_pictures_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        for name in ("b.JPG", "a.png", "deep/c.webp", "notes.txt"):
            (tmp_path / name).write_bytes(encode(pixels(8, 8)))
        corpus = RECIPE.from_folder(tmp_path)
        assert corpus.root == tmp_path
        assert corpus.keys == ("a.png", "b.JPG", "deep/c.webp")
        assert corpus.description == f"3 pictures of {tmp_path}"

    def test_the_digest_follows_names_and_contents(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        digests = []
        for data in (b"one", b"two", b"one"):
            path.write_bytes(data)
            digests.append(RECIPE.from_folder(tmp_path).digest)
        path.rename(tmp_path / "b.jpg")
        digests.append(RECIPE.from_folder(tmp_path).digest)
        assert digests[0] == digests[2]
        assert len(set(digests)) == 3

    def test_without_pictures_it_is_refused(self, tmp_path: Path) -> None:
        for folder in (tmp_path, tmp_path / "none"):
            with pytest.raises(
                CorpusUnavailable, match=r"holds no pictures: looked for files that end in \.jpg"
            ):
                RECIPE.from_folder(folder)
