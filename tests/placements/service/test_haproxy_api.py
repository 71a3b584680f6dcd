"""HAProxy's runtime API, before a server that answers as HAProxy 2.6 does, and breaks off where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from harness.placements.service.haproxy.runtime_api import HaproxyError, RuntimeApi

STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state
3 tasks 1 a 127.0.0.1 2 0
3 tasks 2 b 127.0.0.1 0 0

"""
STAT = """# pxname,svname,qcur,scur,smax,status,
service,FRONTEND,,3,4,OPEN,
tasks,a,0,2,4,UP,
tasks,b,0,0,0,DOWN,
tasks,BACKEND,0,2,4,UP,

"""
Ask = Callable[[RuntimeApi], Coroutine[Any, Any, Any]]


def answer_of(folder: Path, answer: str, ask: Ask) -> Any:
    """What the client makes of this answer."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    async def main() -> Any:
        socket = folder / "admin.sock"
        async with await asyncio.start_unix_server(respond, socket):
            return await ask(RuntimeApi(socket))

    return asyncio.run(main())


def test_whole_answers_are_read(tmp_path: Path) -> None:
    assert answer_of(tmp_path, STATE, RuntimeApi.up) == {"tasks/a": True, "tasks/b": False}
    in_hand = answer_of(tmp_path, STAT, RuntimeApi.in_hand)
    assert in_hand == {"service/FRONTEND": 3, "tasks/a": 2, "tasks/b": 0, "tasks/BACKEND": 2}
    empty = STATE[: STATE.index("3 tasks")] + "\n"
    assert answer_of(tmp_path, empty, RuntimeApi.up) == {}


@pytest.mark.parametrize(("answer", "ask"), [(STATE, RuntimeApi.up), (STAT, RuntimeApi.in_hand)])
def test_an_answer_that_breaks_off_anywhere_is_none(tmp_path: Path, answer: str, ask: Ask) -> None:
    for cut in range(len(answer)):
        with pytest.raises(HaproxyError):
            answer_of(tmp_path, answer[:cut], ask)


@pytest.mark.parametrize("answer", ["", "No such server.\n\n", "\n\nNo such backend.\n"])
def test_a_change_that_is_not_confirmed_was_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(HaproxyError):
        answer_of(tmp_path, answer, lambda api: api.change("enable server tasks/a"))


@pytest.mark.parametrize("answer", ["\n", "New server registered.\n\n\n\n", "\nServer deleted.\n"])
def test_a_change_that_is_confirmed_is_done(tmp_path: Path, answer: str) -> None:
    answer_of(tmp_path, answer, lambda api: api.change("enable server tasks/a"))
