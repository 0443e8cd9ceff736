"""The OSS actions on the lifecycle rules of a bucket. One function per action."""

from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.expiry import NAME
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import parse
from localyun.oss.lifecycle import check_rules, parse_rules


def put_lifecycle(request: OssRequest) -> HttpResponse:
    """Answer PutBucketLifecycle; a rule without an ID gets one. The next request applies the rules."""
    request.check_md5()
    root = parse(request.http.read(), "LifecycleConfiguration")
    allow_overlap = request.headers.get("x-oss-allow-same-action-overlap", "").lower() == "true"
    check_rules(parse_rules(root), allow_overlap=allow_overlap)
    for node in root.iter():
        if node.text in {"True", "False"}:  # clients in Python send them so
            node.text = node.text.lower()
    for rule in root.findall("Rule"):
        _complete(rule, "ID", request.context.clock.token(16))
        _complete(rule, "Prefix", "")
    request.objects.configurations.put(request.bucket, NAME, ET.tostring(root))
    request.context.expiry.apply_soon()
    return HttpResponse(200)


def get_lifecycle(request: OssRequest) -> HttpResponse:
    """Answer GetBucketLifecycle."""
    if document := request.objects.configurations.get(request.bucket, NAME):
        return HttpResponse(200, document, {"Content-Type": "application/xml"})
    raise ServiceError(404, "NoSuchLifecycle", "No Row found in Lifecycle Table.", BucketName=request.bucket)


def delete_lifecycle(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketLifecycle."""
    request.objects.configurations.delete(request.bucket, NAME)
    return HttpResponse(204)


def _complete(rule: ET.Element, tag: str, text: str) -> None:
    """Add an element to a rule that lacks it, or has it empty."""
    node = rule.find(tag)
    if node is None:
        node = ET.SubElement(rule, tag)
    node.text = node.text or text
