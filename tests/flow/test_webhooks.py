"""Webhooks of a deployed system: an s.yaml as an operator writes it, functions in processes of their own, real HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clipstitch.common.errors import ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import DELIVERED, PENDING, Fact, Job
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.main import main
from localyun.server import LocalCloud
from tests.flow.conftest import System
from tests.receiver import OTHER_SECRET, SECRET, Receiver, Reply
from tests.sounds import tone

ROOT = Path(__file__).parents[2]
SINKS = ("partner", "gone", "moved", "slow")
HURRY = 100  # the sweep comes every three seconds


def project(folder: Path) -> Path:
    """Make a project that differs from ours in what docs/webhooks.md tells an operator to write."""
    queue = "queue=queue:${resources.infra.output.EventsQueueName}\n"
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert 1 == text.count(queue)
    sinks = "".join(f"        {name}=webhook:{name.upper()}\n" for name in SINKS)
    variables = "".join(
        f"      CLIPSTITCH_WEBHOOK_{name}_{part}: ${{env('{name}_{part}')}}\n"
        for name in map(str.upper, SINKS)
        for part in ("URL", "SECRET")
    )
    allowed = "      CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE: 'true'\n"
    (folder / "s.yaml").write_text(text.replace(queue, queue + sinks + variables + allowed), "utf-8")
    for name in ("template.yml", "functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    return folder


class Hooked(NamedTuple):
    """A running system with webhooks, and who receives them."""

    system: System
    receivers: dict[str, Receiver]
    folder: Path

    def dropped(self, sink: str, clip: str = "a.wav") -> dict[str, Any]:
        """Merge something, tell one sink besides the queue, and return the result object."""
        folder = f"hooks-{sink}-{time.monotonic_ns()}"
        system = self.system.at(folder)
        clips = system.upload({clip: tone(500, 300)})
        document = system.manifest("out.flac", clips, notify=["queue", sink])
        return system.result(system.drop(document))

    def job(self, result: dict[str, Any]) -> Job:
        """Return the job of a result as it is now."""
        return self.system.cloud.store(self.system.bucket).load(result["data"]["job"])

    def fact(self, job: Job, kind: str, detail: str) -> Any:
        """Return what was written down with a fact, once it is known."""
        return self.system.cloud.store(self.system.bucket).document(job.id, Fact(kind, detail=detail))

    def command(self, *argv: str) -> tuple[int, Any]:
        """Run the command, and return its exit code and what it tells a program."""
        out, err = StringIO(), StringIO()
        code = main([*argv, "--json", "--project", str(self.folder)], self.system.environment, out, err)
        return code, json.loads(out.getvalue() or err.getvalue())


class Place(System):
    """The same system for several folders."""

    def at(self, folder: str) -> System:
        """Return the system in another folder."""
        return System(self.environment, folder)


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    """Run the local cloud of the project beside its receivers."""
    replies = {
        "partner": (Reply(503), Reply(500), Reply(200)),
        "gone": (Reply(410),),
        "moved": (Reply(307, {"Location": "/elsewhere"}),),
        "slow": (Reply(after_s=11), Reply(204)),
    }
    folder = project(tmp_path_factory.mktemp("hooked"))
    with ExitStack() as exits_of:
        receivers = {name: exits_of.enter_context(Receiver(*replies[name])) for name in SINKS}
        variables = {f"{name.upper()}_URL": one.url for name, one in receivers.items()}
        variables |= {f"{name.upper()}_SECRET": f"{OTHER_SECRET} {SECRET}" for name in SINKS}
        cloud = LocalCloud(folder, variables=variables, time_scale=HURRY)
        endpoints = exits_of.enter_context(cloud)
        env = complete_environment({**endpoints.environment(), **variables}, folder)
        yield Hooked(Place(env, "hooks"), receivers, folder)


def until(true: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := true():
                return found
        except ObjectNotFound:
            pass
        time.sleep(0.05)
    pytest.fail(f"not so within {seconds} s")


def test_a_receiver_that_fails_twice_hears_the_same_event_until_it_takes_it(hooked: Hooked):
    """First from `complete`, then from the sweep after five seconds, then because the operator asks for it."""
    receiver = hooked.receivers["partner"]
    result = hooked.dropped("partner")
    until(lambda: len(receiver.heard) == 2)
    job = hooked.job(result)
    until(lambda: hooked.fact(job, PENDING, "partner~2"))
    still_open = not hooked.job(result).closed
    code, told = hooked.command("retry", job.id)

    first, second, third = receiver.heard
    assert still_open
    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "owed": []}) == (code, told)
    assert [result] * 3 == receiver.events == [first.event, second.event, third.event]
    assert {result["id"]} == {heard.headers["webhook-id"] for heard in receiver.heard}
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 4
    assert 200 == hooked.fact(job, DELIVERED, "partner")["status"]


def test_a_receiver_that_is_gone_hears_nothing_more(hooked: Hooked):
    """Its jobs close at once; the switch says since when and why."""
    jobs = [until_closed(hooked, hooked.dropped("gone")) for _ in range(2)]

    switch = ObjectRef(hooked.system.bucket, "_clipstitch/sinks/gone.off")
    assert jobs[0].id == json.loads(hooked.system.cloud.objects.read(switch).body)["job"]
    assert 1 == len(hooked.receivers["gone"].heard)
    assert ["SINK_OFF"] * 2 == [hooked.fact(job, DELIVERED, "gone")["error"]["code"] for job in jobs]


def until_closed(hooked: Hooked, result: dict[str, Any]) -> Job:
    """Wait until the job of a result is closed."""
    job: Job = until(lambda: (now := hooked.job(result)).closed and now)
    return job


def test_a_redirect_is_a_failure_and_nobody_follows_it(hooked: Hooked):
    """The event is owed to the sink, and to nobody else."""
    result = hooked.dropped("moved")
    pending = until(lambda: hooked.fact(hooked.job(result), PENDING, "moved~1"))

    assert ("WEBHOOK_ANSWER", 307) == (pending["error"]["code"], pending["status"])
    assert {"/hooks?token=t0p"} == {heard.path for heard in hooked.receivers["moved"].heard}


def test_a_slow_receiver_delays_nobody_else(hooked: Hooked):
    """The queue and the result object have the event before the ten seconds are over; then the sweep tries again."""
    began = time.monotonic()
    result = hooked.dropped("slow")
    events = hooked.system.events(result["data"]["job"])
    taken = time.monotonic() - began
    pending = until(lambda: hooked.fact(hooked.job(result), PENDING, "slow~1"))
    until_closed(hooked, result)

    assert [result] == events
    assert taken < 8
    assert "WEBHOOK_NO_ANSWER" == pending["error"]["code"]
    assert "within 10 s" in pending["error"]["message"]
    assert [result] * 2 == hooked.receivers["slow"].events


def test_neither_urls_nor_secrets_are_in_the_state(hooked: Hooked):
    """The fact about a failed attempt names the host and no more."""
    result = hooked.dropped("moved")
    until(lambda: hooked.fact(hooked.job(result), PENDING, "moved~1"))
    objects, bucket = hooked.system.cloud.objects, hooked.system.bucket
    kept = b"".join(
        objects.read(ObjectRef(bucket, found.key)).body
        for prefix in ("_clipstitch/jobs/", "_clipstitch/sinks/", "results/")
        for found in objects.list(bucket, prefix)
    )

    assert b"WEBHOOK_ANSWER" in kept
    assert not any(secret in kept for secret in (b"t0p", b"whsec_"))
