"""An unmodified boto3 client for Batch against `harness serve`, with real containers behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from botocore.exceptions import ClientError

from harness.engines.base_image import ensure_base
from harness.engines.image import architecture
from tests.conformance.test_serve import Served, serving

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
SCENARIO = """
name = "served"
title = "Batch for clients"
workload = "thumbnail"
seed = 1
blocks = 1
phases = [{ name = "drop", arrivals = { kind = "drop", items = 1 } }]
[corpus]
items = 1
[placements.jobs]
kind = "batch"
vcpu = 0.5
memory_mb = 512
vcpu_budget = 1.0
array_size = 1
time_scale = 0.02
idle_s = 1.0
"""


def until(client: Any, job_id: str, *states: str) -> dict[str, Any]:
    end_s = time.monotonic() + 60
    while True:
        (job,) = client.describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in states:
            found: dict[str, Any] = job
            return found
        assert time.monotonic() < end_s, job
        time.sleep(0.05)


def container(image: str, *command: str, **more: Any) -> dict[str, Any]:
    sizes = [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "256"}]
    return {"image": image, "command": list(command), "resourceRequirements": sizes, **more}


@dataclass
class Account:
    """A client, and a queue that it made from nothing, as a script for AWS would."""

    client: Any
    served: Served
    image: str

    def register(
        self, name: str, *command: str, container_more: dict[str, Any] | None = None, **more: Any
    ) -> str:
        made = self.client.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties=container(self.image, *command, **(container_more or {})),
            **more,
        )
        arn: str = made["jobDefinitionArn"]
        return arn

    def submit(self, name: str, definition: str, **more: Any) -> str:
        asked = {"jobQueue": "fast", "jobDefinition": definition, **more}
        job_id: str = self.client.submit_job(jobName=name, **asked)["jobId"]
        return job_id


@pytest.fixture
def account(docker_client: docker.DockerClient, tmp_path: Path) -> Iterator[Account]:
    path = tmp_path / "served.toml"
    path.write_text(SCENARIO)
    image = ensure_base(docker_client, architecture(docker_client), print).reference
    with serving(path, tmp_path / "out") as served:
        session = boto3.Session("any", "credentials", region_name="us-east-1")
        client = session.client("batch", endpoint_url=served.url)
        client.create_compute_environment(
            computeEnvironmentName="mine", type="MANAGED",
            computeResources={"type": "EC2", "maxvCpus": 4, "minvCpus": 0, "instanceTypes": ["c7i.large"],
                              "subnets": ["subnet-1"], "instanceRole": "role"},
        )  # fmt: skip
        order = [{"order": 1, "computeEnvironment": "mine"}]
        client.create_job_queue(jobQueueName="fast", priority=10, computeEnvironmentOrder=order)
        yield Account(client, served, image)


def test_jobs_of_any_image(account: Account) -> None:
    client = account.client
    (queue,) = client.describe_job_queues(jobQueues=["fast"])["jobQueues"]
    assert (queue["status"], queue["priority"]) == ("VALID", 10)
    code = (
        "import os, sys; print('hello from', os.environ['AWS_BATCH_JOB_ATTEMPT']); sys.exit(int(sys.argv[1]))"
    )
    speak = account.register("speak", "python3", "-c", code, "Ref::code", parameters={"code": "0"})
    assert speak.endswith("job-definition/speak:1")
    good = until(client, account.submit("good", speak), "SUCCEEDED", "FAILED")
    assert (good["status"], good["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert good["createdAt"] <= good["startedAt"] <= good["stoppedAt"]
    bad = account.submit("bad", "speak", retryStrategy={"attempts": 2}, parameters={"code": "3"})
    job = until(client, bad, "FAILED")
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [3, 3]
    assert job["statusReason"] == "Essential container in task exited"
    linux = {
        "tmpfs": [{"containerPath": "/scratch", "size": 8}], "sharedMemorySize": 16, "initProcessEnabled": True,
    }  # fmt: skip
    sizes = "import os; d = os.statvfs; print([d(p).f_blocks * d(p).f_frsize >> 20 for p in ('/scratch', '/dev/shm')])"
    check = f"{sizes}; open('/scratch/x', 'w').write('x'); assert os.getpid() != 1"
    mounts = account.register(
        "mounts", "python3", "-c", check, container_more={"linuxParameters": linux, "jobRoleArn": "arn:mine"}
    )
    assert until(client, account.submit("mounts", mounts), "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"
    hungry = account.register("hungry", "python3", "-c", "x = bytearray(400 * 2**20)")
    job = until(client, account.submit("hungry", hungry), "FAILED")
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    # 60 s at a fiftieth are 1.2 s.
    sleep = account.register("sleep", "sleep", "100", timeout={"attemptDurationSeconds": 60})
    job = until(client, account.submit("late", sleep), "FAILED")
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    long = account.register("long", "sleep", "100")
    running = account.submit("running", long)
    until(client, running, "RUNNING")
    client.terminate_job(jobId=running, reason="enough")
    assert until(client, running, "FAILED")["statusReason"] == "enough"
    names = {
        job["jobName"] for job in client.list_jobs(jobQueue="fast", jobStatus="FAILED")["jobSummaryList"]
    }
    assert names == {"bad", "hungry", "late", "running"}
    (folder,) = account.served.out.iterdir()
    logs = "".join(file.read_text() for file in sorted((folder / "logs").iterdir()))
    assert sorted(line for line in logs.splitlines() if "hello" in line) == ["hello from 1"] * 2 + [
        "hello from 2"
    ]


def test_arrays_dependencies_and_refusals(account: Account) -> None:
    client = account.client
    # The scenario's own workload, without the manifest that it asks for: exit code 2.
    array = account.submit("array", "thumbnail", jobQueue="jobs", arrayProperties={"size": 2})
    after = account.submit("after", "thumbnail", jobQueue="jobs", dependsOn=[{"jobId": array}])
    job = until(client, array, "FAILED")
    assert job["arrayProperties"]["statusSummary"]["FAILED"] == 2
    assert until(client, after, "FAILED")["statusReason"] == "Dependent Job failed"
    (child,) = client.describe_jobs(jobs=[f"{array}:1"])["jobs"]
    assert (child["container"]["exitCode"], child["arrayProperties"]["index"]) == (2, 1)
    children = client.list_jobs(arrayJobId=array, jobStatus="FAILED")["jobSummaryList"]
    assert {each["jobId"] for each in children} == {f"{array}:0", f"{array}:1"}

    index = account.register("index", "sh", "-c", 'exit "$AWS_BATCH_JOB_ARRAY_INDEX"')
    job = until(client, account.submit("indices", index, arrayProperties={"size": 3}), "FAILED")
    assert (job["arrayProperties"]["statusSummary"]["SUCCEEDED"]) == 1
    first = account.submit("first", account.register("wait", "sleep", "100"))
    held = account.submit("held", "index", dependsOn=[{"jobId": first}])
    assert until(client, held, "PENDING")["dependsOn"] == [{"jobId": first}]
    client.cancel_job(jobId=held, reason="changed my mind")
    assert until(client, held, "FAILED")["statusReason"] == "changed my mind"

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"jobDefinition": "nobody"}, "JobDefinition not found: nobody"),
        ({"jobQueue": "nowhere"}, "jobQueue: got 'nowhere', allowed: ['fast', 'jobs']"),
        ({"arrayProperties": {"size": 1}}, "arrayProperties.size: got 1, allowed: 2 to 10,000"),
        ({"dependsOn": [{"jobId": "x"}]}, "there is no job 'x'"),
        ({"timeout": {"attemptDurationSeconds": 5}}, "got 5, allowed: 60 or more"),
    ]
    for asked, told in wrong:
        with pytest.raises(ClientError) as refused:
            account.submit("refused", **({"definition": "index"} | _renamed(asked)))
        assert refused.value.response["Error"]["Code"] == "ClientException"
        assert told in refused.value.response["Error"]["Message"]


def _renamed(asked: dict[str, Any]) -> dict[str, Any]:
    return {"definition" if key == "jobDefinition" else key: value for key, value in asked.items()}


def test_the_run_that_is_left(docker_client: docker.DockerClient, tmp_path: Path) -> None:
    path = tmp_path / "served.toml"
    path.write_text(SCENARIO)
    image = ensure_base(docker_client, architecture(docker_client), print).reference
    with serving(path, tmp_path / "out") as served:
        session = boto3.Session("any", "credentials", region_name="us-east-1")
        account = Account(session.client("batch", endpoint_url=served.url), served, image)
        account.register("fails", "sh", "-c", "exit 3")
        job_id = account.submit("failing", "fails", jobQueue="jobs", retryStrategy={"attempts": 2})
        until(account.client, job_id, "FAILED")
    run = served.run()
    assert run.complete
    assert run.attempts["item"].astype(str).tolist() == ["failing"] * 2
    assert run.attempts["attempt"].tolist() == [1, 2]
    warned = run.events[run.events["kind"] == "job_definition_warning"]["detail"].astype(str)
    assert any("the root is read-only here" in text for text in warned)
    events: Any = run.events["kind"].astype(str).value_counts()
    assert events["instance_launching"] == events["instance_ended"]
    assert events["job_state"] == 8, "SUBMITTED, then RUNNABLE, STARTING and RUNNING twice, FAILED"
