"""The OSS actions on configurations of buckets that are stored and returned; few of them have an effect here.

Effects: the default encryption is shown by new objects, blocked public access is blocked, and CORS rules are followed.
All others are stored only: no website is served, no log or inventory is written, no policy or referer is checked.
What would promise safety without any (WORM) or depends on other services (replication, domains) is not stored.

The roots, the errors of absent ones and the defaults are those of the API reference and of the tests of the vendor's
SDKs, read 2026-11.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.upload_headers import ENCRYPTION, RULE, check_value
from localyun.oss.http.xml import document, element, leaf, leaves, malformed, parse, xml_response
from localyun.oss.values import invalid_argument

BucketAction = Callable[[OssRequest], HttpResponse]
Check = Callable[[OssRequest, ET.Element], None]
BUCKET_ARN = "acs:oss:::"
MAX_INVENTORIES = 100  # of one page


class Configuration(NamedTuple):
    """A kind of configuration: its sub-resource, its name in RAM actions, and its root element.

    An absent one is an error with `code`, or else a document with the content `default`. `implied` are elements that
    OSS adds, each below every element of a name that lacks it.
    """

    subresource: str
    action: str
    root: str
    code: str = ""
    default: str = ""
    implied: tuple[tuple[str, str], ...] = ()
    deletable: bool = True


DEFAULT_RESOURCE_GROUP = "rg-default-id"
_TRUNCATED = leaf("AllowTruncateQueryString", True)
_TRUNCATE = (("RefererConfiguration", _TRUNCATED),)
_REFERER = leaf("AllowEmptyReferer", True) + _TRUNCATED + element("RefererList")
_HTTPS, _RESOURCE_GROUP = element("TLS", leaf("Enable", False)), leaf("ResourceGroupId", DEFAULT_RESOURCE_GROUP)
_VARY = (("CORSConfiguration", leaf("ResponseVary", False)),)
_GROUP = (("BucketResourceGroupConfiguration", _RESOURCE_GROUP),)
_PASS = tuple(("Redirect", leaf(name, False)) for name in ("PassQueryString", "MirrorPassQueryString"))
_BLOCKED, _DIRECT = leaf("BlockPublicAccess", False), leaf("Enabled", False)
_fixed = partial(Configuration, deletable=False)
CONFIGURATIONS = (
    Configuration(
        "cors",
        "Cors",
        "CORSConfiguration",
        "NoSuchCORSConfiguration",
        implied=_VARY,
    ),
    Configuration("website", "Website", "WebsiteConfiguration", "NoSuchWebsiteConfiguration", implied=_PASS),
    Configuration("encryption", "Encryption", "ServerSideEncryptionRule", "NoSuchServerSideEncryptionRule"),
    Configuration("inventory", "Inventory", "InventoryConfiguration", "NoSuchInventory"),
    Configuration("overwriteConfig", "OverwriteConfig", "OverwriteConfiguration", "NoSuchOverwriteConfig"),
    Configuration(
        "userDefinedLogFieldsConfig",
        "UserDefinedLogFieldsConfig",
        "UserDefinedLogFieldsConfiguration",
        "NoSuchUserDefinedLogFieldsConfig",
    ),
    Configuration(
        "transferAcceleration",
        "TransferAcceleration",
        "TransferAccelerationConfiguration",
        "NoSuchTransferAccelerationConfiguration",
    ),
    Configuration("logging", "Logging", "BucketLoggingStatus"),
    Configuration("tagging", "Tagging", "Tagging", default=element("TagSet")),
    Configuration("publicAccessBlock", "PublicAccessBlock", "PublicAccessBlockConfiguration", default=_BLOCKED),
    _fixed("referer", "Referer", "RefererConfiguration", default=_REFERER, implied=_TRUNCATE),
    _fixed("requestPayment", "RequestPayment", "RequestPaymentConfiguration", default=leaf("Payer", "BucketOwner")),
    _fixed("accessmonitor", "AccessMonitor", "AccessMonitorConfiguration", default=leaf("Status", "Disabled")),
    _fixed("httpsConfig", "HttpsConfig", "HttpsConfiguration", default=_HTTPS),
    _fixed("bucketArchiveDirectRead", "ArchiveDirectRead", "ArchiveDirectReadConfiguration", default=_DIRECT),
    _fixed(
        "resourceGroup",
        "ResourceGroup",
        "BucketResourceGroupConfiguration",
        default=_RESOURCE_GROUP,
        implied=_GROUP,
    ),
)
POLICY = "policy"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def configuration_routes() -> dict[tuple[str, str, str], tuple[str, BucketAction]]:
    """Return the routes of all configurations."""
    routes: dict[tuple[str, str, str], tuple[str, BucketAction]] = {}
    for kind in CONFIGURATIONS:
        name = kind.subresource
        routes["PUT", "bucket", name] = (f"oss:PutBucket{kind.action}", _put(kind))
        routes["GET", "bucket", name] = (f"oss:GetBucket{kind.action}", _get(kind))
        if kind.deletable:
            routes["DELETE", "bucket", name] = (f"oss:DeleteBucket{kind.action}", _delete(kind))
    routes["DELETE", "bucket", "tagging"] = ("oss:DeleteBucketTagging", delete_tags)
    routes["PUT", "bucket", POLICY] = ("oss:PutBucketPolicy", put_policy)
    routes["GET", "bucket", POLICY] = ("oss:GetBucketPolicy", get_policy)
    routes["GET", "bucket", "policyStatus"] = ("oss:GetBucketPolicyStatus", get_policy_status)
    routes["DELETE", "bucket", POLICY] = ("oss:DeleteBucketPolicy", delete_policy)
    return routes


def _check_encryption(_request: OssRequest, rule: ET.Element) -> None:
    """Raise InvalidEncryptionAlgorithmError, or InvalidArgument for a key of another algorithm than KMS."""
    algorithm, key = rule.findtext(f"{RULE}/SSEAlgorithm") or "", rule.findtext(f"{RULE}/KMSMasterKeyID")
    check_value(ENCRYPTION, algorithm)
    if key and algorithm != "KMS":  # page "0005-00000204", read 2026-11
        text = "The KMSMasterKeyID is valid only with the SSEAlgorithm KMS."
        raise ServiceError(400, "InvalidArgument", text, ec="0005-00000204")


def _check_logging(request: OssRequest, status: ET.Element) -> None:
    """Raise InvalidTargetBucketForLogging unless the target exists."""
    target = status.findtext("LoggingEnabled/TargetBucket")
    if target and not request.objects.has_bucket(target):
        text = "The target bucket of the log does not exist."
        raise ServiceError(400, "InvalidTargetBucketForLogging", text, TargetBucket=target)


def _check_inventory(_request: OssRequest, inventory: ET.Element) -> None:
    """Raise InvalidArgument for a destination that is not an ARN, or MalformedXML for two encryptions."""
    destination = "Destination/OSSBucketDestination"
    target = inventory.findtext(f"{destination}/Bucket") or ""
    if not target.startswith(BUCKET_ARN):
        raise invalid_argument("Bucket", target, f"The Bucket of the destination must begin with {BUCKET_ARN}.")
    if len(inventory.findall(f"{destination}/Encryption/*")) > 1:
        raise malformed(inventory.tag, "its destination has more than one encryption")


def _check_text(path: str, *values: str) -> Check:
    """Return a check that an element has one of some texts."""

    def check(_request: OssRequest, root: ET.Element) -> None:
        if (text := root.findtext(path)) not in values:
            raise malformed(root.tag, f"its {path} is {text!r}, not {' or '.join(values)}")

    return check


CHECKS: dict[str, Check] = {
    "encryption": _check_encryption,
    "logging": _check_logging,
    "inventory": _check_inventory,
    "requestPayment": _check_text("Payer", "BucketOwner", "Requester"),
    "accessmonitor": _check_text("Status", "Enabled", "Disabled"),
}


def found_text(request: OssRequest, subresource: str, path: str, default: str = "") -> str:
    """Return the text of an element of a bucket's configuration, or a default."""
    body = request.objects.configurations.get(request.bucket, subresource)
    return (parse(body, "").findtext(path) if body else None) or default


def bucket_tags(request: OssRequest, bucket: str) -> list[tuple[str, str]]:
    """Return the tags of a bucket."""
    body = request.objects.configurations.get(bucket, "tagging")
    nodes = parse(body, "Tagging").findall("TagSet/Tag") if body else []
    return [(node.findtext("Key") or "", node.findtext("Value") or "") for node in nodes]


def delete_tags(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketTags: of the keys that `tagging` lists, or of all."""
    keys = set(filter(None, request.query["tagging"].split(",")))
    kept = [tag for tag in bucket_tags(request, request.bucket) if keys and tag[0] not in keys]
    request.objects.configurations.delete(request.bucket, "tagging")
    if kept:
        body = document(
            "Tagging", element("TagSet", *(element("Tag", leaves(Key=key, Value=value)) for key, value in kept))
        )
        request.objects.configurations.put(request.bucket, "tagging", body)
    return HttpResponse(204)


def put_policy(request: OssRequest) -> HttpResponse:
    """Answer PutBucketPolicy: the policy is JSON. It is not evaluated."""
    body = request.http.read()
    if not _is_policy(body):
        text = "The policy must be JSON whose Statement has an Effect, an Action and a list as Principal each."
        raise ServiceError(400, "InvalidPolicyDocument", text)
    request.objects.configurations.put(request.bucket, POLICY, body)
    return HttpResponse(200)


def _is_policy(body: bytes) -> bool:
    try:
        policy = json.loads(body)
        statements = [one for one in policy["Statement"] if isinstance(one, dict)]
        known = all(one["Effect"] in {"Allow", "Deny"} and isinstance(one["Action"], str | list) for one in statements)
        principals = [one.get("Principal", one.get("NotPrincipal")) for one in statements]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    named = all(one == "*" or isinstance(one, list | dict) for one in principals)
    return known and named and len(statements) == len(policy["Statement"])


def get_policy(request: OssRequest) -> HttpResponse:
    """Answer GetBucketPolicy."""
    if body := request.objects.configurations.get(request.bucket, POLICY):
        return HttpResponse(200, body, {"Content-Type": "application/json"})
    raise ServiceError(404, "NoSuchBucketPolicy", "The bucket policy does not exist.", BucketName=request.bucket)


def get_policy_status(request: OssRequest) -> HttpResponse:
    """Answer GetBucketPolicyStatus: a policy that allows something to everyone is public."""
    policy = json.loads(request.objects.configurations.get(request.bucket, POLICY) or b"{}")
    statements = policy.get("Statement") or []
    found = [one for one in statements if isinstance(one, dict)] if isinstance(statements, list) else []
    is_public = any(one.get("Effect") == "Allow" and one.get("Principal") in ("*", ["*"]) for one in found)
    return xml_response("PolicyStatus", leaf("IsPublic", is_public))


def delete_policy(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketPolicy."""
    request.objects.configurations.delete(request.bucket, POLICY)
    return HttpResponse(204)


def _put(kind: Configuration) -> BucketAction:
    def put(request: OssRequest) -> HttpResponse:
        request.check_md5()
        body = request.http.read()
        root = parse(body, kind.root)
        if check := CHECKS.get(kind.subresource):
            check(request, root)
        completed = _completed(root, kind.implied)
        request.objects.configurations.put(request.bucket, kind.subresource, completed, _part(request))
        return HttpResponse(200)

    return put


def _imply(node: ET.Element, implied: ET.Element) -> None:
    """Add an element unless there is one with a text; an empty one is replaced."""
    found = node.find(implied.tag)
    if found is None:
        node.append(implied)
    elif not found.text:
        found.text = implied.text


def _completed(root: ET.Element, implied: Iterable[tuple[str, str]]) -> bytes:
    """Return a document as OSS answers with it: without namespaces, with booleans in lower case and what is implied."""
    for node in root.iter():
        if node.text in {"True", "False"}:
            node.text = node.text.lower()
        if node.tag == "AllowedMethod" and node.text:
            node.text = node.text.upper()
    for parent, content in implied:
        for node in list(root.iter(parent)):
            _imply(node, ET.fromstring(content))  # noqa: S314 - a constant
    return DECLARATION + ET.tostring(root, "unicode").encode()


def _get(kind: Configuration) -> BucketAction:
    def get(request: OssRequest) -> HttpResponse:
        found = request.objects.configurations.all(request.bucket, kind.subresource)
        if kind.subresource == "inventory" and "inventoryId" not in request.query:
            return _list_inventories(request, found)
        if body := found.get(_part(request)):
            return HttpResponse(200, body, {"Content-Type": "application/xml"})
        if kind.code:
            text = f"The specified bucket does not have a {kind.root}."
            raise ServiceError(404, kind.code, text, BucketName=request.bucket)
        return xml_response(kind.root, kind.default)

    return get


def _delete(kind: Configuration) -> BucketAction:
    def delete(request: OssRequest) -> HttpResponse:
        request.objects.configurations.delete(request.bucket, kind.subresource, _part(request))
        return HttpResponse(204)

    return delete


def _part(request: OssRequest) -> str:
    """Return the id of the configuration: only inventories have one."""
    return request.query.get("inventoryId", "")


def _list_inventories(request: OssRequest, found: dict[str, bytes]) -> HttpResponse:
    after = request.query.get("continuation-token", "")
    names = [name for name in found if name > after]
    page, truncated = names[:MAX_INVENTORIES], len(names) > MAX_INVENTORIES
    documents = (ET.tostring(parse(found[name], "InventoryConfiguration"), "unicode") for name in page)
    paging = leaves(IsTruncated=truncated, NextContinuationToken=page[-1] if truncated else None)
    return xml_response("ListInventoryConfigurationsResult", *documents, paging)
