"""Makes a workload's image, once: the same image runs in every placement.

The image is named by the digest of everything that goes into it: it is built when something changed and
reused otherwise, and two runs with the same image name ran the same code.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from harness.engines import base_image, wheels
from harness.engines.base import LABEL, EngineError

# What lies in the folder of a workload, or of the kit, for the host alone, which makes corpora and reads scenarios.
_HOST_ONLY = frozenset(
    {"Dockerfile", "requirements.in", "requirements.lock", "corpus.py", "corpus", "scenarios"}
)
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A workload's image on this machine. `size_bytes` is unpacked, all layers."""

    reference: str
    id: str
    inputs_digest: str
    size_bytes: int
    base: str
    built_now: bool


def ensure_image(client: docker.DockerClient, workload: str, root: Path, say: Callable[[str], None]) -> Image:
    """The image of `root/workloads/<workload>`, built if this machine does not have it yet."""
    folder = root / "workloads" / workload
    if not folder.is_dir():
        raise EngineError(f"{folder} is missing: there is no workload {workload!r}.")
    machine = architecture(client)
    base = base_image.ensure_base(client, machine, say)
    digest = _digest(folder, root, (machine, base.id))
    reference = f"{LABEL}/{workload}:{digest[:16]}"
    try:
        found, built_now = client.images.get(reference), False
    except ImageNotFound:
        say(f"building the image {reference} on {base.reference}")
        with tempfile.TemporaryDirectory(prefix="placement-harness-image-") as context:
            _fill(Path(context), folder, root, machine)
            build(client, Path(context), reference, base.reference, workload)
        found, built_now = client.images.get(reference), True
    return Image(
        reference=reference,
        id=str(found.id),
        inputs_digest=digest,
        size_bytes=int(found.attrs["Size"]),
        base=base.reference,
        built_now=built_now,
    )


def architecture(client: docker.DockerClient) -> str:
    """`x86_64` or `aarch64`. EngineError if the engine runs on something else."""
    name = str(client.info()["Architecture"])
    if name not in _ARCHITECTURES:
        raise EngineError(
            f"The Docker engine runs on {name}; images are made for x86_64 and aarch64. Use `--engine process`."
        )
    return _ARCHITECTURES[name]


def _own_or_common(folder: Path, name: str) -> Path:
    """The workload's own Dockerfile or requirements.lock; the kit's, where it does without."""
    own = folder / name
    return own if own.is_file() else folder.parent / "kit" / name


def _sources(folder: Path, root: Path) -> Iterator[Path]:
    """The files that go into the image: the package, the kit, the no-op that every run calibrates with, and this
    workload.
    """
    package = root / "workloads"
    tops = [
        package / "__init__.py",
        package / "noop",
        *(p for half in (package / "kit", folder) for p in half.iterdir() if p.name not in _HOST_ONLY),
    ]
    for top in tops:
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _digest(folder: Path, root: Path, identity: tuple[str, ...]) -> str:
    whole = hashlib.sha256(repr((identity, wheels.platforms(identity[0]))).encode())
    files = [_own_or_common(folder, name) for name in ("Dockerfile", "requirements.lock")]
    for path in sorted([*_sources(folder, root), *files]):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"\n{path.relative_to(root).as_posix()} {content}".encode())
    return whole.hexdigest()


def _fill(context: Path, folder: Path, root: Path, architecture: str) -> None:
    """Lay out what the Dockerfile copies: itself, `site/` and `workloads/`."""
    shutil.copy(_own_or_common(folder, "Dockerfile"), context / "Dockerfile")
    for path in _sources(folder, root):
        copy = context / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    wheels.install(_own_or_common(folder, "requirements.lock"), context / "site", architecture)
    # Commands of packages are of no use there: they name this machine's interpreter.
    shutil.rmtree(context / "site" / "bin", ignore_errors=True)
    # The image's user is nobody in particular, and this machine's umask may be strict.
    for path in context.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def build(client: docker.DockerClient, context: Path, reference: str, base: str, workload: str) -> None:
    """Build without a network, which proves that the context is complete."""
    log: list[str] = []
    try:
        for line in client.api.build(
            path=str(context),
            tag=reference,
            buildargs={"BASE": base},
            labels={LABEL: workload},
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        ):
            log.append(str(line.get("stream") or line.get("status") or ""))
            if "error" in line:
                raise EngineError(
                    f"Docker could not build {reference}: {line['error']}\n{''.join(log)[-2000:].strip()}"
                )
    except APIError as error:
        raise EngineError(f"Docker could not build {reference}: {error.explanation or error}") from error
