"""Webhooks: how they are configured, when they are told again, and that nothing of it holds anybody up."""

import json
import logging
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from standardwebhooks import WebhookVerificationError

from clipstitch.adapters.memory import MemoryWebhookSender
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.adapters.webhook_http import TIMEOUT_S, HttpWebhookSender, is_public
from clipstitch.common.errors import (
    CloudBusy,
    InvalidSettings,
    SinkTargetNotFound,
    WebhookAddressRefused,
    WebhookNoResponse,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Webhook, WebhookResponse
from clipstitch.jobs.job import DELIVERED, PENDING, Fact, Job
from clipstitch.jobs.webhook_policy import MAX_RETRY_AFTER_S, SCHEDULE_S, next_attempt
from clipstitch.usecases.context import Context
from clipstitch.usecases.recover import retry
from clipstitch.usecases.settings import Settings, Sink, read_settings
from clipstitch.usecases.sweep import SweepReport, sweep
from tests.receiver import OTHER_SECRET, SECRET, Receiver
from tests.unit.usecases.test_settings import SMALLEST
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, SETTINGS, FaultAfter, World

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
HOOK = Webhook("PARTNER", "https://partner.example/hooks?token=t0p", (SECRET,))
HOOKED = SETTINGS._replace(sinks=(Sink("partner", "webhook", "PARTNER"), *SETTINGS.sinks), webhooks=(HOOK,))
SWITCH = ObjectRef(BUCKET, "_clipstitch/sinks/partner.off")
ENV = {
    **SMALLEST,
    "CLIPSTITCH_SINKS": "events=topic:e partner=webhook:PARTNER",
    "CLIPSTITCH_WEBHOOK_PARTNER_URL": HOOK.url,
    "CLIPSTITCH_WEBHOOK_PARTNER_SECRET": SECRET,
}


class HookWorld(World):
    """A world whose first sink is a webhook that answers as the test says."""

    def __init__(self, *answers: WebhookResponse | BaseException, settings: Settings = HOOKED) -> None:
        super().__init__(settings)
        self.hooks = MemoryWebhookSender()
        self.hooks.answers["PARTNER"] = list(answers)
        self.drop()

    def context(self, fault: FaultAfter | None = None) -> Context:
        """Return the cloud with its hooks."""
        return super().context(fault)._replace(webhooks=fault.guard(self.hooks) if fault else self.hooks)

    def finish(self) -> Job:
        """Bring a job as far as it goes with all its messages."""
        self.submit()
        job = self.complete(self.run())
        assert job is not None
        return job

    def sweep(self, seconds: float = 0) -> SweepReport:
        """Let time pass, and sweep."""
        self.clock.advance(seconds)
        return sweep(self.context())

    def load(self, job: Job) -> Job:
        """Return the job as its facts have it now."""
        return self.context().store.load(job.id)

    def fact(self, job: Job, fact: Fact) -> Any:
        """Return what was written down with a fact."""
        return self.context().store.document(job.id, fact)


def failing(times: int, status: int = 500) -> list[WebhookResponse]:
    """Return an answer many times."""
    return [WebhookResponse(status)] * times


def problems(**env: str) -> str:
    """Return what is wrong with an environment."""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({**ENV, **env})
    return str(caught.value)


# When to try again


def test_the_schedule_is_the_published_one():
    """Standard Webhooks 1.0.0, the table: ten attempts in 75 h 35 min 5 s."""
    hours, minutes, seconds = 75, 35, 5

    assert hours * 3600 + minutes * 60 + seconds == sum(SCHEDULE_S)
    assert 10 == len(SCHEDULE_S)
    assert [5, 300, 1800, 7200] == [
        (again - NOON).total_seconds() for again in (next_attempt(n, NOON) for n in range(1, 5)) if again
    ]


def test_after_the_last_attempt_there_is_none():
    """The job must close one day."""
    assert next_attempt(9, NOON) is not None
    assert next_attempt(10, NOON) is None
    assert next_attempt(11, NOON, "60") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600),
        ("2", 5),
        ("Fri, 02 Jan 2026 12:10:00 GMT", 600),
        ("Fri, 02 Jan 2026 11:00:00 GMT", 5),
        ("999999999", MAX_RETRY_AFTER_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        ("", 5),
        ("soon", 5),
        ("-1", 5),
        ("1e3", 5),
        ("٣", 5),
        ("9" * 5000, 5),
        ("Fri, 99 Jan 2026 12:10:00 GMT", 5),
    ],
)
def test_a_receiver_can_ask_for_later_but_not_for_sooner_and_not_for_ever(text: str, seconds: float):
    """Retry-After in seconds or as a date; what cannot be read asks for nothing."""
    assert NOON + timedelta(seconds=seconds) == next_attempt(1, NOON, text)


# Settings


def test_a_webhook_has_its_url_and_secrets_in_variables_of_its_own():
    """Two secrets while a key is replaced."""
    settings = read_settings({**ENV, "CLIPSTITCH_WEBHOOK_PARTNER_SECRET": f"{SECRET} {OTHER_SECRET}"})

    assert Sink("partner", "webhook", "PARTNER") == settings.sink("partner")
    assert Webhook("PARTNER", HOOK.url, (SECRET, OTHER_SECRET)) == settings.webhook("PARTNER")
    assert not settings.webhook_allow_private


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", ""),
        ("URL", "http://partner.example/t0p"),
        ("URL", "ftp://partner.example/t0p"),
        ("URL", "https:///t0p"),
        ("URL", "https://user:t0p@partner.example/"),
        ("URL", "https://partner.example/#t0p"),
        ("URL", "https://partner.example/t0p t0p"),
        ("URL", "https://partner.example/t0p\r\nX: y"),
        ("URL", "https://pärtner.example/t0p"),
        ("URL", "https://partner.example:99999/t0p"),
        ("URL", "https://partner.example:0/t0p"),
        ("URL", "https://[::1/t0p"),
        ("SECRET", ""),
        ("SECRET", "t0p"),
        ("SECRET", "whsec_dDBw"),
        ("SECRET", "whsec_!!!!" + "t0p0" * 10),
        ("SECRET", "whsec_" + "t0p0" * 22),
        ("SECRET", SECRET.removeprefix("whsec_")),
        ("SECRET", f"{SECRET} {SECRET} {OTHER_SECRET}"),
        ("SECRET", f"{SECRET} t0p"),
    ],
)
def test_a_bad_variable_is_named_and_its_value_is_not_shown(name: str, value: str):
    """URLs and secrets end up in no log."""
    said = problems(**{f"CLIPSTITCH_WEBHOOK_PARTNER_{name}": value})

    assert f"CLIPSTITCH_WEBHOOK_PARTNER_{name}" in said
    assert "t0p" not in said
    assert SECRET not in said


@pytest.mark.parametrize("target", ["partner", "PART-NER", "9", "A:B", "https://partner.example"])
def test_the_target_of_a_webhook_is_part_of_a_variables_name(target: str):
    """A URL does not stand in CLIPSTITCH_SINKS."""
    assert "write capital letters, digits and _" in problems(CLIPSTITCH_SINKS=f"partner=webhook:{target}")


def test_without_tls_only_where_private_addresses_are_allowed():
    """For receivers beside the local cloud."""
    env = {"CLIPSTITCH_WEBHOOK_PARTNER_URL": "http://127.0.0.1:1/x", "CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "true"}

    assert read_settings({**ENV, **env}).webhook_allow_private
    assert "must be true or false" in problems(CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE="yes")


def test_neither_url_nor_secret_is_shown():
    """Not even by accident, in a log or a traceback."""
    settings = read_settings(ENV)

    assert "t0p" not in repr(settings)
    assert "whsec_" not in f"{settings} {HOOK}"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1"),
        *("ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_an_address_that_is_not_public_is_known_in_every_disguise(address: str):
    """Loopback, private, link-local, the clouds' metadata services, and IPv6 that stands for them."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_public(address: str):
    """Whatever wraps it."""
    assert is_public(address)


# Telling


def test_a_webhook_is_told_with_the_event_that_the_queue_gets():
    """The event's id is the message's id."""
    world = HookWorld()
    job = world.finish()

    (posted,) = world.hooks.posted
    assert job.closed
    assert world.events()[-1] == json.loads(posted.text)
    assert (json.loads(posted.text)["id"], world.clock.now()) == (posted.event_id, posted.at)


def test_everybody_else_hears_before_a_webhook_that_may_take_its_time():
    """Although it stands first in the settings; the result object is written before it, too."""
    world = HookWorld(_Killed())
    with pytest.raises(_Killed):
        world.finish()

    assert 2 == len(world.messages.said)
    assert "succeeded" == world.result()["data"]["state"]


class _Killed(BaseException):
    """The function's time is over."""


@pytest.mark.parametrize(
    "answer",
    [
        WebhookResponse(500),
        WebhookResponse(302),
        WebhookResponse(404),
        WebhookResponse(101),
        WebhookNoResponse("x"),
        WebhookAddressRefused("x"),
    ],
)
def test_a_webhook_that_fails_leaves_the_job_open_and_everybody_else_told(answer: WebhookResponse | Exception):
    """Nothing is raised: the event is owed, and the fact says when it will be told again."""
    world = HookWorld(answer)
    job = world.finish()

    pending = world.fact(job, Fact(PENDING, detail="partner~1"))
    assert not world.load(job).closed
    assert {"events", "queue", "result"} == job.details(DELIVERED)
    assert ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:10.000Z") == (pending["at"], pending["next"])
    assert pending["error"]["code"].startswith("WEBHOOK_")


def test_submit_and_complete_do_not_knock_again_before_the_time():
    """However often they are called."""
    world = HookWorld(*failing(9))
    job = world.finish()
    world.clock.advance(3600)
    world.submit()
    world.complete(world.run())

    assert 1 == len(world.hooks.posted)
    assert not world.load(job).closed


def test_an_owed_webhook_is_told_by_a_later_sweep_with_the_same_id_and_content():
    """At its time, not before; then the job closes."""
    world = HookWorld(WebhookResponse(500))
    job = world.finish()
    world.sweep(4)
    early = len(world.hooks.posted)
    world.sweep(1)

    first, second = world.hooks.posted
    assert 1 == early
    assert (first.event_id, first.text) == (second.event_id, second.text)
    assert timedelta(seconds=5) == second.at - first.at
    assert world.load(job).closed
    assert [] == world.state_keys("open/")


def test_ten_attempts_on_the_published_schedule_and_then_it_is_given_up():
    """The told fact says why; the job closes."""
    world = HookWorld(*failing(99))
    job = world.finish()
    for _ in range(76 * 12 + 12):
        world.sweep(300)

    gaps = [(b.at - a.at).total_seconds() for a, b in zip(world.hooks.posted, world.hooks.posted[1:], strict=False)]
    told = world.fact(job, Fact(DELIVERED, detail="partner"))
    assert 10 == len(world.hooks.posted)
    assert all(0 <= gap - due <= 300 for gap, due in zip(gaps, SCHEDULE_S[1:], strict=True))
    assert "WEBHOOK_ANSWER" == told["error"]["code"]
    assert world.load(job).closed


def test_retry_after_is_waited_for():
    """Longer than the schedule says."""
    world = HookWorld(WebhookResponse(429, "900"))
    world.finish()
    world.sweep(899)
    early = len(world.hooks.posted)
    world.sweep(1)

    assert [1, 2] == [early, len(world.hooks.posted)]


def test_a_job_that_is_asked_for_is_told_at_once():
    """`clipstitch retry` waits for no schedule."""
    world = HookWorld(*failing(2))
    job = world.finish()
    store = world.context().store

    assert not retry(job.id, store, world.context()).closed
    assert retry(job.id, store, world.context()).closed
    assert 3 == len(world.hooks.posted)


def test_a_young_job_that_is_asked_for_is_started_at_once():
    """The sweep would still wait for the function that may be at it."""
    world = HookWorld()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(6, before=True))
    (marker,) = world.state_keys("open/")
    waited = (world.sweep(), len(world.audio.accepted))[1]
    retry(marker.rpartition("/")[2], world.context().store, world.context())

    assert [0, 1] == [waited, len(world.audio.accepted)]


# Switched off


def test_410_switches_the_sink_off_and_says_so():
    """Later events are not posted; their jobs close, with the reason."""
    world = HookWorld(WebhookResponse(410))
    first = world.finish()
    world.clock.advance(60)
    world.drop({**DOCUMENT, "labels": {"n": "2"}})
    second = world.finish()

    switch = json.loads(world.objects.read(SWITCH).body)
    assert (first.id, "partner") == (switch["job"], switch["sink"])
    assert 1 == len(world.hooks.posted)
    for job in (first, second):
        assert job.closed
        assert "SINK_OFF" == world.fact(job, Fact(DELIVERED, detail="partner"))["error"]["code"]
    assert SWITCH.uri in world.fact(second, Fact(DELIVERED, detail="partner"))["error"]["message"]


def test_a_sink_is_on_again_when_the_switch_is_gone():
    """The operator removes the object."""
    world = HookWorld(WebhookResponse(410))
    world.finish()
    world.objects.delete([SWITCH])
    world.clock.advance(60)
    world.drop({**DOCUMENT, "labels": {"n": "2"}})
    job = world.finish()

    assert 2 == len(world.hooks.posted)
    assert job.closed


def test_an_owed_event_of_a_sink_that_was_switched_off_since_is_given_up():
    """The job closes."""
    world = HookWorld(WebhookResponse(500))
    job = world.finish()
    world.context().store.switch_off("partner", {})
    world.sweep(5)

    assert 1 == len(world.hooks.posted)
    assert world.load(job).closed


def test_a_switch_has_a_name_that_lies_in_its_folder_whatever_the_sink_is_called():
    """Names of sinks are free."""
    store = World().context().store

    assert "_clipstitch/sinks/..%2Fopen%2Fx.off" == store.switch("../open/x").key


def test_a_sink_that_was_removed_while_it_was_owed_keeps_no_job_open():
    """As with every sink that is gone."""
    world = HookWorld(WebhookResponse(500))
    job = world.finish()
    world.settings = SETTINGS
    world.sweep(5)

    assert world.load(job).closed


# Many, and crashes


def many(world: HookWorld, count: int) -> list[Job]:
    """Finish several jobs."""
    jobs = []
    for number in range(count):
        ref = ObjectRef(BUCKET, f"manifests/{number}.json")
        world.drop({**DOCUMENT, "output": {"key": f"out/{number}.mp3"}}, ref)
        world.submit(ref=ref)
        job = world.complete(world.run())
        assert job
        jobs.append(job)
    return jobs


def test_a_silent_receiver_is_waited_for_once_a_sweep():
    """However many jobs owe it something: a sweep has a minute."""
    world = HookWorld(*[WebhookNoResponse("silent")] * 99)
    many(world, 6)
    before = len(world.hooks.posted)
    world.sweep(5)
    after_one = len(world.hooks.posted)
    world.sweep(5)

    assert [6, 7, 8] == [before, after_one, len(world.hooks.posted)]


def test_a_receiver_that_answers_badly_is_told_everything_that_is_due():
    """One event that it cannot digest does not hold up the others."""
    world = HookWorld(*failing(6), WebhookResponse(500))
    jobs = many(world, 6)
    world.sweep(5)

    assert 12 == len(world.hooks.posted)
    assert 5 == sum(world.load(job).closed for job in jobs)


def test_a_topic_that_is_missing_does_not_make_a_webhook_unheard_for_ever():
    """It is told when the topic is there."""
    world = HookWorld()
    world.messages._known.clear()
    with pytest.raises(SinkTargetNotFound):
        world.finish()
    world.messages._known.update({("topic", "events"), ("queue", "events")})
    world.sweep(SETTINGS.grace_period_s)

    assert 1 == len(world.hooks.posted)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("calls", range(24))
def test_a_crash_anywhere_tells_the_webhook_once_or_more_with_one_content(calls: int, before: bool):
    """The first attempt fails; sweeps do the rest."""
    world = HookWorld(WebhookResponse(500))
    world.submit()
    message = world.run()
    try:
        world.complete(message, FaultAfter(calls, before=before))
    except CloudBusy:
        world.sweep(SETTINGS.grace_period_s)
    for _ in range(3):
        world.sweep(300)

    assert world.hooks.posted
    assert 1 == len({(posted.event_id, posted.text) for posted in world.hooks.posted})
    assert [] == world.state_keys("open/")


def test_neither_url_nor_secret_comes_into_facts_or_logs(caplog: pytest.LogCaptureFixture):
    """Whatever happens."""
    caplog.set_level(logging.DEBUG)
    world = HookWorld(WebhookResponse(500), WebhookNoResponse("partner.example: refused"), WebhookResponse(410))
    world.finish()
    world.sweep(5)
    world.sweep(300)

    kept = b"".join(content.body for content in world.objects.stored.values()) + caplog.text.encode()
    assert b"SINK_OFF" in kept
    assert not any(secret in kept for secret in (b"t0p", b"whsec_", SECRET.encode()))


def test_a_name_with_a_tilde_is_owed_like_any_other():
    """The attempt's number stands behind the last one."""
    settings = HOOKED._replace(sinks=(Sink("a~1.b", "webhook", "PARTNER"),))
    world = HookWorld(*failing(2), settings=settings)
    job = world.finish()
    world.sweep(5)

    assert {"a~1.b": Fact(PENDING, detail="a~1.b~2")} == world.load(job).pending


def test_the_manifest_can_choose_a_webhook_by_name_but_not_where_it_goes():
    """Operators configure URLs."""
    world = HookWorld()
    world.drop({**DOCUMENT, "notify": ["events"]}, MANIFEST)
    world.finish()

    assert [] == world.hooks.posted


# The page


def test_the_page_says_what_is_so():
    """Schedule, time limit and names."""
    page = " ".join(PAGE.read_text("utf-8").split())

    assert "after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h" in page
    assert [n * unit for n, unit in ((5, 1), (5, 60), (30, 60), *((h, 3600) for h in (2, 5, 10, 14, 20, 24)))] == list(
        SCHEDULE_S[1:]
    )
    assert "**ten seconds**" in page
    assert 10 == TIMEOUT_S
    assert f"`{SWITCH.key}`" in page
    assert f"`{Fact(PENDING, detail='partner~1').name}`" in page


def test_the_settings_on_the_page_can_be_read():
    """With the references filled in."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    text = text.replace("${env('PARTNER_URL')}", HOOK.url).replace("${env('PARTNER_SECRET')}", SECRET)
    settings = read_settings({**SMALLEST, **yaml.safe_load(text)})

    assert Sink("partner", "webhook", "PARTNER") == settings.sink("partner")
    assert HOOK == settings.webhook("PARTNER")


def test_the_receiver_on_the_page_reads_what_we_send():
    """And nothing that is signed otherwise."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    world = HookWorld()
    world.finish()
    (posted,) = world.hooks.posted
    with Receiver() as receiver:
        hook = HOOK._replace(url=receiver.url)
        HttpWebhookSender(allow_private=True).post(hook, posted.event_id, posted.text, SystemClock().now())
    (heard,) = receiver.requests

    assert OUTPUT.uri == names["receive"](SECRET, heard.headers, heard.body)
    with pytest.raises(WebhookVerificationError):
        names["receive"](OTHER_SECRET, heard.headers, heard.body)
