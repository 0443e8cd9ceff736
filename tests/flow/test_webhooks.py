"""Webhooks of a deployed system: an operator's s.yaml, functions in separate processes, requests over HTTP."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import CLOSED, DELIVERED, Fact, Job, PendingDelivery
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.main import main
from localyun.server import LocalCloud
from tests.child_process import wait_until
from tests.flow.conftest import System
from tests.receiver import OTHER_SECRET, SECRET, Receiver, Reply
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
SINKS = ("partner", "gone", "moved", "slow")
TIME_SCALE = 100  # the sweep runs every three seconds


def create_project(folder: Path) -> Path:
    """Create a copy of the project with the webhook settings of docs/webhooks.md; return its folder."""
    queue = "queue=queue:${resources.infra.output.EventsQueueName}\n"
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert 1 == text.count(queue)
    sinks = "".join(f"        {name}=webhook:{name.upper()}\n" for name in SINKS)
    variables = "".join(
        f"      CLIPSTITCH_WEBHOOK_{name}_{part}: ${{env('{name}_{part}')}}\n"
        for name in map(str.upper, SINKS)
        for part in ("URL", "SECRET")
    )
    allow_private = "      CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE: 'true'\n"
    (folder / "s.yaml").write_text(text.replace(queue, queue + sinks + variables + allow_private), "utf-8")
    for name in ("template.yml", "functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    return folder


class WebhookSystem(NamedTuple):
    """A running system with webhooks, and the receivers by sink."""

    system: System
    receivers: dict[str, Receiver]
    folder: Path

    def run_job(self, sink: str) -> dict[str, Any]:
        """Merge a clip, notify the queue and one sink, and return the result object."""
        system = System(self.system.environment, f"webhooks-{sink}-{time.monotonic_ns()}")
        clips = system.upload({"a.wav": tone(500, 300)})
        document = system.manifest("out.flac", clips, notify=["queue", sink])
        return system.result(system.drop(document))

    def job(self, result: dict[str, Any]) -> Job:
        """Return the current state of the job of a result."""
        return self.system.cloud.store.load(result["data"]["job"])

    def closed_job(self, result: dict[str, Any]) -> Job:
        """Wait until the job of a result is closed, and return it."""
        job: Job = wait_until(lambda: (current := self.job(result)).closed and current, 20)
        return job

    def fact(self, job: Job, kind: str, detail: str) -> Any:
        """Return the document of a fact. Raises ObjectNotFound if the fact is not recorded."""
        return self.system.cloud.store.document(job.id, Fact(kind, detail=detail))

    def pending(self, result: dict[str, Any], sink: str, attempt: int) -> Any:
        """Wait until a failed delivery is recorded, and return its document."""

        def find() -> PendingDelivery | None:
            found = self.job(result).pending.get(sink)
            return found if found and found.attempt >= attempt else None

        job = self.job(result)
        delivery: PendingDelivery = wait_until(find, 20)
        return self.system.cloud.store.document(job.id, delivery.fact)

    def command(self, *argv: str) -> tuple[int, Any]:
        """Run the command, and return its exit code and its JSON output."""
        out, err = StringIO(), StringIO()
        code = main([*argv, "--json", "--project", str(self.folder)], self.system.environment, out, err)
        return code, json.loads(out.getvalue() or err.getvalue())


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookSystem]:
    """Run the local cloud of a project with webhooks, and one receiver per sink."""
    replies = {
        "partner": (Reply(503), Reply(500), Reply(200)),
        "gone": (Reply(410),),
        "moved": (Reply(307, {"Location": "/elsewhere"}),),
        "slow": (Reply(delay_s=11), Reply(204)),
    }
    folder = create_project(tmp_path_factory.mktemp("webhooks"))
    with ExitStack() as stack:
        receivers = {name: stack.enter_context(Receiver(*replies[name])) for name in SINKS}
        variables = {f"{name.upper()}_URL": receiver.url for name, receiver in receivers.items()}
        variables |= {f"{name.upper()}_SECRET": f"{OTHER_SECRET} {SECRET}" for name in SINKS}
        cloud = LocalCloud(folder, variables=variables, time_scale=TIME_SCALE)
        endpoints = stack.enter_context(cloud)
        env = complete_environment({**endpoints.environment(), **variables}, folder)
        yield WebhookSystem(System(env, "webhooks"), receivers, folder)


def test_a_failed_delivery_is_retried_with_the_same_event_until_it_succeeds(deployed: WebhookSystem) -> None:
    """`complete` delivers first, the sweep after five seconds, and then the operator's `retry`."""
    receiver = deployed.receivers["partner"]
    result = deployed.run_job("partner")
    wait_until(lambda: len(receiver.requests) == 2, 20)
    job = deployed.job(result)
    deployed.pending(result, "partner", 2)
    still_open = not deployed.job(result).closed
    code, answer = deployed.command("retry", job.id)

    first, second, third = receiver.requests
    assert still_open
    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "pending": []}) == (code, answer)
    assert [result] * 3 == receiver.events == [first.event, second.event, third.event]
    assert {result["id"]} == {request.headers["webhook-id"] for request in receiver.requests}
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 4
    assert "partner" in deployed.fact(job, CLOSED, "succeeded")["delivered"]


def test_a_receiver_that_answers_410_receives_no_further_events(deployed: WebhookSystem) -> None:
    """Later jobs close without a delivery; an object records which job switched the sink off."""
    jobs = [deployed.closed_job(deployed.run_job("gone")) for _ in range(2)]

    switch = ObjectRef(deployed.system.bucket, "_clipstitch/sinks/gone.off")
    assert jobs[0].id == json.loads(deployed.system.cloud.objects.read(switch).body)["job"]
    assert 1 == len(deployed.receivers["gone"].requests)
    assert ["SINK_OFF"] * 2 == [deployed.fact(job, DELIVERED, "gone")["error"]["code"] for job in jobs]


def test_a_redirect_fails_the_delivery_and_is_not_followed(deployed: WebhookSystem) -> None:
    """The delivery stays pending, and the redirect target receives no request."""
    result = deployed.run_job("moved")
    pending = deployed.pending(result, "moved", 1)

    assert ("WEBHOOK_ANSWER", 307) == (pending["error"]["code"], pending["status"])
    assert {"/hooks?token=t0p"} == {request.path for request in deployed.receivers["moved"].requests}


def test_a_slow_receiver_does_not_delay_other_sinks(deployed: WebhookSystem) -> None:
    """The queue and the result object have the event before the timeout of ten seconds; then the sweep retries."""
    start = time.monotonic()
    result = deployed.run_job("slow")
    events = deployed.system.events(result["data"]["job"])
    elapsed = time.monotonic() - start
    pending = deployed.pending(result, "slow", 1)
    deployed.closed_job(result)

    assert [result] == events
    assert elapsed < 8
    assert "WEBHOOK_NO_ANSWER" == pending["error"]["code"]
    assert "within 10 s" in pending["error"]["message"]
    assert [result] * 2 == deployed.receivers["slow"].events


def test_stored_state_contains_no_webhook_url_and_no_secret(deployed: WebhookSystem) -> None:
    """The fact of a failed attempt contains only the host of the URL."""
    result = deployed.run_job("moved")
    deployed.pending(result, "moved", 1)
    objects, bucket = deployed.system.cloud.objects, deployed.system.bucket
    state = b"".join(
        objects.read(ObjectRef(bucket, listed.key)).body
        for prefix in ("_clipstitch/jobs/", "_clipstitch/sinks/", "results/")
        for listed in objects.list(bucket, prefix)
    )

    assert b"WEBHOOK_ANSWER" in state
    assert not any(secret in state for secret in (b"t0p", b"whsec_"))
