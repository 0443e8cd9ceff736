"""Webhooks: settings, retries, disabled sinks; a slow or failing receiver delays no other delivery."""

import json
import logging
import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from standardwebhooks import WebhookVerificationError

from clipstitch.adapters.system_clock import SystemClock
from clipstitch.adapters.webhook_http import TIMEOUT_S, HttpWebhookSender, is_public
from clipstitch.common.errors import (
    CloudBusy,
    InvalidSettings,
    WebhookAddressRefused,
    WebhookNoResponse,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Webhook, WebhookResponse
from clipstitch.jobs.delivery_policy import MAX_DELAY_S, SCHEDULE_S, next_attempt
from clipstitch.jobs.job import DELIVERED, Fact, Job, PendingDelivery
from clipstitch.jobs.webhook_policy import retry_after_s
from clipstitch.usecases.recover import retry
from clipstitch.usecases.settings import Sink, read_settings
from clipstitch.usecases.sink_monitor import MAX_FAILURES
from tests.receiver import OTHER_SECRET, SECRET, Receiver
from tests.unit.usecases.harness import drop_other
from tests.unit.usecases.test_settings import SMALLEST
from tests.world import (
    BUCKET,
    DOCUMENT,
    MANIFEST,
    OUTPUT,
    SETTINGS,
    WEBHOOK,
    WEBHOOK_SETTINGS,
    FaultAfter,
    WebhookWorld,
    World,
)

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
DUE = datetime(2026, 1, 2, 3, 4, 10, tzinfo=timezone.utc)  # five seconds after a job that FakeClock has started
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
DISABLED_SINK = ObjectRef(BUCKET, "_clipstitch/sinks/partner.off")
ENV = {
    **SMALLEST,
    "CLIPSTITCH_SINKS": "events=topic:e partner=webhook:PARTNER",
    "CLIPSTITCH_WEBHOOK_PARTNER_URL": WEBHOOK.url,
    "CLIPSTITCH_WEBHOOK_PARTNER_SECRET": SECRET,
}


def failing(times: int, status: int = 500) -> list[WebhookResponse]:
    """Return the same response several times."""
    return [WebhookResponse(status)] * times


def settings_error(**env: str) -> str:
    """Return the error of the environment with these variables replaced."""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({**ENV, **env})
    return str(caught.value)


# Retry schedule


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    """Version 1.0.0, the table: ten attempts in 75 h 35 min 5 s."""
    hours, minutes, seconds = 75, 35, 5

    assert hours * 3600 + minutes * 60 + seconds == sum(SCHEDULE_S)
    assert 10 == len(SCHEDULE_S)
    due = [next_attempt(n, NOON, NOON, webhook=True) for n in range(1, 5)]
    assert [5, 300, 1800, 7200] == [(again - NOON).total_seconds() for again in due if again]


def test_after_the_last_attempt_there_is_none() -> None:
    """Every job is closed in the end."""
    assert next_attempt(9, NOON, NOON, webhook=True) is not None
    assert next_attempt(10, NOON, NOON, webhook=True) is None
    assert next_attempt(11, NOON, NOON, webhook=True, asked_s=60) is None


def test_topics_and_queues_are_retried_soon_and_every_two_hours_for_three_days() -> None:
    """They belong to the operator, who wants the events as soon as they are back."""
    at, due = NOON, list[datetime]()
    while at := next_attempt(len(due) + 1, at, NOON, webhook=False) or at:
        if due and at == due[-1]:
            break
        due.append(at)
    delays = [(later - earlier).total_seconds() for earlier, later in pairwise([NOON, *due])]

    assert [5, 20, 80, 320, 1280, 5120, 7200] == delays[:7]
    assert {7200.0} == set(delays[6:])
    assert timedelta(days=3) < due[-1] - NOON < timedelta(days=3, hours=6)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600),
        ("2", 5),
        ("Fri, 02 Jan 2026 12:10:00 GMT", 600),
        ("Fri, 02 Jan 2026 11:00:00 GMT", 5),
        ("999999999", MAX_DELAY_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_DELAY_S),
        ("", 5),
        ("soon", 5),
        ("-1", 5),
        ("1e3", 5),
        ("٣", 5),
        ("9" * 5000, 5),
        ("Fri, 99 Jan 2026 12:10:00 GMT", 5),
    ],
)
def test_retry_after_delays_an_attempt_within_limits(text: str, seconds: float) -> None:
    """In seconds or as a date; never sooner than the schedule, at most a day later; an invalid value is ignored."""
    asked_s = retry_after_s(text, NOON)
    assert NOON + timedelta(seconds=seconds) == next_attempt(1, NOON, NOON, webhook=True, asked_s=asked_s)


# Settings


def test_the_url_and_the_secrets_of_a_webhook_have_their_own_variables() -> None:
    """Two secrets while one is replaced."""
    settings = read_settings({**ENV, "CLIPSTITCH_WEBHOOK_PARTNER_SECRET": f"{SECRET} {OTHER_SECRET}"})

    assert Sink("partner", "webhook", "PARTNER") == settings.sink("partner")
    assert Webhook("PARTNER", WEBHOOK.url, (SECRET, OTHER_SECRET)) == settings.webhook("PARTNER")
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
def test_an_invalid_variable_is_named_and_its_value_is_not_shown(name: str, value: str) -> None:
    """URLs and secrets do not appear in logs."""
    error = settings_error(**{f"CLIPSTITCH_WEBHOOK_PARTNER_{name}": value})

    assert f"CLIPSTITCH_WEBHOOK_PARTNER_{name}" in error
    assert "t0p" not in error
    assert SECRET not in error


@pytest.mark.parametrize("target", ["partner", "PART-NER", "9", "A:B", "https://partner.example"])
def test_the_target_of_a_webhook_is_part_of_the_name_of_a_variable(target: str) -> None:
    """CLIPSTITCH_SINKS does not contain the URL."""
    assert "write capital letters, digits and _" in settings_error(CLIPSTITCH_SINKS=f"partner=webhook:{target}")


def test_http_is_accepted_only_if_private_addresses_are_allowed() -> None:
    """For receivers on the machine of the local cloud."""
    env = {"CLIPSTITCH_WEBHOOK_PARTNER_URL": "http://127.0.0.1:1/x", "CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE": "true"}

    assert read_settings({**ENV, **env}).webhook_allow_private
    assert "must be true or false" in settings_error(CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE="yes")


def test_neither_url_nor_secret_is_shown() -> None:
    """Neither in a log nor in a traceback."""
    settings = read_settings(ENV)

    assert "t0p" not in repr(settings)
    assert "whsec_" not in f"{settings} {WEBHOOK}"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1"),
        *("ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_an_address_that_is_not_public_is_recognised_in_every_notation(address: str) -> None:
    """Loopback, private, link-local, the metadata services of clouds, and IPv6 that embeds them."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_recognised_in_every_notation(address: str) -> None:
    """IPv6 that embeds it included."""
    assert is_public(address)


# Delivery


def test_a_webhook_receives_the_event_that_the_queue_receives() -> None:
    """The id of the message is that of the event."""
    world = WebhookWorld()
    job = world.finish()

    (posted,) = world.webhooks.posted
    assert job.closed
    assert world.events()[-1] == json.loads(posted.text)
    assert (json.loads(posted.text)["id"], world.clock.now()) == (posted.event_id, posted.at)


@pytest.mark.parametrize(
    "response",
    [
        WebhookResponse(500),
        WebhookResponse(302),
        WebhookResponse(404),
        WebhookResponse(101),
        WebhookNoResponse("x"),
        WebhookAddressRefused("x"),
    ],
)
def test_a_failed_webhook_leaves_the_job_open_after_all_other_deliveries(response: WebhookResponse | Exception) -> None:
    """No error is raised: the delivery is pending, and the fact has the time of the next attempt."""
    world = WebhookWorld(response)
    job = world.finish()

    pending = world.document(job, PendingDelivery("partner", 1, DUE).fact)
    assert not world.load(job).closed
    assert {"events", "queue", "result"} == job.details(DELIVERED)
    assert ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:10.000Z") == (pending["at"], pending["next"])
    assert pending["error"]["code"].startswith("WEBHOOK_")


def test_submit_and_complete_do_not_retry_a_delivery() -> None:
    """However often and however late they are called."""
    world = WebhookWorld(*failing(9))
    job = world.finish()
    world.clock.advance(3600)
    world.submit()
    world.complete(world.run())

    assert 1 == len(world.webhooks.posted)
    assert not world.load(job).closed


def test_a_sweep_retries_a_pending_delivery_with_the_same_id_and_content() -> None:
    """After the grace period of the job; then the job is closed."""
    world = WebhookWorld(WebhookResponse(500))
    job = world.finish()
    world.clock.advance(SETTINGS.grace_period_s)
    world.sweep()

    first, second = world.webhooks.posted
    assert (first.event_id, first.text) == (second.event_id, second.text)
    assert timedelta(seconds=SETTINGS.grace_period_s) == second.at - first.at
    assert world.load(job).closed
    assert [] == world.state_keys("open/")


def test_a_delivery_is_abandoned_after_ten_attempts_on_the_schedule() -> None:
    """The delivered fact has the error; the job is closed."""
    world = WebhookWorld(*failing(99))
    job = world.finish()
    for _ in range(76 * 12 + 12):
        world.sweep(300)

    gaps = [
        (b.at - a.at).total_seconds() for a, b in zip(world.webhooks.posted, world.webhooks.posted[1:], strict=False)
    ]
    delivery = world.delivery(job)
    assert 10 == len(world.webhooks.posted)
    assert all(0 <= gap - due <= 300 for gap, due in zip(gaps, SCHEDULE_S[1:], strict=True))
    assert "WEBHOOK_ANSWER" == delivery["error"]["code"]
    assert world.load(job).closed


def test_a_sweep_respects_retry_after() -> None:
    """Even if it is longer than the schedule."""
    world = WebhookWorld(WebhookResponse(429, "900"))
    world.finish()
    world.sweep(899)
    early = len(world.webhooks.posted)
    world.sweep(1)

    assert [1, 2] == [early, len(world.webhooks.posted)]


def test_retry_ignores_the_due_time() -> None:
    """`clipstitch retry` makes the next attempt at once."""
    world = WebhookWorld(*failing(2))
    job = world.finish()

    assert not retry(job.id, world.context()).closed
    assert retry(job.id, world.context()).closed
    assert 3 == len(world.webhooks.posted)


def test_retry_ignores_the_grace_period() -> None:
    """The sweep leaves the job alone, since its invocation may still be running."""
    world = WebhookWorld()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(4, before=True))
    (marker,) = world.state_keys("open/")
    world.sweep()
    started_by_sweep = len(world.audio.accepted)
    retry(marker.rpartition("/")[2], world.context())

    assert [0, 1] == [started_by_sweep, len(world.audio.accepted)]


# Disabled sinks


def test_410_disables_the_sink() -> None:
    """Later events are not posted; their jobs are closed, and the delivered facts have the reason."""
    world = WebhookWorld(WebhookResponse(410))
    first = world.finish()
    world.clock.advance(60)
    world.drop({**DOCUMENT, "labels": {"n": "2"}})
    second = world.finish()

    disabled = json.loads(world.objects.read(DISABLED_SINK).body)
    assert (first.id, "partner") == (disabled["job"], disabled["sink"])
    assert 1 == len(world.webhooks.posted)
    for job in (first, second):
        assert job.closed
        assert "SINK_OFF" == world.delivery(job)["error"]["code"]
    assert DISABLED_SINK.uri in world.delivery(second)["error"]["message"]


def test_deleting_the_object_enables_the_sink() -> None:
    """Later events are posted."""
    world = WebhookWorld(WebhookResponse(410))
    world.finish()
    world.objects.delete([DISABLED_SINK])
    world.clock.advance(60)
    world.drop({**DOCUMENT, "labels": {"n": "2"}})
    job = world.finish()

    assert 2 == len(world.webhooks.posted)
    assert job.closed


def test_a_pending_delivery_to_a_disabled_sink_is_abandoned() -> None:
    """Nothing is posted; the job is closed."""
    world = WebhookWorld(WebhookResponse(500))
    job = world.finish()
    world.store.disable_sink("partner", {})
    world.sweep(SETTINGS.grace_period_s)

    assert 1 == len(world.webhooks.posted)
    assert world.load(job).closed


def test_the_object_of_a_disabled_sink_is_below_its_prefix() -> None:
    """Whatever the sink is called."""
    store = World().store

    assert "_clipstitch/sinks/..%2Fopen%2Fx.off" == store.disabled_sink_ref("../open/x").key


def test_a_pending_delivery_to_a_removed_sink_does_not_keep_the_job_open() -> None:
    """The operator has removed the sink from the settings."""
    world = WebhookWorld(WebhookResponse(500))
    job = world.finish()
    world.settings = SETTINGS
    world.sweep(SETTINGS.grace_period_s)

    assert world.load(job).closed


# Several jobs, and crashes


def many(world: WebhookWorld, count: int) -> list[Job]:
    """Finish several jobs and return them."""
    jobs = []
    for number in range(count):
        world.submit(ref=drop_other(world, str(number)))
        jobs.append(world.complete(world.run()))
    return jobs


@pytest.mark.parametrize("response", [WebhookNoResponse("no response"), WebhookResponse(503)])
def test_a_receiver_that_fails_costs_few_attempts_per_sweep(response: WebhookResponse | BaseException) -> None:
    """However many deliveries are due; the other jobs are left alone."""
    world = WebhookWorld(*[response] * 99)
    many(world, 12)
    counts = [len(world.webhooks.posted)]
    for _ in range(2):
        world.sweep(SETTINGS.grace_period_s)
        counts.append(len(world.webhooks.posted))

    assert [12, 12 + MAX_FAILURES, 12 + 2 * MAX_FAILURES] == counts


def test_a_receiver_that_refuses_one_event_gets_every_other_delivery_that_is_due() -> None:
    """One event that it refuses does not delay the others."""
    world = WebhookWorld(*failing(12), WebhookResponse(500))
    jobs = many(world, 12)
    world.sweep(SETTINGS.grace_period_s)

    assert 24 == len(world.webhooks.posted)
    assert 11 == sum(world.load(job).closed for job in jobs)


def test_a_missing_topic_delays_no_other_sink() -> None:
    """The webhook, the queue and the result object have the event at once, the topic when it exists."""
    world = WebhookWorld()
    world.messages._known.discard(("topic", "events"))
    job = world.finish()

    assert 1 == len(world.webhooks.posted)
    assert ["queue"] == [kind for kind, _, _ in world.sent]
    assert job.id == world.result()["data"]["job"]
    assert {"events": PendingDelivery("events", 1, DUE)} == world.load(job).pending
    world.messages._known.add(("topic", "events"))
    world.sweep(SETTINGS.grace_period_s)
    assert ["queue", "topic"] == [kind for kind, _, _ in world.sent]
    assert world.load(job).closed


def test_a_topic_that_stays_away_is_given_up_after_three_days() -> None:
    """The delivered fact has the error; the job is closed."""
    world = WebhookWorld()
    world.messages._known.discard(("topic", "events"))
    job = world.finish()
    days = 0.0
    while not world.load(job).closed:
        world.sweep(3600)
        days += 1 / 24
    given_up = world.document(job, Fact(DELIVERED, detail="events"))

    assert 3 < days < 3.5
    assert "SINK_TARGET_MISSING" == given_up["error"]["code"]
    assert [] == world.leftovers()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("calls", range(24))
def test_after_a_crash_at_any_call_sweeps_deliver_one_content(calls: int, before: bool) -> None:
    """Once or more; the first attempt fails."""
    world = WebhookWorld(WebhookResponse(500))
    world.submit()
    message = world.run()
    try:
        world.complete(message, FaultAfter(calls, before=before))
    except CloudBusy:
        world.sweep(SETTINGS.grace_period_s)
    for _ in range(3):
        world.sweep(300)

    assert world.webhooks.posted
    assert 1 == len({(posted.event_id, posted.text) for posted in world.webhooks.posted})
    assert [] == world.state_keys("open/")


def test_neither_url_nor_secret_is_in_facts_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the receiver responds."""
    caplog.set_level(logging.DEBUG)
    world = WebhookWorld(WebhookResponse(500), WebhookNoResponse("partner.example: refused"), WebhookResponse(410))
    world.finish()
    world.sweep(SETTINGS.grace_period_s)
    world.sweep(300)

    written = b"".join(content.body for content in world.objects.stored.values()) + caplog.text.encode()
    assert b"SINK_OFF" in written
    assert not any(secret in written for secret in (b"t0p", b"whsec_", SECRET.encode()))


def test_the_name_of_a_sink_may_contain_tildes() -> None:
    """The number of the attempt and the due time follow the last ones."""
    settings = WEBHOOK_SETTINGS._replace(sinks=(Sink("a~1.b", "webhook", "PARTNER"),))
    world = WebhookWorld(*failing(2), settings=settings)
    job = world.finish()
    world.sweep(SETTINGS.grace_period_s)

    due = DUE + timedelta(seconds=SETTINGS.grace_period_s + 295)
    assert {"a~1.b": PendingDelivery("a~1.b", 2, due)} == world.load(job).pending


def test_a_manifest_chooses_webhooks_by_name_only() -> None:
    """Operators configure the URLs."""
    world = WebhookWorld()
    world.drop({**DOCUMENT, "notify": ["events"]}, MANIFEST)
    world.finish()

    assert [] == world.webhooks.posted


# docs/webhooks.md


def test_the_page_has_the_schedule_the_time_limit_and_the_names() -> None:
    """As the code has them."""
    page = " ".join(PAGE.read_text("utf-8").split())

    assert "after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h" in page
    assert [n * unit for n, unit in ((5, 1), (5, 60), (30, 60), *((h, 3600) for h in (2, 5, 10, 14, 20, 24)))] == list(
        SCHEDULE_S[1:]
    )
    assert "**ten seconds**" in page
    assert 10 == TIMEOUT_S
    assert f"`{DISABLED_SINK.key}`" in page
    facts = [Fact.parse(name) for name in re.findall(r"`((?:pending|delivered)\.[^`]+)`", page)]
    assert {Fact(DELIVERED, detail="partner"), PendingDelivery("partner", 1, DUE).fact} == set(facts)


def test_the_settings_on_the_page_are_valid() -> None:
    """Once its references are replaced by values."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    text = text.replace("${env('PARTNER_URL')}", WEBHOOK.url).replace("${env('PARTNER_SECRET')}", SECRET)
    settings = read_settings({**SMALLEST, **yaml.safe_load(text)})

    assert Sink("partner", "webhook", "PARTNER") == settings.sink("partner")
    assert WEBHOOK == settings.webhook("PARTNER")


def test_the_receiver_on_the_page_accepts_a_delivery() -> None:
    """And refuses one with the signature of another secret."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    world = WebhookWorld()
    world.finish()
    (posted,) = world.webhooks.posted
    with Receiver() as receiver:
        webhook = WEBHOOK._replace(url=receiver.url)
        HttpWebhookSender(allow_private=True).post(webhook, posted.event_id, posted.text, SystemClock().now())
    (request,) = receiver.requests

    assert OUTPUT.uri == names["receive"](SECRET, request.headers, request.body)
    with pytest.raises(WebhookVerificationError):
        names["receive"](OTHER_SECRET, request.headers, request.body)
