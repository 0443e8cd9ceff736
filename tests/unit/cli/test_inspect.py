"""What the doctor reads from a cloud: the meaning of errors, and how late jobs are."""

from datetime import timedelta

import oss2
import pytest

from clipstitch.adapters.memory import MemoryWebhookSender
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, ClipstitchError, ClockSkewed, CloudBusy, CloudRefused
from clipstitch.common.ports import Webhook, WebhookResponse
from clipstitch.usecases.settings import Sink
from clipstitch.usecases.submit import submit
from clipstitch_cli.doctor.deployment_facts import AccessKeyRejected, OpenJob, RegionMismatch
from clipstitch_cli.doctor.inspect_cloud import CloudInspector
from clipstitch_cli.doctor.inspect_oss import BucketOutOfReach, bucket, bucket_error
from tests.world import DOCUMENT, SETTINGS, World

ELSEWHERE = {"Code": "AccessDenied", "Message": "another endpoint", "Endpoint": "oss-cn-beijing.aliyuncs.com"}
REFUSALS: tuple[tuple[int, dict[str, str], type[ClipstitchError]], ...] = (
    (403, {"Code": "AccessDenied"}, AccessDenied),
    (403, {"Code": "InvalidAccessKeyId"}, AccessKeyRejected),
    (403, {"Code": "SignatureDoesNotMatch"}, AccessKeyRejected),
    (403, {"Code": "RequestTimeTooSkewed"}, ClockSkewed),
    (403, ELSEWHERE, RegionMismatch),
    (400, {"Code": "InvalidArgument", "RegionExpected": "cn-beijing"}, RegionMismatch),
    (400, {"Code": "InvalidBucketName"}, CloudRefused),
    (503, {}, CloudBusy),
    (-2, {}, CloudBusy),
)


def test_a_custom_domain_reaches_one_bucket() -> None:
    """OSS would refuse the signature, as if the key were wrong; so no request is made."""
    settings = SETTINGS._replace(oss_endpoint="https://audio.acme.example")

    with pytest.raises(BucketOutOfReach, match=r"audio\.acme\.example is a domain of bucket acme, not of out"):
        bucket("out", settings, AccessKey("id", "secret"))


@pytest.mark.parametrize(("status", "details", "kind"), REFUSALS)
def test_an_error_of_oss_has_one_meaning(status: int, details: dict[str, str], kind: type[ClipstitchError]) -> None:
    """A wrong key, another region, no bucket, no right, or no answer."""
    error = bucket_error(oss2.exceptions.OssError(status, {}, "", details), "acme", SETTINGS)

    assert kind is type(error)


def test_the_other_region_is_named() -> None:
    """By the endpoint in the answer, or by the expected region."""
    by_endpoint = bucket_error(oss2.exceptions.OssError(403, {}, "", ELSEWHERE), "acme", SETTINGS)

    assert isinstance(by_endpoint, RegionMismatch)
    assert ("cn-beijing", "bucket acme is in cn-beijing, but OSS_REGION says cn-hangzhou") == (
        by_endpoint.region,
        str(by_endpoint),
    )


def open_jobs(world: World) -> list[OpenJob]:
    """Return the open jobs of a world."""
    return CloudInspector(world.context(), AccessKey("id", "secret"), "", "").open_jobs()


def test_a_job_is_late_after_its_deadline() -> None:
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


def test_the_deadline_of_a_waiting_job_starts_after_the_wait() -> None:
    """As the sweep counts it."""
    world = World()
    world.drop({**DOCUMENT, "clips": ["late.mp3"], "wait_for_clips": "2h"})
    world.submit()
    world.clock.advance(SETTINGS.deadline_s + 3600)
    (waiting,) = open_jobs(world)

    assert waiting.late is None


def test_a_job_with_a_pending_delivery_names_the_sink() -> None:
    """Its decision exists; only the delivery is left."""
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
