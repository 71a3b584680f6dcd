"""Refreshing the price book, against answers of AWS's price list that are served on loopback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cost.book import PriceError, load_book, read_book
from harness.cost.catalogue import catalogue
from harness.cost.update import Refresh, refresh, save
from harness.cost.update.offers import find
from tests.cost.price_list import PREFIX, PriceList, like, serving

NOW = datetime(2026, 12, 24, 12, tzinfo=UTC)
BOOK = load_book()
BULK = {key for key, meaning in catalogue().items() if meaning.via == "bulk"}
# What the list has and the book of today does not.
LACKING = BULK - BOOK.prices.keys()


@pytest.fixture
def listed() -> PriceList:
    return like(BOOK)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def refreshed(listed: PriceList, session: boto3.Session | None = None, **options: Any) -> Refresh:
    with serving(listed) as url:
        return refresh(load_book(listed.region), NOW, session, list_url=url, **options)


def with_account(listed: PriceList, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Refresh:
    """Refresh with an account whose every call goes to the local server."""
    with serving(listed) as url:
        for service in ("PRICING", "EC2", "LIGHTSAIL"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        session = boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x" * 40)
        return refresh(load_book(listed.region), NOW, session, list_url=url, **options)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_list_that_says_the_same_changes_nothing_but_dates_and_sources(region: str) -> None:
    book = load_book(region)
    found = refreshed(like(book))
    assert {key for key, old, _ in found.changed() if old} == set()
    assert {key for key, _, _ in found.changed()} == BULK - book.prices.keys()
    for key in BULK:
        price = found.new.entry(key)
        assert (price.status, price.retrieved, price.published) == ("verified", "2026-12-24", "2026-11-20")
        assert price.source.endswith(f"/{price.service_code}/current/{region}/index.json")
        assert price.usage_type == PREFIX[region] + catalogue()[key].usage_type
    assert found.new.entry("lambda_request").free_per_month == 1_000_000, "the list does not know it"
    assert found.new.date == "2026-12-24"


def test_without_credentials_prices_that_need_them_are_kept_and_told(listed: PriceList) -> None:
    found = refreshed(listed)
    assert found.kept.keys() == catalogue().keys() - BULK
    assert "credentials" in found.kept["ec2_m5_large"]
    assert "credentials" in found.kept["lightsail_instance_nano_month"]
    assert "no list" in found.kept["fargate_spot_gb_hour_x86"]
    assert found.new.entry("ec2_m5_large") == BOOK.entry("ec2_m5_large")
    assert listed.asked == []


def test_changes_are_told_and_the_new_book_can_be_read_again(listed: PriceList, tmp_path: Path) -> None:
    listed.add("AmazonECR", "ECR_GB_MONTH", "USE1-TimedStorage-ByteHrs", [("0", "Inf", "0.1250000000")])
    listed.add(
        "AmazonDynamoDB", "DYNAMODB_GB_MONTH", "TimedStorage-ByteHrs",
        [("0", "50", "0.0000000000"), ("50", "1000", "0.2500000000"), ("1000", "Inf", "0.2000000000")],
    )  # fmt: skip
    found = refreshed(listed)
    changed = {key: (old, new) for key, old, new in found.changed()}
    assert changed.keys() - LACKING == {"ecr_gb_month", "dynamodb_gb_month"}
    old, new = changed["ecr_gb_month"]
    assert old is not None
    assert (old.tiers[0].usd, new.tiers[0].usd) == (Decimal("0.1"), Decimal("0.125"))
    storage = changed["dynamodb_gb_month"][1]
    assert storage.free_per_month == 50
    assert [(int(t.from_units), t.usd) for t in storage.tiers] == [
        (0, Decimal("0.25")),
        (1000, Decimal("0.2")),
    ]
    path = save(found.new, tmp_path)
    assert path == tmp_path / "us-east-1" / "2026-12-24.json"
    assert read_book(path) == replace(found.new, path=path)


def test_a_book_is_never_overwritten(listed: PriceList, tmp_path: Path) -> None:
    first = refreshed(listed).new
    path = save(first, tmp_path)
    text = path.read_bytes()
    assert save(first, tmp_path) == path, "the same once more is no harm"
    with pytest.raises(PriceError, match=r"2026-12-24\.json: exists already, with other prices"):
        save(first.with_overrides({"s3_put": 1}), tmp_path)
    assert path.read_bytes() == text


def test_everything_that_is_missing_or_ambiguous_is_named_at_once(listed: PriceList) -> None:
    listed.forget("AmazonS3", "S3_PUT")
    listed.add("AmazonECR", "OTHER", "TimedStorage-ByteHrs", [("0", "Inf", "0.2")])
    listed.forget("AWSELB", "LOAD_BALANCER_LCU_HOUR")
    with pytest.raises(PriceError) as caught:
        refreshed(listed)
    lines = {line.partition(":")[0]: line for line in str(caught.value).splitlines()}
    assert lines.keys() == {"s3_put", "ecr_gb_month", "load_balancer_lcu_hour"}
    assert "no on-demand price" in lines["s3_put"]
    assert "USE1-Requests-Tier1" in lines["s3_put"]
    assert "AmazonS3/current/us-east-1" in lines["s3_put"]
    assert "operation LoadBalancing:Application" in lines["load_balancer_lcu_hour"]
    for words in ("2 different prices", "$0.1 from 0 (ECR_GB_MONTH)", "$0.2 from 0 (OTHER)"):
        assert words in lines["ecr_gb_month"]


def test_a_price_may_be_listed_twice_if_it_is_the_same(listed: PriceList) -> None:
    listed.add("AmazonECR", "OTHER", "TimedStorage-ByteHrs", [("0", "Inf", "0.10")])
    assert {key for key, _, _ in refreshed(listed).changed()} == LACKING


def test_a_product_without_an_on_demand_term_has_no_price(listed: PriceList) -> None:
    del listed.offers["AmazonECR"]["terms"]["OnDemand"]["ECR_GB_MONTH"]
    with pytest.raises(PriceError, match="ecr_gb_month: no on-demand price"):
        refreshed(listed)


def test_a_key_may_be_kept_where_the_list_has_changed_its_ways(listed: PriceList) -> None:
    listed.forget("AmazonECR", "ECR_GB_MONTH")
    found = refreshed(listed, keep=["ecr_gb_month"])
    assert found.kept["ecr_gb_month"] == "as asked"
    assert found.new.entry("ecr_gb_month") == BOOK.entry("ecr_gb_month")
    with pytest.raises(PriceError, match=r"unknown key 'ecr_gb_mont'; did you mean ecr_gb_month"):
        refreshed(listed, keep=["ecr_gb_mont"])


@pytest.mark.parametrize(
    ("tiers", "told"),
    [
        ([("0", "10", "2"), ("11", "Inf", "1")], r"have gaps.*0 to 10, 11 to Inf"),
        ([("0", "10", "2"), ("10", "20", "1")], r"do not end at Inf"),
        ([("5", "Inf", "2")], r"have gaps"),
        ([("0", "Inf", "0.0000000000")], r"costs nothing"),
        ([("0", "Inf", "dear")], r"not of the shape.*dear"),
    ],
)
def test_tiers_that_make_no_sense_are_refused(listed: PriceList, tiers: Any, told: str) -> None:
    listed.add("AmazonECR", "ECR_GB_MONTH", "TimedStorage-ByteHrs", tiers)
    with pytest.raises(PriceError, match=f"ecr_gb_month: .*{told}"):
        refreshed(listed)


def test_another_currency_is_refused(listed: PriceList) -> None:
    for dimension in listed.dimensions("AmazonECR", "ECR_GB_MONTH").values():
        dimension["pricePerUnit"] = {"CNY": "0.7"}
    with pytest.raises(PriceError, match=r"ecr_gb_month: .*no price in USD, only in CNY"):
        refreshed(listed)


@given(st.lists(st.integers(1, 10**9), unique=True, max_size=5), st.randoms(use_true_random=False))
def test_tiers_are_read_in_order_whatever_the_order_of_the_file(ends: list[int], random: Any) -> None:
    begins = [0, *sorted(ends)]
    tiers = [
        (str(begin), end, f"0.{len(begins) - number:010d}")
        for number, (begin, end) in enumerate(zip(begins, [*map(str, begins[1:]), "Inf"], strict=True))
    ]
    listed = PriceList("us-east-1")
    listed.add("AmazonECR", "SKU", "TimedStorage-ByteHrs", random.sample(tiers, len(tiers)))
    found = find(listed.offers["AmazonECR"], catalogue()["ecr_gb_month"], "us-east-1", "here")
    assert [(str(t.from_units.to_integral()), t.usd) for t in found.tiers] == [
        (f"{Decimal(begin).normalize()}", Decimal(usd)) for begin, _, usd in tiers
    ]
    assert found.free_per_month is None


def test_files_that_cannot_be_had_are_all_named(listed: PriceList) -> None:
    del listed.offers["AmazonECR"], listed.offers["AmazonS3"]
    with pytest.raises(PriceError) as caught:
        refreshed(listed)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "AmazonECR/current/us-east-1/index.json: HTTP 404" in lines[0]
    assert "AmazonS3" in lines[1]


def test_what_is_no_offer_file_is_refused(listed: PriceList) -> None:
    listed.offers["AmazonECR"] = {"message": "moved"}
    with pytest.raises(PriceError, match=r"AmazonECR.*not an offer file"):
        refreshed(listed)


def test_a_list_that_does_not_answer_is_named() -> None:
    with serving(PriceList("us-east-1")) as url:
        pass
    with pytest.raises(PriceError, match=rf"{url}/offers/v1.0/aws/AWSELB"):
        refresh(BOOK, NOW, None, list_url=url)


def test_an_account_refreshes_the_rest(listed: PriceList, monkeypatch: pytest.MonkeyPatch) -> None:
    listed.add(
        "AmazonEC2", "EC2_M5_LARGE", "BoxUsage:m5.large", [("0", "Inf", "0.1000000000")],
        **catalogue()["ec2_m5_large"].match,
    )  # fmt: skip
    listed.spot += [
        ("us-east-1c", "c6i.large", "0.030", "2026-11-20T10:00:00Z"),
        ("us-east-1c", "c6i.large", "0.040", "2026-11-20T09:00:00Z"),
    ]
    listed.spot = [
        (zone, kind, {"us-east-1a": "0.020", "us-east-1b": "0.031"}.get(zone, usd), when)
        if kind == "c6i.large"
        else (zone, kind, usd, when)
        for zone, kind, usd, when in listed.spot
    ]
    listed.lightsail["ContainerServicePower:small"] = 25.0
    found = with_account(listed, monkeypatch)
    changed = {key: new for key, old, new in found.changed() if old}
    assert changed.keys() == {"ec2_m5_large", "ec2_spot_c6i_large", "lightsail_container_small_month"}
    assert changed["ec2_m5_large"].tiers[0].usd == Decimal("0.1")
    assert changed["lightsail_container_small_month"].tiers[0].usd == 25
    spot = found.new.entry("ec2_spot_c6i_large")
    assert spot.tiers[0].usd == Decimal("0.03"), "the median of the newest price of each zone"
    assert "median of 3 zones" in spot.source
    assert set(found.kept) == {key for key, meaning in catalogue().items() if meaning.via == "none"}
    assert catalogue().keys() - found.new.prices.keys() == found.kept.keys() - BOOK.prices.keys()


def test_an_account_that_may_not_ask_is_told_so(listed: PriceList, monkeypatch: pytest.MonkeyPatch) -> None:
    listed.denied = "not authorized to perform: pricing:GetProducts"
    with pytest.raises(PriceError, match=r"ec2_m5_large: query: .*AccessDenied.*pricing:GetProducts"):
        with_account(listed, monkeypatch)


def test_what_an_account_does_not_find_is_named(listed: PriceList, monkeypatch: pytest.MonkeyPatch) -> None:
    listed.spot = [each for each in listed.spot if each[1] != "c7g.large"]
    del listed.lightsail["Bundle:nano_3_0"]
    listed.forget("AmazonEC2", "NAT_HOUR")
    with pytest.raises(PriceError) as caught:
        with_account(listed, monkeypatch)
    lines = {line.partition(":")[0]: line for line in str(caught.value).splitlines()}
    assert lines.keys() == {"ec2_spot_c7g_large", "lightsail_instance_nano_month", "nat_hour"}
    assert "no Spot price of c7g.large in us-east-1" in lines["ec2_spot_c7g_large"]
    assert "Bundle:micro_3_0" in lines["lightsail_instance_nano_month"]


def test_a_region_whose_usage_types_are_not_known_is_refused() -> None:
    with pytest.raises(PriceError, match=r"'mars-1' cannot be refreshed; allowed: eu-west-1, us-east-1"):
        refresh(replace(BOOK, region="mars-1"), NOW, None)
