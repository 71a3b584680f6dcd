"""What a scenario says of the registry that its image is pulled from."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from harness.scenario.placements import Strict

LOCAL = "local"
LEAST_TWINS, MOST_TWINS = 4, 16
_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?"
# As the distribution specification has them: https://distribution.github.io/distribution/spec/api/, read 2026-11-24.
_REPOSITORY = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"


def checked_repository(name: str) -> str:
    """The name of a repository. ValueError if registries would refuse it."""
    if not re.fullmatch(_REPOSITORY, name) or len(name) > 200:
        raise ValueError(
            f"got {name!r}; allowed: lower-case letters and digits, with '.', '_' and '-' between them, in parts "
            "divided by '/', such as 'team/thumbnail'"
        )
    return name


def checked_address(address: str) -> str:
    """`local`, or the host of a registry and perhaps its port. ValueError for anything else."""
    if not re.fullmatch(_HOST, address):
        raise ValueError(
            f"got {address!r}; allowed: {LOCAL!r}, or HOST or HOST:PORT without scheme and path, such as "
            "'registry.example.com:5000' or '123456789012.dkr.ecr.eu-west-1.amazonaws.com'"
        )
    return address


class RegistrySettings(Strict):
    """The registry, and whether each container's image is pulled from it."""

    pull: Literal["always", "never"] = "always"
    """`always`: every container starts from an image that was pulled for it. `never`: the image is pushed, so that
    its size is known, and containers start from the one that is here.
    """
    address: Annotated[str, AfterValidator(checked_address)] = LOCAL
    """`local` is Debian's docker-registry on loopback, which the harness starts and stops; else HOST or
    HOST:PORT.
    """
    repository: Annotated[str, AfterValidator(checked_repository)] | None = None
    """Its name in the registry; placement-harness/WORKLOAD if not given."""
    twins: Annotated[int, Field(ge=1, le=64)] | None = None
    """Copies without a layer in common: as many containers can live at once that each pulled everything, and as
    many cold starts of an arm come before any image has to be removed between two of them. If not given, twice as
    many as the largest placement runs at once, at least 4 and at most 16.
    """
