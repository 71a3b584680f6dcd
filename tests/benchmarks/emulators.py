"""AWS's own local emulators of Lambda, with the image that the harness runs: what the function placement is held to."""

from __future__ import annotations

import asyncio
import http.client
import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import docker

from harness.engines.ownership import container_user
from harness.placements.function.runtime_api import Invocation, RuntimeApi

ROOT = Path(__file__).parent.parent.parent
SAM = ROOT / ".cache" / "sam" / "bin" / "sam"
NOOP = b'{"verb": "noop"}'
MEMORY_MB = 1769
PATIENCE_S = 60
LIMITS = (
    "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--pids-limit=1024",
    f"--memory={MEMORY_MB}m", f"--memory-swap={MEMORY_MB}m", "--cpu-period=20000", "--cpu-quota=20000",
    f"--user={':'.join(map(str, container_user()))}", "--ulimit=nofile=1024",
)  # fmt: skip


def emulator() -> Path | None:
    """AWS's emulator of the runtime, which the wheel of the SAM CLI brings; None if that is not installed."""
    name = "aws-lambda-rie-arm64" if platform.machine() in {"aarch64", "arm64"} else "aws-lambda-rie-x86_64"
    return next(ROOT.glob(f".cache/sam/lib/*/site-packages/samcli/local/rapid/{name}"), None)


@contextmanager
def emulated(client: docker.DockerClient, image: str) -> Iterator[str]:
    """The emulator in front of a container's handler, with the limits of a function; yields its URL."""
    binary = emulator()
    assert binary is not None
    command = [
        "docker", "run", "--detach", "--rm", *LIMITS, f"--volume={binary}:/rie:ro", "--entrypoint=/rie", image,
        "python3", "-m", "awslambdaric", "app.handler",
    ]  # fmt: skip
    started = subprocess.run(command, capture_output=True, text=True, check=True)
    container = client.containers.get(started.stdout.strip())
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        yield f"http://{address}:8080/2015-03-31/functions/function/invocations"
    finally:
        container.remove(force=True)


async def until_it_answers(session: aiohttp.ClientSession, url: str) -> None:
    """Invoke until there is an answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with session.post(url, data=NOOP) as answer:
                    await answer.read()
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)


async def bare_docker_run(image: str, host: str, network: str) -> float:
    """Seconds from `docker run` of the image, with a function's limits, to its first answer."""

    async def anyone() -> None:
        return None

    api = RuntimeApi("noop", anyone)
    address = await api.start(host)
    begun_s = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        "docker", "run", "--rm", *LIMITS, f"--network={network}", f"--env=AWS_LAMBDA_RUNTIME_API={address}",
        "--name=bare-docker-run", image, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            await api.invoke(Invocation(request_id="bare", payload=NOOP, deadline_ms=2**45))
        return time.perf_counter() - begun_s
    finally:
        killing = await asyncio.create_subprocess_exec(
            "docker", "rm", "--force", "bare-docker-run", stdout=subprocess.DEVNULL
        )
        await killing.wait()
        await process.wait()
        await api.close()


@contextmanager
def sam_local(image: str) -> Iterator[int]:
    """`sam local start-lambda` without warm containers; yields its port, once its own image is built."""
    template = (
        "AWSTemplateFormatVersion: '2010-09-09'\nTransform: AWS::Serverless-2016-10-31\nResources:\n"
        "  Noop:\n    Type: AWS::Serverless::Function\n    Properties:\n      PackageType: Image\n"
        f"      ImageUri: {image}\n      MemorySize: {MEMORY_MB}\n      Timeout: 30\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with TemporaryDirectory() as folder:
        (Path(folder) / "template.yaml").write_text(template)
        environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
        command = [str(SAM), "local", "start-lambda", "--skip-pull-image", "--no-watch", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            end_s = time.monotonic() + PATIENCE_S
            while True:
                try:
                    sam_invoke(port)
                    break
                except OSError:
                    assert time.monotonic() < end_s, "sam local start-lambda does not answer"
                    time.sleep(0.2)
            yield port
        finally:
            process.terminate()
            process.wait()


def sam_invoke(port: int) -> float:
    """Seconds that one invocation takes."""
    begun_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/2015-03-31/functions/Noop/invocations", NOOP)
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, body) == (200, b"null"), body
    finally:
        connection.close()
    return time.perf_counter() - begun_s
