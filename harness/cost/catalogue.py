"""Which prices there are: what a key stands for, and where AWS's price list has it. The figures are in the books."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

PRICES = Path(__file__).parent / "prices"


class PriceError(LookupError):
    """A price or a book of prices is missing or wrong; the text names file and key, and what is allowed."""


class Strict(BaseModel):
    """A part of a data file: it cannot be changed, and has no key that is not known here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Meaning(Strict):
    """What a key stands for.

    `usage_type` is without the prefix of a region, `match` holds further attributes of the product in the price list.
    `note` says what a unit is, where its name does not.
    `via` says how it is refreshed: from the bulk files of the price list, its query API, the history of Spot prices,
    Lightsail's own API, or not at all, where no list is known to have it.
    """

    unit: str
    service_code: str
    usage_type: str
    match: dict[str, str] = Field(default_factory=dict)
    note: str = ""
    via: Literal["bulk", "query", "spot", "lightsail", "none"] = "bulk"


class InstanceType(Strict):
    """Size of an EC2 instance; memory in GB as AWS counts it (GiB)."""

    vcpu: Annotated[int, Field(ge=1)]
    memory_gb: Annotated[float, Field(gt=0)]
    architecture: Literal["x86_64", "arm64"]
    source: str


@cache
def catalogue() -> Mapping[str, Meaning]:
    """Every key that a book may have."""
    return read(PRICES / "keys.json", TypeAdapter(dict[str, Meaning]))


@cache
def instance_types() -> Mapping[str, InstanceType]:
    """The EC2 instance types that have prices, by name such as `m5.large`."""
    return read(PRICES / "instance_types.json", TypeAdapter(dict[str, InstanceType]))


T = TypeVar("T")


def read(path: Path, shape: TypeAdapter[T]) -> T:
    """A data file in this shape; PriceError has one line for each thing wrong with it."""
    try:
        return shape.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise PriceError(f"{path}: cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise PriceError(f"{path}: not JSON: {error}") from None
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(str(part) for part in e['loc'])}: "
            f"{e['msg'].removeprefix('Value error, ')} (got {e['input']!r})"
            for e in error.errors()
        ]
        raise PriceError("\n".join(lines)) from None


def near(key: str, keys: Iterable[str]) -> str:
    """`did you mean a, b`, or all keys where none is like it."""
    known = sorted(keys)
    found = difflib.get_close_matches(key, known, n=3)
    return f"did you mean {' or '.join(found)}?" if found else f"there are {', '.join(known)}"
