"""The OSS actions on the retention policy of a bucket (WORM). One function per action."""

from dataclasses import replace
from datetime import datetime

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import iso, leaves, malformed, parse, xml_response
from localyun.oss.retention import EXPIRED, LEAST_DAYS, MOST_DAYS, NAME, Retention, parse_retention


def initiate_worm(request: OssRequest) -> HttpResponse:
    """Answer InitiateBucketWorm, for a bucket without versions and without a locked policy. Raises ServiceError."""
    days = _days(request, "InitiateWormConfiguration")
    if request.objects.bucket(request.bucket).versioning:  # page "0027-00000003", read 2026-12; it names no code
        text = "A bucket with versioning cannot have a retention policy."
        raise ServiceError(400, "InvalidRequest", text, ec="0027-00000003")
    _check_unlocked(_stored(request))
    clock = request.context.clock
    retention = Retention(clock.token(16).upper(), days, clock.now().isoformat())
    _store(request, retention)
    return HttpResponse(200, b"", {"x-oss-worm-id": retention.worm_id})


def abort_worm(request: OssRequest) -> HttpResponse:
    """Answer AbortBucketWorm. Raises WORMConfigurationLocked."""
    _check_unlocked(_stored(request))
    request.objects.configurations.delete(request.bucket, NAME)
    return HttpResponse(204)


def change_worm(request: OssRequest) -> HttpResponse:
    """Answer CompleteBucketWorm, which locks the policy, or with `wormExtend` ExtendBucketWorm. Raises ServiceError."""
    is_extension = "wormExtend" in request.query
    request.require("oss:ExtendBucketWorm" if is_extension else "oss:CompleteBucketWorm", request.bucket)
    retention = _found(request)
    if retention.worm_id != request.query["wormId"] or retention.state(request.context.clock.now()) == EXPIRED:
        raise _absent(request)
    changed = (
        retention.extended(_days(request, "ExtendWormConfiguration"))
        if is_extension
        else replace(retention, is_locked=True)
    )
    _store(request, changed)
    return HttpResponse(200)


def get_worm(request: OssRequest) -> HttpResponse:
    """Answer GetBucketWorm. Raises NoSuchWORMConfiguration."""
    retention = _found(request)
    content = leaves(
        WormId=retention.worm_id,
        State=retention.state(request.context.clock.now()),
        RetentionPeriodInDays=retention.days,
        CreationDate=iso(datetime.fromisoformat(retention.created)),
    )
    return xml_response("WormConfiguration", content)


def _days(request: OssRequest, root: str) -> int:
    text = (parse(request.http.read(), root).findtext("RetentionPeriodInDays") or "").strip()
    if not text.isascii() or not text.isdecimal() or not LEAST_DAYS <= int(text) <= MOST_DAYS:
        raise malformed(root, f"its RetentionPeriodInDays is {text!r}, not {LEAST_DAYS} to {MOST_DAYS}")
    return int(text)


def _stored(request: OssRequest) -> Retention | None:
    return parse_retention(request.objects.configurations.get(request.bucket, NAME))


def _found(request: OssRequest) -> Retention:
    if retention := _stored(request):
        return retention
    raise _absent(request)


def _store(request: OssRequest, retention: Retention) -> None:
    request.objects.configurations.put(request.bucket, NAME, retention.document())


def _check_unlocked(retention: Retention | None) -> None:
    if retention and retention.is_locked:
        raise ServiceError(403, "WORMConfigurationLocked", "The retention policy is locked: it cannot be removed.")


def _absent(request: OssRequest) -> ServiceError:
    text = "The bucket has no such retention policy."
    return ServiceError(404, "NoSuchWORMConfiguration", text, BucketName=request.bucket)
