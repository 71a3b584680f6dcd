"""One repository of a registry, over the registry's HTTP API: what images are there, and putting others there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import Any

import docker
import requests
from dxf import DXF, DXFBase
from dxf.exceptions import DXFError, DXFUnauthorizedError

from harness.engines.base import EngineError
from harness.engines.registry.login import Credentials

# Image Manifest Version 2, Schema 2: https://distribution.github.io/distribution/spec/manifest-v2-2/, read 2026-11-24.
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PATIENCE_S = 120.0
_HUB = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Blob:
    """A file in a registry, by what is in it."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """An image in a registry. `layers` are compressed; `diff_ids` are the digests of the same, uncompressed."""

    repository: str
    tag: str
    digest: str
    config: Blob
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]

    @property
    def reference(self) -> str:
        """As Docker takes it."""
        return f"{self.repository}:{self.tag}"

    @property
    def compressed_bytes(self) -> int:
        """All that a pull moves when nothing is here, but for the manifest's kilobyte."""
        return self.config.size_bytes + sum(layer.size_bytes for layer in self.layers)

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """How Docker names each layer on top of those below it.

        Source: OCI Image Format Specification, "Layer ChainID", read 2026-11-24.
        """
        found = [self.diff_ids[0]] if self.diff_ids else []
        for diff_id in self.diff_ids[1:]:
            found.append(f"sha256:{hashlib.sha256(f'{found[-1]} {diff_id}'.encode()).hexdigest()}")
        return tuple(found)


class Repository:
    """A context manager, within which `find` and `put` work; their EngineErrors say what the registry answered."""

    def __init__(
        self, address: str, name: str, credentials: Credentials | None = None, *, plain_http: bool = False
    ) -> None:
        """`plain_http` for registries that the engine takes for insecure: see `speaks_http`."""
        self.address = address
        self.name = name
        self._credentials = credentials
        self._client = _Client(
            _HUB.get(address, address), name, self._authenticate, insecure=plain_http, timeout=PATIENCE_S
        )

    def __enter__(self) -> Repository:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def find(self, tag: str) -> Hosted | None:
        """The image of that tag; None where there is none, or it is of another kind than `put` makes."""
        with self._told(f"look for {tag}"):
            try:
                text, response = self._client.get_manifest_and_response(tag)
            except requests.HTTPError as error:
                if error.response is not None and error.response.status_code == 404:
                    return None
                raise
            manifest = json.loads(text)
            if manifest.get("mediaType") != MANIFEST:
                return None
            config = b"".join(self._client.pull_blob(manifest["config"]["digest"]))  # type: ignore[arg-type]
        return _hosted(self, tag, response.content, json.loads(config))

    def put(self, tag: str, config: bytes, layers: Sequence[Blob]) -> Hosted:
        """Name an image whose layers were put there with `put_file`, from the lowest; `config` has their diff ids."""
        about = Blob(f"sha256:{hashlib.sha256(config).hexdigest()}", len(config))
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": about.size_bytes, "digest": about.digest},
                "layers": [
                    {"mediaType": LAYER, "size": blob.size_bytes, "digest": blob.digest} for blob in layers
                ],
            }
        )
        with self._told(f"push {tag}"):
            self._client.push_blob(data=iter([config]), digest=about.digest)
            self._client.set_manifest(tag, manifest)
        return _hosted(self, tag, manifest.encode(), json.loads(config))

    def put_file(self, path: Path) -> Blob:
        """Send a file, if it is not there yet."""
        with self._told(f"push {path.name}"):
            return Blob(str(self._client.push_blob(filename=str(path))), path.stat().st_size)

    def _authenticate(self, client: DXFBase, response: requests.Response) -> None:
        known = self._credentials
        client.authenticate(
            known.username if known else None, known.password if known else None, response=response
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except DXFUnauthorizedError as error:
            login = "with other credentials" if self._credentials else f"first: `docker login {self.address}`"
            raise EngineError(
                f"registry {self.address}: may not {what} in {self.name}; log in {login}"
            ) from error
        except requests.HTTPError as error:
            answer = error.response.text.strip()[:300] if error.response is not None else ""
            raise EngineError(
                f"registry {self.address}: could not {what} in {self.name}: {error} {answer}{self._hint(error)}"
            ) from error
        except (DXFError, requests.RequestException, OSError, KeyError, ValueError) as error:
            raise EngineError(
                f"registry {self.address}: could not {what} in {self.name}: {error or type(error).__name__}"
            ) from error

    def _hint(self, error: requests.HTTPError) -> str:
        """ECR keeps repositories that were made before, and no others."""
        if ".ecr." in self.address and error.response is not None and error.response.status_code == 404:
            return f"; make it first: `aws ecr create-repository --repository-name {self.name}`"
        return ""


class _Client(DXF):
    """dxf, which would ask a proxy for what is on loopback."""

    def __enter__(self) -> _Client:
        super().__enter__()
        session = self._sessions[0]
        if is_loopback(self._host) and isinstance(session, requests.Session):
            session.trust_env = False
        return self


def is_loopback(address: str) -> bool:
    """Whether a registry's address is this machine's own."""
    host = address.partition(":")[0]
    return host == "localhost" or host.startswith("127.")


def speaks_http(client: docker.DockerClient, address: str) -> bool:
    """Whether the engine may speak plain HTTP to a registry: loopback, and those of its `insecure-registries`."""
    config: dict[str, Any] = client.info().get("RegistryConfig") or {}
    known = (config.get("IndexConfigs") or {}).get(address)
    if is_loopback(address) or (known is not None and not known.get("Secure", True)):
        return True
    try:
        host = ip_address(address.partition(":")[0])
    except ValueError:
        return False
    return any(host in ip_network(net) for net in config.get("InsecureRegistryCIDRs") or [])


def _hosted(repository: Repository, tag: str, manifest: bytes, config: dict[str, Any]) -> Hosted:
    told = json.loads(manifest)
    return Hosted(
        repository=f"{repository.address}/{repository.name}",
        tag=tag,
        digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        config=Blob(told["config"]["digest"], int(told["config"]["size"])),
        layers=tuple(Blob(layer["digest"], int(layer["size"])) for layer in told["layers"]),
        diff_ids=tuple(config["rootfs"]["diff_ids"]),
    )
