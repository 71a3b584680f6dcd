"""How each command and each piece of Python in the docs is run.

`REAL` commands are run as they stand, in a folder of their own. `SMALL` ones are run with their own options, but on a
copy of the scenario that has less to do, on plain processes and in one block; on Docker where the scenario needs it.
What is `ELSEWHERE` is run by the test that is named: it stays on, or needs AWS, or changes this machine. Of `make` it
is tested that it knows the target; what its targets consist of is run by the tests of scripts/ and by these. A command
that nothing here fits fails the tests: say how it is run, or do not print it.
"""

from __future__ import annotations

import re
from pathlib import Path

REAL = re.compile(
    r"harness (report|advise|compare|export|prices show|doctor(?! --clean))\b|harness .*--(help|version)$"
)
SMALL = re.compile(
    r"harness (run|aa) (?!mine\b|pull\b)|harness push default$"
    r"|harness tune default --placements function --memory 512,885,1769$"
)
ON_DOCKER = re.compile(r"harness push\b")

MAKE = re.compile(r"make( [a-z-]+)+( [A-Z]+=.*)?$")

PRICES = "tests/cost/test_prices_command.py::"
ECR = "tests/engines/test_login.py::test_ecr_is_asked_in_the_regions_of_its_addresses"
ELSEWHERE = {
    r"harness tune .*--search": "tests/tuning/test_cli.py::test_a_search_measures_fewer_sizes_in_several_rounds",
    r"harness tune ": "tests/tuning/test_cli.py::test_a_sweep_runs_every_size_of_every_placement_in_one_run",
    r"harness serve ": "tests/conformance/test_serve.py::test_boto3_and_the_run_that_is_left",
    r"aws lambda invoke --endpoint-url ": "tests/conformance/test_serve.py::test_boto3_and_the_run_that_is_left",
    r"harness doctor --clean$": "tests/test_doctor.py::test_clean_removes_a_runs_leftovers_and_leaves_the_rest",
    r"harness prices update --dry-run$": f"{PRICES}test_a_dry_run_writes_nothing",
    r"harness prices update ": f"{PRICES}test_update_prints_what_changed_and_writes_a_new_book",
    r"harness push .*--registry .*amazonaws": ECR,
    r"harness run pull$": "tests/test_pulls.py::test_every_placement_pulls_its_image_for_a_cold_start",
    r"harness gallery\b": "tests/gallery/test_real_lines.py",
    # The page on adding a workload has a test that runs its commands one after the other.
    r".* workloads/mine|harness run mine\b|python -m pytest tests/placements": "tests/test_docs.py",
}
PYTHON_ELSEWHERE = {
    'boto3.client("lambda"': "tests/conformance/test_serve.py::test_boto3_and_the_run_that_is_left",
    'boto3.client("batch"': "tests/conformance/test_serve_batch.py::test_jobs_of_any_image",
    "from workloads.kit": "tests/test_docs.py",
}


def plain(command: str) -> str:
    """The command without the path of its program."""
    return command.removeprefix(".venv/bin/")


def elsewhere(command: str) -> str | None:
    """The test that runs it, if neither test here does."""
    return next((test for pattern, test in ELSEWHERE.items() if re.match(pattern, plain(command))), None)


def smaller(scenario: Path, folder: Path) -> Path:
    """A copy of a scenario that has less to do: a few items, one block, no A/A arm."""

    def fewer_items(found: re.Match[str]) -> str:
        return f"{found[1]}{min(int(found[2]), 2)}"

    def shorter(found: re.Match[str]) -> str:
        rate_per_s, duration_s = float(found[1]), float(found[2])
        return f"rate_per_s = {rate_per_s}, duration_s = {min(duration_s, max(1.0, 2 / rate_per_s))}"

    text = re.sub(r'(kind = "(?:drop|burst)",.*\bitems = )(\d+)', fewer_items, scenario.read_text())
    text = re.sub(r"rate_per_s = ([\d.]+), duration_s = ([\d.]+)", shorter, text)
    text = re.sub(r"after_s = [\d.]+", "after_s = 0.1", text)  # within what the phase lasts now
    text = re.sub(r"^aa = .*\n", "", text, flags=re.MULTILINE)
    copy = folder / scenario.name
    copy.write_text(re.sub(r"^blocks = \d+", 'blocks = 1\naa = ""', text, flags=re.MULTILINE))
    return copy
