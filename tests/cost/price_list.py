"""AWS's price list on loopback: answers of the real shape, whose figures a test may set.

Offer files lie under the paths of the Bulk API. POST answers the query API and Lightsail (JSON 1.1) and EC2's
DescribeSpotPriceHistory (query protocol, XML), as boto3 asks them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from harness.cost.book import PriceBook
from harness.cost.catalogue import catalogue

PUBLISHED = "2026-11-20T18:47:46Z"
PREFIX = {"us-east-1": "USE1-", "eu-west-1": "EU-"}
Tiers = list[tuple[str, str, str]]  # from, to and US dollars a unit


class PriceList:
    """What AWS would tell of one region: products by offer, and what an account may ask."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.offers: dict[str, dict[str, Any]] = {}
        self.spot: list[tuple[str, str, str, str]] = []  # zone, type, US dollars, time
        self.lightsail: dict[str, float] = {}
        self.denied = ""
        self.asked: list[str] = []

    def add(self, code: str, sku: str, usage_type: str, tiers: Tiers, **attributes: str) -> None:
        """One product with one on-demand term, as an offer file has it."""
        offer = self.offers.setdefault(code, self._empty(code))
        offer["products"][sku] = {
            "sku": sku,
            "productFamily": "Serverless",
            "attributes": {
                "servicecode": code, "location": "somewhere", "locationType": "AWS Region", "regionCode": self.region,
                "usagetype": usage_type, "operation": "", "servicename": code, **attributes,
            },
        }  # fmt: skip
        term = f"{sku}.JRTCKXETXF"
        offer["terms"]["OnDemand"][sku] = {
            term: {
                "offerTermCode": "JRTCKXETXF", "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z",
                "priceDimensions": {
                    f"{term}.{number}": {
                        "rateCode": f"{term}.{number}", "description": usage_type, "beginRange": begin,
                        "endRange": end, "unit": "unit", "pricePerUnit": {"USD": usd}, "appliesTo": [],
                    }
                    for number, (begin, end, usd) in enumerate(tiers)
                },
                "termAttributes": {},
            }
        }  # fmt: skip

    def dimensions(self, code: str, sku: str) -> dict[str, Any]:
        """The tiers of a SKU, to be spoilt."""
        (term,) = self.offers[code]["terms"]["OnDemand"][sku].values()
        found: dict[str, Any] = term["priceDimensions"]
        return found

    def forget(self, code: str, sku: str) -> None:
        """Take a product out of its offer."""
        del self.offers[code]["products"][sku]

    def _empty(self, code: str) -> dict[str, Any]:
        return {
            "formatVersion": "v1.0", "disclaimer": "None.", "offerCode": code, "version": "20261120184746",
            "publicationDate": PUBLISHED, "products": {}, "terms": {"OnDemand": {}},
        }  # fmt: skip

    def get(self, path: str) -> dict[str, Any] | None:
        """The offer file at a path; None where there is none."""
        for code, offer in self.offers.items():
            if path == f"/offers/v1.0/aws/{code}/current/{self.region}/index.json":
                return offer
        return None

    def post(self, target: str, body: str) -> tuple[str, str]:
        """Content type and text of an answer."""
        operation = target.rpartition(".")[2] or parse_qs(body)["Action"][0]
        self.asked.append(operation)
        if operation == "DescribeSpotPriceHistory":
            return "text/xml", self._spot_history(parse_qs(body)["InstanceType.1"][0])
        answers = {"GetProducts": self._products, "GetBundles": self._bundles}
        return "application/x-amz-json-1.1", json.dumps(
            answers.get(operation, self._powers)(json.loads(body))
        )

    def _products(self, body: dict[str, Any]) -> dict[str, Any]:
        """One product a page, so that whoever asks has to turn them."""
        offer = self.offers.get(body["ServiceCode"], self._empty(""))
        wanted = {each["Field"]: each["Value"] for each in body["Filters"]}
        found = [
            {"product": product, "terms": {"OnDemand": offer["terms"]["OnDemand"][sku]}, "publicationDate": PUBLISHED}
            for sku, product in offer["products"].items()
            if wanted.items() <= product["attributes"].items()
        ]  # fmt: skip
        page = int(body.get("NextToken") or 0)
        more = {"NextToken": str(page + 1)} if page + 1 < len(found) else {}
        return {
            "FormatVersion": "aws_v1",
            "PriceList": [json.dumps(each) for each in found[page : page + 1]],
        } | more

    def _bundles(self, body: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in self.lightsail if name.startswith("Bundle:")]
        return {"bundles": [{"bundleId": n.partition(":")[2], "price": self.lightsail[n]} for n in names]}

    def _powers(self, body: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in self.lightsail if name.startswith("ContainerServicePower:")]
        return {"powers": [{"name": n.partition(":")[2], "price": self.lightsail[n]} for n in names]}

    def _spot_history(self, wanted: str) -> str:
        items = "".join(
            f"<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{usd}</spotPrice><timestamp>{when}</timestamp><availabilityZone>{zone}</availabilityZone></item>"
            for zone, kind, usd, when in self.spot
            if kind == wanted
        )
        return (
            '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>'
            f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken/></DescribeSpotPriceHistoryResponse>"
        )


def like(book: PriceBook) -> PriceList:
    """A price list that says what a book says, as far as it goes, and 0.5 of what it lacks; with decoys beside it."""
    listed = PriceList(book.region)
    for key, meaning in catalogue().items():
        price = book.prices.get(key)
        usd = [(f"{t.from_units:f}", f"{t.usd:.10f}") for t in price.tiers] if price else [("0", "0.5")]
        if meaning.via == "spot":
            kind = meaning.usage_type.partition(":")[2]
            listed.spot += [
                (f"{book.region}{zone}", kind, usd[0][1], "2026-11-20T10:00:00Z") for zone in "ab"
            ]
        elif meaning.via == "lightsail":
            listed.lightsail[meaning.usage_type] = float(usd[0][1])
        elif meaning.via != "none":
            ends = [*(begin for begin, _ in usd[1:]), "Inf"]
            tiers = [(begin, end, each) for (begin, each), end in zip(usd, ends, strict=True)]
            if key == "dynamodb_gb_month":
                tiers = [("0", "25", "0.0000000000"), ("25", "Inf", tiers[0][2])]
            usage_type = PREFIX[book.region] + meaning.usage_type
            listed.add(meaning.service_code, key.upper(), usage_type, tiers, **meaning.match)
    _add_decoys(listed, PREFIX[book.region])
    return listed


def _add_decoys(listed: PriceList, prefix: str) -> None:
    """Products that resemble the wanted ones, as the real list has them."""
    everything = [("0", "Inf", "9.9")]
    listed.add("AWSLambda", "FREE", "Global-Request", [("0", "1000000", "0.0")])
    listed.add("AWSLambda", "EDGE", f"{prefix}Lambda-Edge-Request", everything)
    listed.add(
        "AWSELB", "NETWORK", f"{prefix}LoadBalancerUsage", everything, operation="LoadBalancing:Network"
    )
    listed.add(
        "AWSELB", "OUTPOST", f"{prefix}Outposts-LCUUsage", everything, operation="LoadBalancing:Application"
    )
    listed.add("AmazonECS", "WINDOWS", f"{prefix}Fargate-Windows-GB-Hours", everything)
    listed.add("AmazonEC2", "REGIONAL", f"{prefix}RegionalNatGateway-Hours", everything)
    windows = catalogue()["ec2_m5_large"].match | {"operatingSystem": "Windows"}
    listed.add("AmazonEC2", "WINDOWS", f"{prefix}BoxUsage:m5.large", everything, **windows)


@contextmanager
def serving(listed: PriceList) -> Iterator[str]:
    """The address of a server of this price list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            offer = listed.get(self.path)
            self._answer(200 if offer else 404, "application/json", json.dumps(offer))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if listed.denied and "X-Amz-Target" in self.headers:
                told = json.dumps({"__type": "AccessDeniedException", "message": listed.denied})
                self._answer(400, "application/x-amz-json-1.1", told)
                return
            self._answer(200, *listed.post(self.headers.get("X-Amz-Target", ""), body))

        def _answer(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            """Nothing is logged."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # all offers are asked for at once, and a full queue costs a second

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
