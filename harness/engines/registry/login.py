"""Who we are to a registry: Amazon ECR's own tokens through boto3, and Docker's own configuration for any other."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from docker.auth import load_config
from docker.errors import DockerException

from harness.engines.base import EngineError

# Source: Amazon ECR User Guide, "Private registry authentication" and "FIPS endpoints", read 2026-11-24.
_ECR = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password, or a token that stands for one."""

    username: str
    password: str

    def for_docker(self) -> dict[str, Any]:
        """As docker-py takes it."""
        return {"username": self.username, "password": self.password}


def credentials(address: str) -> Credentials | None:
    """Those for a registry; None where none are known. EngineError if they cannot be had."""
    found = _ECR.fullmatch(address)
    if found is None:
        return _from_docker(address)
    # A third of a second, and few runs need it.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        return from_ecr(boto3.client("ecr", region_name=found["region"]))
    except (BotoCoreError, ClientError) as error:
        raise EngineError(
            f"no login for the registry {address}: {error}. It takes AWS credentials that allow "
            "ecr:GetAuthorizationToken (`aws sts get-caller-identity` shows whose are used)."
        ) from error


def from_ecr(client: Any) -> Credentials:
    """By a boto3 client of ECR: a token for twelve hours. The errors are boto3's own."""
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    username, _, password = base64.b64decode(token).decode().partition(":")
    return Credentials(username, password)


def _from_docker(address: str) -> Credentials | None:
    """What `docker login` has left, in Docker's configuration or one of its credential helpers."""
    try:
        found = load_config().resolve_authconfig(address) or {}
    except DockerException as error:
        raise EngineError(
            f"no login for the registry {address}: Docker's credential helper failed: {error}"
        ) from error
    # Helpers answer with capitals, the file has none.
    told = {key.lower(): value for key, value in found.items()}
    if not told.get("username") or not told.get("password"):
        return None
    return Credentials(told["username"], told["password"])
