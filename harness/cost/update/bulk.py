"""Offer files of AWS's price list, which anybody may fetch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import aiohttp

from harness.cost.catalogue import PriceError
from harness.cost.update.offers import Offer

LIST_URL = "https://pricing.us-east-1.amazonaws.com"
# A file is half a megabyte for most services, so a silent minute means that nothing more will come.
TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=20, sock_read=60)


def address(list_url: str, service_code: str, region: str) -> str:
    """Where the current offer file of a service and region is."""
    return f"{list_url.rstrip('/')}/offers/v1.0/aws/{service_code}/current/{region}/index.json"


def fetch(list_url: str, service_codes: Iterable[str], region: str) -> dict[str, Offer]:
    """The offer of each service; PriceError has one line for each file that could not be had."""
    return asyncio.run(_fetch(list_url, sorted(set(service_codes)), region))


async def _fetch(list_url: str, codes: list[str], region: str) -> dict[str, Offer]:
    async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=True) as session:
        answers = await asyncio.gather(
            *(_get(session, address(list_url, code, region)) for code in codes), return_exceptions=True
        )
    failures = [str(answer) for answer in answers if isinstance(answer, PriceError)]
    if failures:
        raise PriceError("\n".join(failures))
    offers: dict[str, Offer] = {}
    for code, answer in zip(codes, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        offers[code] = answer
    return offers


async def _get(session: aiohttp.ClientSession, url: str) -> Offer:
    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise PriceError(f"{url}: HTTP {answer.status} {answer.reason}")
            found = json.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PriceError(f"{url}: {error or type(error).__name__}") from None
    except ValueError:
        raise PriceError(f"{url}: not JSON") from None
    if not isinstance(found, dict) or not {"products", "terms"} <= found.keys():
        raise PriceError(f"{url}: not an offer file, which has `products` and `terms`")
    return found
