"""Prices that AWS tells only to an account: EC2 by the query API, Spot, and Lightsail.

The offer file of EC2 has 480 MB a region; Lightsail's own API names its sizes as its users do.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import boto3
import botocore.exceptions

from harness.cost.book import Tier
from harness.cost.catalogue import Meaning, PriceError
from harness.cost.update.offers import Listed, as_offer, find, usage_types

# The query API has few endpoints; this one answers for every region.
QUERY_REGION = "us-east-1"


class Account:
    """Prices of one region, asked with the credentials of a boto3 session, as of `now`."""

    def __init__(self, session: boto3.Session, region: str, now: datetime) -> None:
        self._session = session
        self._region = region
        self._now = now
        self._clients: dict[str, Any] = {}
        self._sources: dict[str, Callable[[Meaning], Listed]] = {
            "query": self._queried, "spot": self._spot, "lightsail": self._lightsail,
        }  # fmt: skip

    def find(self, meaning: Meaning) -> Listed:
        """The price of this meaning; PriceError where there is none, or where AWS refuses to tell."""
        with _told(meaning.via):
            return self._sources[meaning.via](meaning)

    def _queried(self, meaning: Meaning) -> Listed:
        pages = self._client("pricing", QUERY_REGION).get_paginator("get_products")
        answers: list[str] = []
        for usage_type in usage_types(meaning, self._region):
            wanted = {"regionCode": self._region, "usagetype": usage_type} | meaning.match
            filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
            for page in pages.paginate(ServiceCode=meaning.service_code, Filters=filters):
                answers += page["PriceList"]
        return find(as_offer(answers), meaning, self._region, "AWS Price List query API, GetProducts")

    def _spot(self, meaning: Meaning) -> Listed:
        """The median over the zones of the region, each at its price of this moment."""
        instance_type = meaning.usage_type.partition(":")[2]
        pages = self._client("ec2").get_paginator("describe_spot_price_history")
        history = [
            each
            for page in pages.paginate(
                InstanceTypes=[instance_type], ProductDescriptions=["Linux/UNIX"], StartTime=self._now
            )
            for each in page["SpotPriceHistory"]
        ]
        history.sort(key=lambda each: each["Timestamp"])
        zones = {each["AvailabilityZone"]: Decimal(each["SpotPrice"]) for each in history}
        if not zones:
            raise PriceError(f"no Spot price of {instance_type} in {self._region}")
        return Listed(
            (Tier(Decimal(0), statistics.median(zones.values()).normalize()),), None,
            usage_types(meaning, self._region)[0],
            f"DescribeSpotPriceHistory, median of {len(zones)} zones", self._now.date().isoformat(),
        )  # fmt: skip

    def _lightsail(self, meaning: Meaning) -> Listed:
        prices = self._lightsail_prices
        if meaning.usage_type not in prices:
            raise PriceError(
                f"Lightsail has no {meaning.usage_type} in {self._region}; it has {sorted(prices)}"
            )
        tiers = (Tier(Decimal(0), prices[meaning.usage_type]),)
        source = "Lightsail API, GetBundles and GetContainerServicePowers"
        return Listed(tiers, None, meaning.usage_type, source, self._now.date().isoformat())

    @cached_property
    def _lightsail_prices(self) -> dict[str, Decimal]:
        """US dollars a month of each bundle and each power."""
        client = self._client("lightsail")
        pages = client.get_paginator("get_bundles").paginate()
        found = {f"Bundle:{each['bundleId']}": each["price"] for page in pages for each in page["bundles"]}
        powers = client.get_container_service_powers()["powers"]
        found |= {f"ContainerServicePower:{each['name']}": each["price"] for each in powers}
        return {name: Decimal(str(usd)).normalize() for name, usd in found.items()}

    def _client(self, service: str, region: str | None = None) -> Any:
        if service not in self._clients:
            make: Any = self._session.client
            self._clients[service] = make(service, region_name=region or self._region)
        return self._clients[service]


@contextmanager
def _told(via: str) -> Iterator[None]:
    try:
        yield
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise PriceError(f"{via}: {error}") from None
