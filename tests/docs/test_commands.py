"""Every command in the docs: click takes it, its scenario exists, and it is run, here or by the test that is named."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from PIL import Image

from harness import load, scenario
from harness.cli import main
from tests.docs import how
from tests.docs.pages import PAGES, ROOT, SHELL, Block, Command, blocks, commands, inline

ALL = [command for page in PAGES for command in commands(page)]
DISTINCT = list({how.plain(command.text): command for command in ALL}.values())
HARNESS = [command for command in DISTINCT if how.plain(command.text).startswith("harness")]
# Of those that differ in the values of options alone, one is run.
SMALL = list(
    {
        tuple(word for word in command.text.split()[1:] if not re.match(r"\d", word)): command
        for command in HARNESS
        if how.SMALL.match(how.plain(command.text))
    }.values()
)


def shown() -> list[tuple[Command, Block]]:
    """Commands with what the page says that they print: the block of text that follows."""
    pairs = []
    for page in PAGES:
        several = blocks(page)
        for block, after in itertools.pairwise(several):
            own = [command for command in commands(page) if command.block == block]
            if block.language in SHELL and after.language == "text" and len(own) == 1:
                pairs.append((own[0], after))
    return pairs


SHOWN = [command for command, _ in shown()]
# A noisy machine makes a run invalid, which is the exit code 4; its rows and reports are there all the same.
PASSED, INVALID = 0, 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands find what they name: the finished run, under every name, and pictures at home."""
    for name in {"results/example", *re.findall(r"\bresults/[\w-]+", " ".join(map(str, HARNESS)))}:
        shutil.copytree(ROOT / "results/example", tmp_path / name)
    (tmp_path / "logs").mkdir()
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    for name, colour in (("red", "#a00"), ("blue", "#00a")):
        Image.new("RGB", (640, 480), colour).save(pictures / f"{name}.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(command: Command) -> list[str]:
    home = str(Path.home())
    return [re.sub("^~(?=/)", home, word) for word in shlex.split(how.plain(command.text))]


def leaf(arguments: list[str]) -> tuple[click.Command, list[str], str]:
    """The command that is called, what is left for it, and its name."""
    command: click.Command = main
    name = "harness"
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in command.commands, f"there is no command {name!r}"
        command = command.commands[name]
    return command, arguments, name


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, check=False
    )


def test_there_are_commands() -> None:
    assert len(DISTINCT) > 30
    assert len({command.block.page for command in ALL}) > 6


@pytest.mark.parametrize("command", DISTINCT, ids=str)
def test_it_is_known_how_a_command_is_run(command: Command) -> None:
    text = how.plain(command.text)
    here = how.REAL.match(text) or how.SMALL.match(text) or how.MAKE.match(text)
    assert here or how.elsewhere(text), f"{command.block}: say in tests/docs/how.py how {text!r} is run"


@pytest.mark.parametrize("test", sorted({*how.ELSEWHERE.values(), *how.PYTHON_ELSEWHERE.values()}))
def test_what_runs_elsewhere_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    used = [each for each in DISTINCT if how.elsewhere(each.text) == test]
    used_python = [key for key, value in how.PYTHON_ELSEWHERE.items() if value == test]
    if not (ROOT / file).is_file():
        assert not used and not any(key in each.text for key in used_python for each in python_blocks())
        return
    found = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
    assert not name or name in found


@pytest.mark.parametrize("command", HARNESS, ids=str)
def test_click_takes_it(command: Command, folder: Path) -> None:
    chosen, arguments, name = leaf(words(command)[1:])
    try:
        context = chosen.make_context(name, arguments)
    except click.exceptions.Exit as ended:
        assert ended.exit_code == 0
        return
    if "scenario" in context.params and context.params["scenario"] != "mine":
        loaded = scenario.load(scenario.find(context.params["scenario"]))
        if asked := context.params.get("placements"):
            loaded.only(asked.split(","))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_lines_exist_with_their_options(page: Path) -> None:
    for text in (token.content for token in inline(page, "code_inline")):
        called = re.match(r"(?:\.venv/bin/)?harness ([a-z].*)", text)
        if called is None:
            continue
        said = [each for each in called[1].split() if not each.isupper() and not each.startswith("[")]
        command, arguments, _ = leaf(said)
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        unknown = [each for each in arguments if each.startswith("--") and each not in {*known, "--help"}]
        assert not unknown, f"{page.name}: {text}"


@pytest.mark.parametrize("command", [each for each in DISTINCT if how.MAKE.match(each.text)], ids=str)
def test_make_knows_the_target(command: Command) -> None:
    done = subprocess.run(
        [*shlex.split(command.text), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [each for each in HARNESS if how.REAL.match(how.plain(each.text)) and each not in SHOWN],
    ids=str,
)
def test_it_runs(command: Command, folder: Path) -> None:
    done = run(words(command)[1:])
    assert done.returncode == PASSED, done.stdout + done.stderr
    assert done.stdout.strip()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            each, id=str(each), marks=[pytest.mark.docker] * bool(how.ON_DOCKER.match(how.plain(each.text)))
        )
        for each in SMALL
    ],
)
def test_it_runs_on_a_small_scenario(command: Command, folder: Path) -> None:
    name, asked, *options = words(command)[1:]
    arguments = [name, str(how.smaller(scenario.find(asked), folder)), *options]
    if name != "push":
        engine = "docker" if how.ON_DOCKER.match(how.plain(command.text)) else "process"
        # The last of two equal options counts.
        arguments += ["--engine", engine, "--repeat", "1"]
        arguments += ["--budget", "1s"] if "--precision" in options else []
    done = run(arguments)
    assert done.returncode in {PASSED, INVALID}, done.stdout + done.stderr
    if name != "push":
        (made,) = folder.glob("results/2*Z-*")
        assert load(made).attempts.outcome.eq("ok").any()
        assert (made / "report.html").exists() == (name != "aa")


def python_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == "python"]


@pytest.mark.parametrize("block", python_blocks(), ids=str)
def test_python_runs(block: Block, folder: Path) -> None:
    compile(block.text, str(block), "exec")
    if any(key in block.text for key in how.PYTHON_ELSEWHERE):
        return
    done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("command", "text"), shown(), ids=str)
def test_it_prints_what_the_page_shows(command: Command, text: Block, folder: Path) -> None:
    done = run(words(command)[1:])
    assert done.returncode == PASSED, done.stderr
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    for line in text.text.splitlines():
        assert line == "..." or line in printed, f"{text}: {line}"
