"""The OSS actions on the retention and the legal hold of objects (ObjectWorm). One function per action."""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.objects import found_object, version_headers
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import leaf, leaves, malformed, parse, xml_response
from localyun.oss.object_worm import HOLD, HOLDS, MODE, MODES, OBJECT_WORM, UNTIL, check_retention
from localyun.oss.values import invalid_argument


def put_configuration(request: OssRequest) -> HttpResponse:
    """Answer PutBucketObjectWormConfiguration, which needs versioning; it cannot be disabled again."""
    body = request.http.read()
    root = parse(body, "ObjectWormConfiguration")
    if root.findtext("ObjectWormEnabled") != "Enabled":
        raise malformed(root.tag, "its ObjectWormEnabled is not Enabled")
    if (rule := root.find("Rule/DefaultRetention")) is not None:
        lengths = [text for name in ("Days", "Years") if (text := rule.findtext(name))]
        if rule.findtext("Mode") not in MODES or len(lengths) != 1 or not lengths[0].isdecimal():
            raise malformed(root.tag, "its DefaultRetention must have a Mode, and either Days or Years")
    if request.objects.bucket(request.bucket).versioning != "Enabled":
        raise ServiceError(409, "InvalidBucketState", "Enable the versioning of the bucket first.")
    request.objects.configurations.put(request.bucket, OBJECT_WORM, body)
    return HttpResponse(200)


def get_configuration(request: OssRequest) -> HttpResponse:
    """Answer GetBucketObjectWormConfiguration."""
    if body := request.objects.configurations.get(request.bucket, OBJECT_WORM):
        return HttpResponse(200, body, {"Content-Type": "application/xml"})
    text = "The bucket has no configuration of ObjectWorm."
    raise ServiceError(404, "NoSuchObjectWormConfiguration", text, BucketName=request.bucket)


def put_retention(request: OssRequest) -> HttpResponse:
    """Answer PutObjectRetention."""
    found = found_object(request)
    _check_enabled(request)
    root = parse(request.http.read(), "Retention")
    mode, until = root.findtext("Mode") or "", root.findtext("RetainUntilDate") or ""
    check_retention(
        found.headers, mode, until, request.context.clock.now(), bypass=request.bypasses_governance(request.key)
    )
    changes = {MODE.replace("-", "_"): mode, UNTIL.replace("-", "_"): until}
    request.objects.set_headers(request.bucket, request.key, found.version, **changes)
    return HttpResponse(200, b"", version_headers(found))


def get_retention(request: OssRequest) -> HttpResponse:
    """Answer GetObjectRetention."""
    found = found_object(request)
    if MODE not in found.headers:
        raise ServiceError(404, "NoSuchObjectRetention", "The object has no retention.", Key=request.key)
    content = leaves(Mode=found.headers[MODE], RetainUntilDate=found.headers[UNTIL])
    return xml_response("Retention", content, **version_headers(found))


def put_hold(request: OssRequest) -> HttpResponse:
    """Answer PutObjectLegalHold."""
    found = found_object(request)
    _check_enabled(request)
    status = parse(request.http.read(), "LegalHold").findtext("Status") or ""
    if status not in HOLDS:
        raise invalid_argument("Status", status, f"The Status must be one of {', '.join(HOLDS)}.")
    request.objects.set_headers(request.bucket, request.key, found.version, **{HOLD.replace("-", "_"): status})
    return HttpResponse(200, b"", version_headers(found))


def get_hold(request: OssRequest) -> HttpResponse:
    """Answer GetObjectLegalHold; without one it is off."""
    found = found_object(request)
    return xml_response("LegalHold", leaf("Status", found.headers.get(HOLD, "OFF")), **version_headers(found))


def _check_enabled(request: OssRequest) -> None:
    if not request.objects.configurations.get(request.bucket, OBJECT_WORM):
        raise ServiceError(400, "InvalidRequest", "The bucket has no ObjectWorm: put its configuration first.")
