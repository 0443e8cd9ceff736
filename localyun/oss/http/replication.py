"""The OSS actions on replication rules, which are stored and returned. No object is copied: a rule remains `starting`.

The elements and errors are those of the vendor's tests (Python, both SDKs), read 2026-12.
"""

from collections.abc import Callable
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.regions import REGIONS
from localyun.oss.http.request import OssRequest, not_implemented
from localyun.oss.http.xml import element, leaf, leaves, malformed, parse, xml_response

RULES = "replication"
STARTING, CLOSING = "starting", "closing"
HISTORY, KEY_ID = "HistoricalObjectReplication", "EncryptionConfiguration"
CRITERIA = "SourceSelectionCriteria"
_DEFAULTS = {HISTORY: "enabled", "Action": "ALL"}


def change_rules(request: OssRequest) -> HttpResponse:
    """Answer PutBucketReplication (`comp=add`) or DeleteBucketReplication (`comp=delete`)."""
    changes: dict[str, Callable[[OssRequest], None]] = {"add": _add, "delete": _close}
    comp = request.query.get("comp", "")
    if comp not in changes:
        raise not_implemented(f"replication with comp={comp}")
    changes[comp](request)
    return HttpResponse(200)


def get_rules(request: OssRequest) -> HttpResponse:
    """Answer GetBucketReplication."""
    if not (rules := _rules(request)):
        text = "The bucket has no replication rule."
        raise ServiceError(404, "NoSuchReplicationConfiguration", text, BucketName=request.bucket)
    return xml_response("ReplicationConfiguration", *(ET.tostring(rule, "unicode") for rule in rules.values()))


def get_progress(request: OssRequest) -> HttpResponse:
    """Answer GetBucketReplicationProgress, of one rule or of all. Raises NoSuchReplicationRule."""
    wanted = request.query.get("rule-id", "")
    rules = {name: rule for name, rule in _rules(request).items() if wanted in {"", name}}
    if wanted and not rules:
        raise ServiceError(404, "NoSuchReplicationRule", "The replication rule does not exist.", RuleID=wanted)
    for rule in rules.values():
        rule.append(ET.fromstring(element("Progress", leaf("HistoricalObject", "0.00"))))  # noqa: S314 - a constant
    return xml_response("ReplicationProgress", *(ET.tostring(rule, "unicode") for rule in rules.values()))


def get_locations(request: OssRequest) -> HttpResponse:
    """Answer GetBucketReplicationLocation: all other regions."""
    names = [f"oss-{region}" for region in REGIONS if region != request.region]
    types = element("TransferTypes", leaf("Type", "oss_acc"))
    transfers = [element("LocationTransferType", leaf("Location", name), types) for name in names]
    locations = [leaf("Location", name) for name in names]
    return xml_response("ReplicationLocation", *locations, element("LocationTransferTypeConstraint", *transfers))


def put_time_control(request: OssRequest) -> HttpResponse:
    """Answer PutBucketRTC. Raises NoSuchReplicationRule."""
    root = parse(request.http.read(), "ReplicationRule")
    rule = _rules(request).get(name := root.findtext("ID") or "")
    if rule is None:
        raise ServiceError(404, "NoSuchReplicationRule", "The replication rule does not exist.", RuleID=name)
    control = element("RTC", leaves(Status=root.findtext("RTC/Status") or "disabled"))
    if (old := rule.find("RTC")) is not None:
        rule.remove(old)
    rule.append(ET.fromstring(control))  # noqa: S314 - escaped above
    _store(request, rule)
    return HttpResponse(200)


def _add(request: OssRequest) -> None:
    """Store a rule. Raises MalformedXML, InvalidArgument or BucketReplicationAlreadyExist."""
    root = parse(request.http.read(), "ReplicationConfiguration")
    rule = root.find("Rule")
    if rule is None or len(root) != 1:
        raise malformed(root.tag, "it does not have one Rule")
    target, location = rule.findtext("Destination/Bucket"), rule.findtext("Destination/Location")
    if not target or not location or target == request.bucket:
        raise malformed(root.tag, "its Destination must have the Bucket, another one, and the Location")
    for other in _rules(request).values():
        if other.findtext("Destination/Bucket") == target and other.findtext("Status") != CLOSING:
            text = "The bucket has a replication rule with this destination already."
            raise ServiceError(400, "BucketReplicationAlreadyExist", text, TargetBucket=target)
    encrypts = rule.findtext(f"{CRITERIA}/SseKmsEncryptedObjects/Status") == "Enabled"
    has_role = bool(rule.findtext("SyncRole"))  # without one, objects that KMS encrypts are not replicated
    for node in list(rule):
        if (node.tag == KEY_ID and not (has_role and encrypts)) or (node.tag == CRITERIA and not has_role):
            rule.remove(node)
    for tag, text in {"ID": request.context.clock.token(32), **_DEFAULTS, "Status": STARTING}.items():
        if not rule.findtext(tag):
            ET.SubElement(rule, tag).text = text
    _store(request, rule)


def _close(request: OssRequest) -> None:
    """Close rules. Raises NoSuchReplicationRule."""
    rules = _rules(request)
    for node in parse(request.http.read(), "ReplicationRules").findall("ID"):
        rule = rules.get(node.text or "")
        if rule is None:
            raise ServiceError(404, "NoSuchReplicationRule", "The replication rule does not exist.")
        for status in rule.findall("Status"):
            status.text = CLOSING
        _store(request, rule)


def _rules(request: OssRequest) -> dict[str, ET.Element]:
    found = request.objects.configurations.all(request.bucket, RULES)
    return {name: parse(rule, "Rule") for name, rule in found.items()}


def _store(request: OssRequest, rule: ET.Element) -> None:
    name = rule.findtext("ID") or ""
    request.objects.configurations.put(request.bucket, RULES, ET.tostring(rule), name)
