"""`harness prices` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.cost import book
from harness.cost.book import load_book, read_book
from harness.cost.catalogue import PRICES, catalogue
from harness.cost.update.refresh import as_text
from tests.cost.made import lacking
from tests.cost.price_list import PriceList, like, serving

BOOK = load_book()
# Prices that the list has and the book of today does not.
LACKING = sum(each.via == "bulk" and key not in BOOK.prices for key, each in catalogue().items())
GAPS = [key for key in catalogue() if key in {"nat_hour", "s3_put"} or key not in BOOK.prices]
# boto3 looks in many places for credentials; none of this machine's may count.
NOWHERE = {
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
}  # fmt: skip
ACCOUNT = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}


def prices(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "harness", "prices", *arguments],
        env=own | NOWHERE | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def update(
    listed: PriceList, tmp_path: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    with serving(listed) as url:
        for service in ("PRICING", "EC2", "LIGHTSAIL"):
            environment[f"AWS_ENDPOINT_URL_{service}"] = url
        return prices(
            "update",
            "--region",
            listed.region,
            "--list-url",
            url,
            "--out",
            str(tmp_path),
            *options,
            **environment,
        )


def books(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.json"))


def test_show_tells_every_price_with_unit_status_and_source() -> None:
    done = prices("show")
    assert done.returncode == 0, done.stderr
    assert f"us-east-1, book of {BOOK.date}" in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for key, price in BOOK.prices.items():
        for words in (f"{price.tiers[0].usd:f}", price.unit, price.status):
            assert words in rows[key], key
    assert "from 6,000,000,000 a month" in done.stdout
    assert "1,000,000" in rows["lambda_request"]
    for price in BOOK.prices.values():
        assert price.source.split()[0] in done.stdout
        assert price.retrieved in done.stdout


def with_gaps(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """What the command says where the book lacks these prices."""
    book = lacking(BOOK, *GAPS)
    monkeypatch.setattr("harness.cost.book.load_book", lambda _region: book)
    return CliRunner().invoke(main, ["prices", *arguments])


def test_a_book_with_gaps_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    done = with_gaps(monkeypatch, "show")
    assert done.exit_code == 0
    assert f"No figure was found for us-east-1 of: {', '.join(GAPS)}" in " ".join(done.output.split())
    told = json.loads(with_gaps(monkeypatch, "show", "--json").stdout)
    assert told["missing"] == GAPS
    refused = with_gaps(monkeypatch, "show", "s3_put")
    assert refused.exit_code == 2
    assert "no figure of it was found for us-east-1" in " ".join(refused.output.split())


def test_an_update_tells_what_stays_without_a_price(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(like(BOOK)) as url:
        done = with_gaps(monkeypatch, "update", "--anonymous", "--list-url", url, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "still without a price" in done.output
    assert "s3_put" in read_book(books(tmp_path)[0]).prices, "the list has it, and asks for no account"


def test_show_as_json_is_the_book() -> None:
    done = prices("show", "--region", "eu-west-1", "--json")
    found = json.loads(done.stdout)
    file = json.loads(max((PRICES / "eu-west-1").glob("*.json")).read_text())
    assert found["prices"] == file["prices"]
    assert (found["region"], found["retrieved"]) == ("eu-west-1", file["retrieved"])
    assert set(found["missing"]) == catalogue().keys() - file["prices"].keys()


@pytest.mark.parametrize(("age_days", "stale"), [(100, False), (185, True)])
def test_show_tells_whether_the_book_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_days: int, stale: bool
) -> None:
    day = (datetime.now(UTC).date() - timedelta(days=age_days)).isoformat()
    made = tmp_path / BOOK.region / f"{day}.json"
    made.parent.mkdir()
    made.write_text(as_text(replace(BOOK, date=day)))
    monkeypatch.setattr(book, "PRICES", tmp_path)
    found = json.loads(CliRunner().invoke(main, ["prices", "show", "--json"]).output)
    assert (found["retrieved"], found["stale"]) == (day, stale)
    assert abs(found["age_days"] - age_days) <= 1, "midnight may be between"
    shown = CliRunner().invoke(main, ["prices", "show", "s3_put"]).output
    assert ("refresh it" in shown) == stale


def test_show_of_some_keys_shows_only_them() -> None:
    done = prices("show", "s3_put", "nat_hour")
    assert "s3_put" in done.stdout
    assert "nat_hour" in done.stdout
    assert "lambda" not in done.stdout
    assert "No figure" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "s3_putt"], "no price 's3_putt'; did you mean s3_put"),
        (["show", "--region", "mars-1"], "no price book for region 'mars-1'; there are eu-west-1, us-east-1"),
        (["update", "--region", "mars-1"], "no price book for region 'mars-1'"),
        (["update", "--keep", "s3_putt"], "unknown key 's3_putt'; did you mean s3_put"),
    ],
)
def test_bad_usage_exits_2_and_says_what_is_allowed(arguments: list[str], told: str) -> None:
    done = prices(*arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", [[], ["show"], ["update"]])
def test_every_command_has_help_with_an_example(name: list[str]) -> None:
    assert "Example:" in prices(*name, "--help").stdout


def test_update_prints_what_changed_and_writes_a_new_book(tmp_path: Path) -> None:
    listed = like(BOOK)
    listed.add("AmazonECR", "ECR_GB_MONTH", "TimedStorage-ByteHrs", [("0", "Inf", "0.1250000000")])
    done = update(listed, tmp_path)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("ecr_gb_month"))
    assert row.split() == ["ecr_gb_month", "0.1", "0.125", "+25.0", "%"]
    assert f"{1 + LACKING} changed" in done.stdout
    assert "kept, it takes AWS credentials, and there are none: ec2_t3_medium" in done.stdout
    (path,) = books(tmp_path)
    assert str(path) in done.stdout.replace("\n", "")
    assert str(read_book(path).price("ecr_gb_month")) == "0.125"
    again = update(like(BOOK), tmp_path)
    assert again.returncode == 1
    assert "exists already, with other prices" in again.stderr
    assert str(read_book(path).price("ecr_gb_month")) == "0.125"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = update(like(BOOK), tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"{LACKING} changed" in done.stdout
    assert "nothing was written" in done.stdout
    assert books(tmp_path) == []


def test_a_failed_update_names_every_price_and_writes_nothing(tmp_path: Path) -> None:
    listed = like(load_book("eu-west-1"))
    listed.forget("AmazonS3", "S3_PUT")
    listed.add("AmazonECR", "OTHER", "EU-TimedStorage-ByteHrs", [("0", "Inf", "0.2")])
    done = update(listed, tmp_path)
    assert done.returncode == 1
    assert "no book was written" in done.stderr
    assert "s3_put: no on-demand price of usage type EU-Requests-Tier1" in done.stderr
    assert "ecr_gb_month: 2 different prices" in done.stderr
    assert "Traceback" not in done.stderr
    assert books(tmp_path) == []


def test_credentials_are_used_unless_they_are_not_wanted(tmp_path: Path) -> None:
    listed = like(BOOK)
    done = update(listed, tmp_path, "--anonymous", "--dry-run", **ACCOUNT)
    assert done.returncode == 0, done.stderr
    assert listed.asked == []
    done = update(listed, tmp_path, "--dry-run", **ACCOUNT)
    assert done.returncode == 0, done.stderr
    assert {"GetProducts", "DescribeSpotPriceHistory", "GetBundles"} <= set(listed.asked)
    assert "credentials" not in done.stdout
