"""Every engine keeps the same promises; the Docker engine also keeps its limits."""

from __future__ import annotations

import asyncio
import itertools
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.engines.base import Container, ContainerSpec, Engine, EngineError, Limits
from harness.engines.docker import DockerEngine
from harness.engines.ownership import container_user

NUMBERS = itertools.count()
MIB = 1024 * 1024
ROOMY = Limits(vcpu=1.0, memory_bytes=256 * MIB)
MakeEngine = Callable[[], Engine]


def python(code: str, limits: Limits = ROOMY, **more: Any) -> ContainerSpec:
    return ContainerSpec(
        name=f"harness-test-{next(NUMBERS)}",
        command=("python3", "-c", code),
        environment={"WORD": "hello"},
        limits=limits,
        **more,
    )


def with_engine(make: MakeEngine, check: Callable[[Engine], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        engine = make()
        try:
            await asyncio.wait_for(check(engine), 90)
        finally:
            await engine.close()

    asyncio.run(run())


@asynccontextmanager
async def running(engine: Engine, spec: ContainerSpec) -> AsyncIterator[Container]:
    container = await engine.create(spec)
    try:
        await container.start()
        yield container
    finally:
        await container.remove()


def test_exit_code_output_and_environment(make_engine: MakeEngine) -> None:
    async def check(engine: Engine) -> None:
        spec = python("import os, sys; print(os.environ['WORD']); print('bad', file=sys.stderr); sys.exit(3)")
        async with running(engine, spec) as container:
            end = await container.wait()
            assert (end.code, end.out_of_memory) == (3, False)
            assert sorted((await container.output()).split()) == ["bad", "hello"]

    with_engine(make_engine, check)


def test_folders_are_shared_at_their_own_path(make_engine: MakeEngine, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    (tmp_path / "in" / "word").write_text("42")
    code = (
        f"open({str(tmp_path / 'out' / 'copy')!r}, 'w').write(open({str(tmp_path / 'in' / 'word')!r}).read())"
    )

    async def check(engine: Engine) -> None:
        spec = python(code, readable=(tmp_path / "in",), writable=(tmp_path / "out",))
        async with running(engine, spec) as container:
            assert (await container.wait()).code == 0, await container.output()

    with_engine(make_engine, check)
    assert (tmp_path / "out" / "copy").read_text() == "42"


def test_a_server_is_reached_at_its_address_and_stops_on_sigterm(make_engine: MakeEngine) -> None:
    code = (
        "import http.server, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), http.server.SimpleHTTPRequestHandler)"
        ".serve_forever()"
    )

    async def check(engine: Engine) -> None:
        spec = python(code, network="harness", port=8080)
        spec = ContainerSpec(
            name=spec.name, command=(*spec.command, "{host}", "{port}"), environment={}, limits=ROOMY,
            network="harness", port=8080,
        )  # fmt: skip
        async with running(engine, spec) as container:
            host, port = container.address
            for _ in range(200):
                try:
                    answer = await asyncio.to_thread(
                        urllib.request.urlopen, f"http://{host}:{port}/", None, 5
                    )
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            with answer:
                assert answer.status == 200
            await container.stop(5)
            assert (await container.wait()).code == 0
            await container.stop(5)

    with_engine(make_engine, check)


def test_more_memory_than_the_ceiling_is_killed_and_named(make_engine: MakeEngine) -> None:
    hold = "import time; x = bytearray({} * 2**20); time.sleep({})"
    tight = Limits(vcpu=1.0, memory_bytes=96 * MIB)

    async def check(engine: Engine) -> None:
        async with running(engine, python(hold.format(200, 20), tight)) as container:
            end = await container.wait()
            assert (end.code, end.out_of_memory) == (137, True)
        async with running(engine, python(hold.format(40, 0.3), tight)) as container:
            end = await container.wait()
            assert (end.code, end.out_of_memory) == (0, False)

    with_engine(make_engine, check)


def test_known_work_reads_back_from_the_counters(make_engine: MakeEngine) -> None:
    code = (
        "import time\n"
        "x = bytearray(100 * 2**20)\n"
        "while time.process_time() < 1.0: pass\n"
    )  # fmt: skip

    async def check(engine: Engine) -> None:
        async with running(engine, python(code)) as container:
            end = await container.wait()
            assert end.code == 0, await container.output()
            usage = container.usage()
            assert usage is not None
            assert usage.cpu_s == pytest.approx(1.0, rel=0.1)
            assert usage.memory_peak_bytes == pytest.approx(112 * MIB, rel=0.1)

    with_engine(make_engine, check)


def test_a_command_that_does_not_exist_is_an_engine_error(make_engine: MakeEngine) -> None:
    async def check(engine: Engine) -> None:
        spec = ContainerSpec(
            name=f"harness-test-{next(NUMBERS)}", command=("no-such-program",), environment={}, limits=ROOMY
        )
        container = await engine.create(spec)
        with pytest.raises(EngineError, match="no-such-program"):
            await container.start()
        await container.remove()

    with_engine(make_engine, check)


@pytest.mark.docker
def test_limits_read_back_from_the_kernel(make_docker: MakeEngine) -> None:
    limits = Limits(vcpu=0.25, memory_bytes=128 * MIB, pids=64)

    async def check(engine: Engine) -> None:
        async with running(engine, python("import time; time.sleep(30)", limits)) as container:
            found = container.limits_in_force()
            assert found["vcpu"] == pytest.approx(0.25)
            assert found["cpu_period_us"] == 20_000
            assert found["memory_bytes"] == 128 * MIB
            assert found["swap_bytes"] == 0
            assert found["pids"] == 64
        share = Limits(vcpu=0.25, memory_bytes=128 * MIB, cpu="share")
        async with running(engine, python("import time; time.sleep(30)", share)) as container:
            assert container.limits_in_force()["vcpu"] is None

    with_engine(make_docker, check)


@pytest.mark.docker
def test_the_cpu_limit_holds_and_its_throttling_is_seen(make_docker: MakeEngine) -> None:
    code = "import time\nwhile time.monotonic() - {} < 0: pass\nwhile True: pass"

    async def check(engine: Engine) -> None:
        limits = Limits(vcpu=0.25, memory_bytes=128 * MIB)
        async with running(engine, python(code.format(0), limits)) as container:
            before = container.usage()
            await asyncio.sleep(2.0)
            after = container.usage()
            assert before and after and before.cpu_s is not None and after.cpu_s is not None
            assert (after.cpu_s - before.cpu_s) / 2.0 == pytest.approx(0.25, rel=0.2)
            assert (after.cpu_throttled_periods or 0) > (before.cpu_throttled_periods or 0)

    with_engine(make_docker, check)


BUSY = "import os\nos.fork(), os.fork()\nwhile True: pass"


@pytest.mark.docker
def test_a_cpu_share_counts_among_containers_that_want_more_than_there_is(make_docker: MakeEngine) -> None:
    """Four busy processes each, on two cores: without their shares both would have as much."""

    async def check(engine: Engine) -> None:
        small, large = (
            python(BUSY, Limits(vcpu=vcpu, memory_bytes=128 * MIB, cpu="share")) for vcpu in (0.25, 1.0)
        )
        async with running(engine, small) as less, running(engine, large) as more:
            before = [each.usage() for each in (less, more)]
            await asyncio.sleep(3)
            after = [each.usage() for each in (less, more)]
        used_s = [late.cpu_s - early.cpu_s for early, late in zip(before, after, strict=True)]  # type: ignore[union-attr,operator]
        assert 2.5 < used_s[1] / used_s[0] < 6, used_s

    with_engine(make_docker, check)


@pytest.mark.docker
def test_a_container_that_does_not_end_holds_up_no_call_to_the_daemon(
    docker_client: docker.DockerClient, make_docker: MakeEngine
) -> None:
    async def check(engine: Engine) -> None:
        assert isinstance(engine, DockerEngine)
        engine._daemon._calls = ThreadPoolExecutor(1)
        ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); "
        deaf = python(ignore + "time.sleep(60)")
        async with running(engine, deaf) as container:
            while "deaf" not in await container.output():
                await asyncio.sleep(0.05)
            begun_s = time.monotonic()
            stopping = asyncio.create_task(container.stop(3.0))
            await asyncio.sleep(0.3)
            await engine._daemon.call(docker_client.ping)
            assert time.monotonic() - begun_s < 2
            await stopping
            assert time.monotonic() - begun_s > 3
            assert (await container.wait()).code == 137

    with_engine(make_docker, check)


@pytest.mark.docker
def test_containers_are_locked_down(make_docker: MakeEngine) -> None:
    code = """
import os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
assert os.getuid() == {uid}, os.getuid()
assert int(status["CapEff"], 16) == 0, status["CapEff"]
assert int(status["CapBnd"], 16) == 0, status["CapBnd"]
assert status["NoNewPrivs"].strip() == "1"
for path in ("/x", "/etc/x", "/var/task/x", "/opt/x"):
    try:
        open(path, "w")
    except OSError:
        pass
    else:
        raise AssertionError(path)
open("/tmp/x", "wb").write(b"fine")
assert os.statvfs("/tmp").f_frsize
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError:
    pass
else:
    raise AssertionError("there is a way out")
"""

    async def check(engine: Engine) -> None:
        for network in ("none", "harness"):
            spec = python(code.replace("{uid}", str(container_user()[0])), network=network)
            async with running(engine, spec) as container:
                assert (await container.wait()).code == 0, await container.output()

    with_engine(make_docker, check)


@pytest.mark.docker
def test_closing_removes_containers_volumes_and_network(
    make_docker: MakeEngine, docker_client: docker.DockerClient
) -> None:
    names = []

    async def check(engine: Engine) -> None:
        container = await engine.create(python("import time; time.sleep(60)", network="harness"))
        await container.start()
        names.append(container.name)

    volumes_before = {volume.id for volume in docker_client.volumes.list()}
    with_engine(make_docker, check)
    assert names[0] not in [c.name for c in docker_client.containers.list(all=True)]
    assert not [
        n.name for n in docker_client.networks.list() if str(n.name).startswith("placement-harness-test")
    ]
    assert {volume.id for volume in docker_client.volumes.list()} <= volumes_before


@pytest.mark.docker
def test_a_reserved_network_is_used_again_and_its_past_is_not_counted(make_docker: MakeEngine) -> None:
    code = (
        "import socket\n"
        "link = socket.create_connection(('{host}', {port}))\n"
        "link.sendall(bytes({size}))\n"
        "link.close()\n"
        "import time\n"
        "time.sleep(20)\n"
    )

    async def check(engine: Engine) -> None:
        swallowed = asyncio.Event()

        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                pass
            writer.close()
            swallowed.set()

        server = await asyncio.start_server(swallow, engine.host_address, 0)
        host, port = server.sockets[0].getsockname()
        await engine.reserve(1, network="harness")
        seen = []
        for size in (3_000_000, 1_000_000, 10_000):
            spec = python(code.format(host=host, port=port, size=size), network="harness")
            async with running(engine, spec) as container:
                await asyncio.wait_for(swallowed.wait(), 10)
                swallowed.clear()
                usage = container.usage()
                assert usage is not None
                assert usage.network_out_bytes == pytest.approx(size, rel=0.1, abs=3000)
                seen.append(container.peer)
        assert len(set(seen)) == 1
        # Beyond what was reserved each has its own.
        async with (
            running(engine, python("import time; time.sleep(20)", network="harness")) as one,
            running(engine, python("import time; time.sleep(20)", network="harness")) as two,
        ):
            assert one.peer != two.peer
            assert two.peer is not None
        server.close()

    with_engine(make_docker, check)


@pytest.mark.docker
def test_what_is_frozen_is_removed_with_its_run(
    make_docker: MakeEngine, docker_client: docker.DockerClient
) -> None:
    async def check(engine: Engine) -> None:
        spec = python("import time; time.sleep(60)")
        container = await engine.create(spec)
        await container.start()
        assert await container.freeze()
        await engine.close()
        assert docker_client.containers.list(all=True, filters={"name": spec.name}) == []

    with_engine(make_docker, check)
