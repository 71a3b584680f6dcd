"""Object stores behind one small protocol: a folder, or anything that speaks S3.

open_store("file:///data/in")
open_store("s3://bucket/prefix?endpoint=http://127.0.0.1:8333&region=us-east-1")
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from workloads.kit.errors import BadSettings, InvalidKey, ObjectNotFound

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALLOWED = "file:///absolute/folder or s3://bucket/prefix?endpoint=http://host:port&region=us-east-1"
UNFINISHED = ".part"


class Store(Protocol):
    """Objects by key. Keys are relative paths with forward slashes, such as `photos/0001.jpg`."""

    def get(self, key: str) -> bytes:
        """The whole object; raises ObjectNotFound."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write the whole object at once; a repeated put leaves exactly one."""

    def list(self, prefix: str = "") -> list[str]:
        """All keys that start with the prefix, sorted."""


def check_key(key: str) -> str:
    """Return the key, or raise InvalidKey when it could lead out of a store."""
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise InvalidKey(f"key {key!r} must be a relative path without empty, '.' or '..' parts")
    return key


class FolderStore:
    """A folder as a store. Media types are not kept: a file's suffix tells enough."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def get(self, key: str) -> bytes:
        """Read the file; raises ObjectNotFound, InvalidKey."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectNotFound(f"no object {key!r} in {self._root}") from None

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write under a temporary name, then rename: readers and retries see a whole file or none."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{os.urandom(8).hex()}{UNFINISHED}")
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def list(self, prefix: str = "") -> list[str]:
        """All keys that start with the prefix, sorted; files still being written are not listed."""
        files = (Path(folder) / name for folder, _, names in os.walk(self._root) for name in names)
        keys = (file.relative_to(self._root).as_posix() for file in files if file.suffix != UNFINISHED)
        return sorted(key for key in keys if key.startswith(prefix))

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if not path.resolve().is_relative_to(self._root):  # a symbolic link may lead outside
            raise InvalidKey(f"key {key!r} leads out of {self._root}")
        return path


class S3Store:
    """A bucket, or a prefix in one. Credentials come from the usual AWS environment variables."""

    def __init__(
        self, bucket: str, prefix: str = "", endpoint: str | None = None, region: str = "us-east-1"
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = _s3_client(endpoint, region)

    def get(self, key: str) -> bytes:
        """Read the object; raises ObjectNotFound, InvalidKey, or botocore's ClientError."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + check_key(key))
        except self._client.exceptions.NoSuchKey:
            raise ObjectNotFound(f"no object {key!r} in s3://{self._bucket}/{self._prefix}") from None
        return answer["Body"].read()

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write the object with its media type."""
        self._client.put_object(
            Bucket=self._bucket, Key=self._prefix + check_key(key), Body=data, ContentType=content_type
        )

    def list(self, prefix: str = "") -> list[str]:
        """All keys that start with the prefix, sorted, whatever their number."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))
        return sorted(key.removeprefix(self._prefix) for key in keys)


def _s3_client(endpoint: str | None, region: str) -> S3Client:
    # boto3 costs about 0.5 s of a cold start, so that only those who use S3 pay for it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        signature_version="s3v4",
        # Buckets as host names need DNS that a local server does not have.
        s3={"addressing_style": "path" if endpoint else "auto"},
        # Newer checksum trailers are refused by several S3 servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "max_attempts": 3},
    )
    client: S3Client = boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config)
    return client


def open_store(url: str) -> Store:
    """Open the store that a URL names; raises BadSettings (a ValueError) for any other URL."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and not parts.query:
        return FolderStore(Path(unquote(parts.path)))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "s3" and parts.netloc and options.keys() <= {"endpoint", "region"}:
        region = options.get("region", "us-east-1")
        return S3Store(parts.netloc, unquote(parts.path), options.get("endpoint"), region)
    raise BadSettings(f"store URL {url!r} is not supported; allowed: {ALLOWED}")
