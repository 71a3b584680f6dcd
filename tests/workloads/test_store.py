"""Both stores pass the same tests; S3 against a real server that checks signatures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.workloads.seaweed import ACCESS_KEY, SECRET_KEY, s3_server
from workloads.kit.errors import BadSettings, InvalidKey, ObjectNotFound
from workloads.kit.store import FolderStore, S3Store, Store, open_store

BUCKET = "items"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as url, pytest.MonkeyPatch.context() as patch:
        use_key(patch, SECRET_KEY)
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield url


def use_key(patch: pytest.MonkeyPatch, secret: str) -> None:
    # boto3 keeps a default session with the credentials that it saw first.
    patch.setattr(boto3, "DEFAULT_SESSION", None)
    patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    patch.delenv("AWS_SESSION_TOKEN", raising=False)
    patch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(f"file://{tmp_path}")
    endpoint = request.getfixturevalue("endpoint")
    return open_store(f"s3://{BUCKET}/{tmp_path.name}/deep?endpoint={endpoint}&region=us-east-1")


class TestAnyStore:
    @pytest.mark.parametrize(
        "key", ["a.jpg", "a/b/c.jpg", "with space+plus.jpg", "umlaut-ä/日本.png", "a%20b.jpg"]
    )
    def test_gives_back_what_was_put(self, store: Store, key: str) -> None:
        store.put(key, b"\0\xff data", "image/jpeg")
        assert store.get(key) == b"\0\xff data"
        assert store.list() == [key]

    def test_a_second_put_replaces_the_first(self, store: Store) -> None:
        store.put("a.jpg", b"a longer first version", "image/jpeg")
        store.put("a.jpg", b"second", "image/jpeg")
        assert store.get("a.jpg") == b"second"
        assert store.list() == ["a.jpg"]

    def test_keeps_an_empty_object(self, store: Store) -> None:
        store.put("empty", b"", "text/plain")
        assert store.get("empty") == b""

    def test_keeps_megabytes(self, store: Store) -> None:
        data = bytes(range(256)) * 20_000
        store.put("large", data, "application/octet-stream")
        assert store.get("large") == data

    @pytest.mark.parametrize("key", ["missing", "folder", "folder/a/below-a-file"])
    def test_a_missing_object_is_not_found(self, store: Store, key: str) -> None:
        store.put("folder/a", b"1", "text/plain")
        with pytest.raises(ObjectNotFound, match=key):
            store.get(key)

    def test_lists_by_prefix_sorted(self, store: Store) -> None:
        for key in ("b/2", "a/1", "b/1", "bb"):
            store.put(key, b"1", "text/plain")
        assert store.list() == ["a/1", "b/1", "b/2", "bb"]
        assert store.list("b/") == ["b/1", "b/2"]
        assert store.list("b") == ["b/1", "b/2", "bb"]
        assert store.list("none") == []

    @pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "a\0b"])
    def test_a_key_cannot_lead_out(self, store: Store, key: str) -> None:
        with pytest.raises(InvalidKey):
            store.get(key)
        with pytest.raises(InvalidKey):
            store.put(key, b"1", "text/plain")


class TestFolderStore:
    def test_a_link_cannot_lead_out(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
        with pytest.raises(InvalidKey, match="leads out"):
            FolderStore(tmp_path / "root").get("link")

    def test_readers_never_see_half_an_object(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        versions = {letter * 300_000 for letter in (b"a", b"b")}
        store.put("item", min(versions), "text/plain")
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                for version in versions:
                    store.put("item", version, "text/plain")

        writer = threading.Thread(target=write)
        writer.start()
        seen = [(store.get("item"), store.list()) for _ in range(200)]
        stop.set()
        writer.join()
        assert all(data in versions and keys == ["item"] for data, keys in seen)

    def test_a_failed_put_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "file").touch()
        with pytest.raises(OSError, match="taken"):
            FolderStore(tmp_path).put("taken", b"1", "text/plain")
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


class TestS3Store:
    def test_a_wrong_secret_is_refused(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        use_key(monkeypatch, "not" + SECRET_KEY[3:])
        store = S3Store(BUCKET, endpoint=endpoint)
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            store.get("a")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            store.put("a", b"1", "text/plain")

    def test_keeps_the_media_type(self, endpoint: str) -> None:
        S3Store(BUCKET, "types", endpoint).put("a.jpg", b"1", "image/jpeg")
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        assert client.head_object(Bucket=BUCKET, Key="types/a.jpg")["ContentType"] == "image/jpeg"

    def test_a_missing_bucket_is_no_missing_object(self, endpoint: str) -> None:
        with pytest.raises(ClientError, match="NoSuchBucket"):
            S3Store("no-such-bucket", endpoint=endpoint).get("a")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/data",
        "file://data",
        "file:relative",
        "file:///a?b=c",
        "s3://",
        "s3:///key",
        "http://a/b",
        "s3://b?host=x",
    ],
)
def test_other_urls_are_refused_by_name(url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        open_store(url)
    assert repr(url) in str(caught.value)
    assert "file:///absolute/folder or s3://bucket" in str(caught.value)


def test_a_file_url_may_hold_escapes(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    open_store(f"file://{tmp_path}/a%20b").put("key", b"1", "text/plain")
    assert (tmp_path / "a b" / "key").read_bytes() == b"1"
