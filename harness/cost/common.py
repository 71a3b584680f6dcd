"""What costs the same whichever placement does the work: the store of items and results, and the image.

Sources, read 2026-11-23: Amazon S3, Amazon DynamoDB and Amazon ECR pricing pages.
"""

from __future__ import annotations

from harness.cost.demand import MODELLED, Demand
from harness.cost.figures import Figures
from harness.cost.quantity import Proportional
from harness.cost.terms import GIB
from harness.runs import Run

LEFT_OUT = (
    "data transfer to the internet, and NAT gateways",
    "the upload of items, and keeping them",
    "log lines of your own code, and keeping logs",
    "API Gateway, and whatever hands items to the placement",
    "disk of Fargate tasks above 20 GB, snapshots, monitoring, support, taxes",
    "discounts: Savings Plans, reserved instances, credits",
)


def outputs_per_item(run: Run) -> int:
    """One for each size of picture that the settings of the workload ask for; else one."""
    settings = (run.manifest.get("scenario") or {}).get("settings") or {}
    return max(1, len(settings.get("sizes") or [1]))


def image_gb(run: Run) -> tuple[float, str]:
    """GB of the image in the registry, and what that rests on."""
    image = run.manifest.get("image") or {}
    if image.get("compressed_bytes"):
        return image["compressed_bytes"] / GIB, "as compressed in the registry"
    return (image.get("size_bytes") or 0) / GIB, "unpacked; in a registry it is compressed and smaller"


def demands(run: Run, figures: Figures) -> list[Demand]:
    """What a month takes. Results of a month are kept for half of it at the mean, and then deleted or paid again."""
    outputs = outputs_per_item(run)
    held, basis = image_gb(run)
    found = [
        Demand("store reads", "s3_get", Proportional(each=1), "one an item", MODELLED, common=True),
        Demand("store writes", "s3_put", Proportional(each=outputs), f"{outputs} an item", MODELLED, common=True),
        Demand("rows", "dynamodb_write", Proportional(each=1), "one of up to 1 KB an item", MODELLED, common=True),
        Demand(
            "results kept", "s3_gb_month", Proportional(each=figures.bytes_out / GIB / 2),
            f"{figures.bytes_out:,.0f} bytes an item, for half the month", common=True,
        ),
    ]  # fmt: skip
    if held:
        image = Demand(
            "image", "ecr_gb_month", Proportional(fixed=held), f"{held:.3g} GB, {basis}", common=True
        )
        found.append(image)
    return found
