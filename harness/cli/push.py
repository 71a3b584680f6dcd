"""`harness push`: the image of a scenario, in a registry."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and docker-py takes a while)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli.exits import FAILED, USAGE, failing
from harness.cli.options import json_option
from harness.cli.output import print_json
from harness.cli.starting import scenario_asked

if TYPE_CHECKING:
    from harness.engines.registry.hosting import Hosting
    from harness.scenario import Scenario


@click.command()
@click.argument("scenario")
@click.option(
    "--registry",
    "address",
    metavar="ADDRESS",
    help="HOST or HOST:PORT, in place of the scenario's; `local` starts one on loopback and only tells sizes.",
)
@click.option("--repository", help="Name of the repository there, in place of placement-harness/WORKLOAD.")
@json_option()
def push(scenario: str, address: str | None, repository: str | None, as_json: bool) -> None:
    """Push the image of SCENARIO to a registry; tells its digest, layers and compressed size.

    Logins are those of `docker login`; to Amazon ECR the harness logs in by itself, with your AWS credentials.

    \b
    Example:
      harness push default
      harness push default --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com --repository thumbnail
    """
    from harness.engines.base import EngineError
    from harness.scenario import ScenarioError

    with failing(USAGE, ScenarioError), failing(FAILED, EngineError):
        pushed, reference = _push(scenario, address, repository, quiet=as_json)
    about = {"reference": reference, **pushed.describe()}
    if as_json:
        print_json(about)
        return
    click.echo(f"{reference}\n{pushed.image.digest}")
    for blob in pushed.image.layers:
        click.echo(f"  {blob.digest}  {blob.size_bytes:>13,} bytes")
    click.echo(f"{len(pushed.image.layers)} layers, {pushed.image.compressed_bytes:,} bytes compressed")


def _push(name: str, address: str | None, repository: str | None, *, quiet: bool) -> tuple[Hosting, str]:
    from harness import scenario
    from harness.engines.docker import connect
    from harness.engines.image import ensure_image
    from harness.engines.registry.hosting import hosted

    chosen = scenario_asked(name)
    settings = _settings(chosen, address, repository)

    def say(message: str) -> None:
        if not quiet:
            click.echo(message, err=True)

    client = connect()
    try:
        image = ensure_image(client, chosen.workload, scenario.ROOT, say)
        with hosted(client, image.id, chosen.workload, settings, 1, say) as hosting:
            return hosting, hosting.image.reference
    finally:
        client.close()


def _settings(chosen: Scenario, address: str | None, repository: str | None) -> Any:
    """The scenario's registry or the one asked for, without twins."""
    from pydantic import ValidationError

    from harness.scenario import RegistrySettings, ScenarioError

    known = (chosen.registry or RegistrySettings()).model_dump()
    asked = {"address": address, "repository": repository}
    try:
        return RegistrySettings(
            **known | {key: value for key, value in asked.items() if value} | {"pull": "never"}
        )
    except ValidationError as error:
        told = error.errors()[0]
        option = "--registry" if told["loc"][0] == "address" else "--repository"
        raise ScenarioError(f"{option}: {told['msg'].removeprefix('Value error, ')}") from None
