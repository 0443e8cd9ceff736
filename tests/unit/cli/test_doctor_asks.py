"""What the doctor learns from a cloud: refusals sorted by what they mean, and jobs by how late they are."""

from datetime import timedelta

import oss2
import pytest

from clipstitch.adapters.memory import MemoryWebhookSender
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, ClipstitchError, ClockSkewed, CloudBusy, CloudRefused
from clipstitch.common.ports import Webhook, WebhookResponse
from clipstitch.usecases.settings import Sink
from clipstitch.usecases.submit import submit
from clipstitch_cli.doctor.ask_cloud import CloudQuestions
from clipstitch_cli.doctor.ask_oss import trouble
from clipstitch_cli.doctor.deployment_facts import KeyRefused, OpenJob, OtherRegion
from tests.world import DOCUMENT, SETTINGS, World

ELSEWHERE = {"Code": "AccessDenied", "Message": "another endpoint", "Endpoint": "oss-cn-beijing.aliyuncs.com"}
REFUSALS: tuple[tuple[int, dict[str, str], type[ClipstitchError]], ...] = (
    (403, {"Code": "AccessDenied"}, AccessDenied),
    (403, {"Code": "InvalidAccessKeyId"}, KeyRefused),
    (403, {"Code": "SignatureDoesNotMatch"}, KeyRefused),
    (403, {"Code": "RequestTimeTooSkewed"}, ClockSkewed),
    (403, ELSEWHERE, OtherRegion),
    (400, {"Code": "InvalidArgument", "RegionExpected": "cn-beijing"}, OtherRegion),
    (400, {"Code": "InvalidBucketName"}, CloudRefused),
    (503, {}, CloudBusy),
    (-2, {}, CloudBusy),
)


@pytest.mark.parametrize(("status", "details", "kind"), REFUSALS)
def test_a_refusal_means_one_thing(status: int, details: dict[str, str], kind: type[ClipstitchError]):
    """A wrong key, another region, no bucket, no right, or nobody there."""
    error = trouble(oss2.exceptions.OssError(status, {}, "", details), "acme", SETTINGS)

    assert kind is type(error)


def test_another_region_is_named():
    """By the endpoint that OSS names, or by the region that it expected."""
    by_endpoint = trouble(oss2.exceptions.OssError(403, {}, "", ELSEWHERE), "acme", SETTINGS)

    assert isinstance(by_endpoint, OtherRegion)
    assert ("cn-beijing", "bucket acme lies in cn-beijing, but OSS_REGION says cn-hangzhou") == (
        by_endpoint.region,
        str(by_endpoint),
    )


def open_jobs(world: World) -> list[OpenJob]:
    """Look at the open jobs of a world."""
    return CloudQuestions(world.context(), AccessKey("id", "secret"), "", "").open_jobs()


def test_a_job_is_late_behind_its_deadline():
    """Not before."""
    world = World()
    world.drop()
    job = world.submit()
    assert job
    world.clock.advance(SETTINGS.deadline_s - 1)
    before = open_jobs(world)
    world.clock.advance(3601)
    (after,) = open_jobs(world)

    assert [(job.id, None, ())] == [(one.id, one.late, one.pending) for one in before]
    assert timedelta(hours=1) == after.late


def test_a_job_that_waits_for_clips_has_its_deadline_behind_the_wait():
    """As the sweep counts."""
    world = World()
    world.drop({**DOCUMENT, "clips": ["late.mp3"], "wait_for_clips": "2h"})
    world.submit()
    world.clock.advance(SETTINGS.deadline_s + 3600)
    (waiting,) = open_jobs(world)

    assert waiting.late is None


def test_a_job_that_only_a_sink_keeps_open_says_so():
    """Its verdict is there; who was told in vain is named."""
    hook = Webhook("PARTNER", "https://partner.example/hooks", ("whsec_x",))
    world, hooks = (
        World(SETTINGS._replace(sinks=(Sink("hook", "webhook", "PARTNER"),), webhooks=(hook,))),
        MemoryWebhookSender(),
    )
    hooks.answers["PARTNER"] = [WebhookResponse(500)]
    submit(world.drop({"version": 2}), world.context()._replace(webhooks=hooks))
    world.clock.advance(SETTINGS.deadline_s + 1)
    (job,) = open_jobs(world)

    assert (timedelta(seconds=1), ("hook",)) == (job.late, job.pending)
