"""The price book: its files, its keys, overrides, age, and where it meets a scenario and a report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import scenario
from harness.cost import function, machines
from harness.cost.arms import Arm
from harness.cost.book import Price, PriceBook, PriceError, book_of, load_book, read_book, regions
from harness.cost.catalogue import PRICES, catalogue, instance_types
from harness.report.contents import Contents
from harness.scenario import ScenarioError
from tests.cost.made import an_arm, figures, lacking
from tests.synthetic import make_run

EVERY_BOOK = sorted(PRICES.glob("*/*.json"))
BOOK = load_book()


@pytest.mark.parametrize("path", EVERY_BOOK, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_book_is_good_and_agrees_with_the_catalogue(path: Path) -> None:
    book = read_book(path)
    assert (book.region, book.date) == (path.parent.name, path.stem)
    for key, price in book.prices.items():
        meaning = catalogue()[key]
        assert price.unit == meaning.unit, key
        assert price.service_code == meaning.service_code, key
        assert price.usage_type.endswith(meaning.usage_type), key
        assert price.source, key
        assert (price.published or "") <= price.retrieved <= book.date, key
        assert all(tier.usd > 0 for tier in price.tiers), key


@pytest.mark.parametrize("path", EVERY_BOOK, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_more_units_never_cost_more_each(path: Path) -> None:
    for key, price in read_book(path).prices.items():
        usd = [tier.usd for tier in price.tiers]
        assert usd == sorted(usd, reverse=True), key


def test_both_regions_have_a_book_with_what_the_reports_need() -> None:
    assert regions() == ["eu-west-1", "us-east-1"]
    needed = ["lambda_request", "lambda_gb_second_x86", "fargate_vcpu_hour_x86", "fargate_gb_hour_x86"]
    for region in regions():
        assert {*needed, "load_balancer_hour"} <= load_book(region).prices.keys()


def test_the_default_book_lacks_only_some_arm_prices() -> None:
    missing = catalogue().keys() - BOOK.prices.keys()
    assert missing <= {*keys_of_arm("lambda_provisioned"), *keys_of_arm("fargate_spot")}


def keys_of_arm(start: str) -> set[str]:
    return {key for key in catalogue() if key.startswith(start) and key.endswith("_arm")}


def test_what_has_a_price_on_x86_has_a_key_on_arm() -> None:
    """So that a scenario may give it, where no book has it."""
    on_x86 = {key.removesuffix("_x86") for key in catalogue() if key.endswith("_x86")}
    assert on_x86 == {key.removesuffix("_arm") for key in catalogue() if key.endswith("_arm")}


@pytest.mark.parametrize("architecture", ["x86", "arm"])
def test_every_key_that_a_demand_asks_for_is_in_the_catalogue(architecture: str) -> None:
    provisioned = an_arm("function", provisioned_concurrency=2, tmp_mb=1024)
    kinds: list[Arm] = [an_arm("function"), provisioned]
    asked = {each.key for arm in kinds for each in function.demands(on(arm, architecture), figures())}
    for compute in ("FARGATE", "FARGATE_SPOT"):
        arm = on(an_arm("batch", compute=compute), architecture)
        asked |= {key for _, key, _ in machines.fargate_parts(arm)}
    assert asked <= catalogue().keys()


def on(arm: Arm, architecture: str) -> Arm:
    return replace(arm, architecture=architecture)


def test_tiers_and_free_units_of_lambda_as_published() -> None:
    price = BOOK.entry("lambda_gb_second_x86")
    assert [(tier.from_units, tier.usd) for tier in price.tiers] == [
        (Decimal(0), Decimal("0.0000166667")),
        (Decimal(6_000_000_000), Decimal("0.000015")),
        (Decimal(15_000_000_000), Decimal("0.0000133334")),
    ]
    assert price.free_per_month == 400_000
    assert BOOK.price("lambda_gb_second_x86") == Decimal("0.0000166667")


def test_every_instance_type_has_a_size_and_a_price() -> None:
    types = {key.removeprefix("ec2_") for key in catalogue() if key.startswith("ec2_")}
    on_demand = {name for name in types if not name.startswith("spot_")}
    assert on_demand == {name.replace(".", "_") for name in instance_types()}
    assert types - on_demand == {f"spot_{name}" for name in on_demand}
    assert (instance_types()["c7g.large"].vcpu, instance_types()["m5.xlarge"].memory_gb) == (2, 16)
    assert {name for name, size in instance_types().items() if size.architecture == "arm64"} == {
        "c7g.large",
        "m7g.large",
    }


def test_a_missing_price_says_what_to_do_and_an_unknown_one_what_is_near() -> None:
    book = lacking(BOOK, "scheduler_invocation")
    with pytest.raises(PriceError, match=r"us-east-1/.*scheduler_invocation.*no figure.*\[prices\].*update"):
        book.price("scheduler_invocation")
    with pytest.raises(PriceError, match=r"'lambda_gb_secnd'; did you mean lambda_gb_second_"):
        book.price("lambda_gb_secnd")


def test_age_is_told_in_days_and_a_book_is_stale_after_180() -> None:
    day = date.fromisoformat(BOOK.date)
    assert BOOK.age_days(day) == 0
    assert not BOOK.stale(day + timedelta(days=180))
    assert BOOK.stale(day + timedelta(days=181))


@given(st.decimals(0, 1000, places=10) | st.floats(0, 1000) | st.integers(0, 1000).map(str))
def test_an_override_replaces_price_and_tiers_and_nothing_else(usd: Decimal | float | str) -> None:
    changed = BOOK.with_overrides({"lambda_gb_second_x86": usd})
    assert changed.price("lambda_gb_second_x86") == Decimal(str(usd))
    price = changed.entry("lambda_gb_second_x86")
    assert (len(price.tiers), price.status) == (1, "override")
    assert price.free_per_month == 400_000
    assert changed.overridden == ("lambda_gb_second_x86",)
    others = BOOK.prices.keys() - {"lambda_gb_second_x86"}
    assert all(changed.prices[key] == BOOK.prices[key] for key in others)
    assert BOOK.entry("lambda_gb_second_x86").status != "override", "the old book is as it was"


def test_an_override_may_give_what_the_book_lacks() -> None:
    book = lacking(BOOK, "scheduler_invocation").with_overrides(
        {"nat_hour": "0.05", "scheduler_invocation": 0.000001}
    )
    assert book.price("scheduler_invocation") == Decimal("0.000001")
    assert book.entry("scheduler_invocation").unit == "invocation"
    assert book.overridden == ("nat_hour", "scheduler_invocation")


@pytest.mark.parametrize(
    ("usd", "told"),
    [
        ({"lambda_requests": 1}, r"unknown key 'lambda_requests'; did you mean lambda_request"),
        ({"lambda_request": -1}, r"prices\.lambda_request: .*at least 0.*-1"),
        ({"lambda_request": "free"}, r"prices\.lambda_request: .*'free'"),
        ({"lambda_request": float("nan")}, r"prices\.lambda_request: .*nan"),
    ],
)
def test_a_wrong_override_is_refused(usd: dict[str, Any], told: str) -> None:
    with pytest.raises(PriceError, match=told):
        BOOK.with_overrides(usd)


ENTRY = {
    "unit": "request", "tiers": [{"from": "0", "usd": "0.1"}, {"from": "10", "usd": "0.05"}],
    "service_code": "AWSLambda", "usage_type": "Request", "source": "a test", "published": None,
    "retrieved": "2026-11-24", "status": "recalled",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tiers": []}, ["prices.lambda_request.tiers", "at least 1"]),
        ({"tiers": [{"from": "0", "usd": 0.1}]}, ["tiers.0.usd", "decimal", "0.1"]),
        ({"tiers": [{"from": "0", "usd": "-0.1"}]}, ["tiers.0.usd", "at least 0", "-0.1"]),
        ({"tiers": [{"from": "1", "usd": "0.1"}]}, ["tiers begin at 0"]),
        ({"tiers": [{"from": "0", "usd": "2"}, {"from": "0", "usd": "1"}]}, ["tiers begin at 0 and rise"]),
        ({"status": "guessed"}, ["status", "verified", "third party", "recalled", "guessed"]),
        ({"retrieved": "yesterday"}, ["retrieved", "yesterday"]),
        ({"colour": "red"}, ["colour", "red"]),
    ],
)
def test_a_wrong_entry_is_named_with_file_key_and_what_is_allowed(
    tmp_path: Path, change: dict[str, Any], told: list[str]
) -> None:
    path = tmp_path / "2026-11-24.json"
    book = {"region": "us-east-1", "retrieved": "2026-11-24", "currency": "USD"}
    path.write_text(json.dumps(book | {"prices": {"lambda_request": ENTRY}}))
    assert read_book(path).price("lambda_request") == Decimal("0.1")
    path.write_text(json.dumps(book | {"prices": {"lambda_request": ENTRY | change}}))
    with pytest.raises(PriceError) as caught:
        read_book(path)
    for words in ["2026-11-24.json", "lambda_request", *told]:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ('{"region": "us-east-1", "retrieved": "2026-11-24", "currency": "EUR", "prices": {}}', "currency"),
        (
            json.dumps({"region": "x", "retrieved": "2026-11-24", "currency": "USD", "prices": {"a": ENTRY}}),
            "key 'a'",
        ),
    ],
)
def test_a_wrong_book_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "book.json"
    path.write_text(text)
    with pytest.raises(PriceError, match=rf"book\.json.*{told}"):
        read_book(path)
    with pytest.raises(PriceError, match=r"nothing\.json: cannot be read"):
        read_book(tmp_path / "nothing.json")


SCENARIO = """
name = "mine"
title = "Mine"
workload = "thumbnail"
seed = 1
blocks = 2

[[phases]]
name = "steady"
arrivals = { kind = "steady", rate_per_s = 8, duration_s = 1.5 }

[placements.function]
memory_mb = 885
"""


def loaded(tmp_path: Path, text: str) -> scenario.Scenario:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return scenario.load(path)


def test_a_scenario_sets_region_and_prices_and_its_manifest_gives_the_book(tmp_path: Path) -> None:
    text = 'region = "eu-west-1"\n' + SCENARIO + '\n[prices]\nnat_hour = 0.1\ns3_put = "0.0000166667"\n'
    manifest = {"scenario": loaded(tmp_path, text).model_dump(mode="json")}
    book = book_of(json.loads(json.dumps(manifest)))
    assert (book.region, book.overridden) == ("eu-west-1", ("nat_hour", "s3_put"))
    assert (book.price("nat_hour"), book.price("s3_put")) == (Decimal("0.1"), Decimal("0.0000166667"))
    assert book.price("logs_ingest_gb") == load_book("eu-west-1").price("logs_ingest_gb")


def test_a_run_without_either_is_priced_from_the_default_book(tmp_path: Path) -> None:
    assert book_of({"scenario": loaded(tmp_path, SCENARIO).model_dump(mode="json")}) == BOOK
    assert book_of({}) == BOOK


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("[prices]\nlambda_requests = 1", [r"prices: unknown key 'lambda_requests'", "lambda_request"]),
        ("[prices]\nlambda_request = -1", ["prices.lambda_request", "greater than or equal to 0", "-1"]),
        ('[prices]\nlambda_request = "dear"', ["prices.lambda_request", "decimal", "dear"]),
    ],
)
def test_wrong_prices_of_a_scenario_are_named(tmp_path: Path, extra: str, told: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, f"{SCENARIO}\n{extra}\n")
    for words in ["mine.toml", *told]:
        assert words in str(caught.value)


def test_an_unknown_region_of_a_scenario_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"mine\.toml: region: got 'mars-1'; allowed: .*eu-west-1.*us-east-1"
    ):
        loaded(tmp_path, f'region = "mars-1"\n{SCENARIO}')


def function_usd(contents: Contents) -> float:
    table: Any = contents.cost
    return float(table[table["arm"] == "function"]["usd_per_million"].min())


def test_a_report_is_priced_by_its_scenario_and_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    day = date.fromisoformat(BOOK.date)
    plain = Contents(run, today=day)
    listed_usd = function_usd(plain)
    assert not any("price" in told for told in plain.banners())
    scenario = (run.manifest.get("scenario") or {}) | {"prices": {"lambda_request": "0.001"}}
    dear = Contents(replace(run, manifest=run.manifest | {"scenario": scenario}), today=day)
    assert function_usd(dear) - listed_usd == pytest.approx(1000, rel=0.01)
    assert any("prices of its own" in told and "lambda_request $0.001" in told for told in dear.banners())


def test_a_report_from_an_old_book_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    later = date.fromisoformat(BOOK.date) + timedelta(days=181)
    told = [banner for banner in Contents(run, today=later).banners() if "price book" in banner]
    assert len(told) == 1
    assert BOOK.date in told[0]
    assert "181 days" in told[0]


def test_a_book_cannot_be_changed_in_place() -> None:
    with pytest.raises(TypeError):
        BOOK.prices["lunch"] = BOOK.entry("s3_put")  # type: ignore[index]
    assert isinstance(BOOK, PriceBook)
    assert isinstance(BOOK.entry("s3_put"), Price)
