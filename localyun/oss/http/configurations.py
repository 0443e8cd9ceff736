"""The OSS actions on configurations of buckets that are stored and returned; few of them have an effect here.

Effects: the default encryption is shown by new objects, and blocked public access blocks it. All others are stored
only: no website is served, no CORS header is sent, no log or inventory is written, no policy or referer is checked.
What would promise safety without any (WORM) or depends on other services (replication, domains) is not stored.

The roots, the errors of absent ones and the defaults are those of the API reference and of the tests of the vendor's
SDKs, read 2026-11.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import ENCRYPTION, RULE, OssRequest, check_value
from localyun.oss.http.xml import document, element, leaf, leaves, parse, xml_response

BucketAction = Callable[[OssRequest], HttpResponse]
MAX_INVENTORIES = 100  # of one page


class Configuration(NamedTuple):
    """A kind of configuration: its sub-resource, its name in RAM actions, and its root element.

    An absent one is an error with `code`, or else a document with the content `default`. `implied` is an element that
    OSS adds to a document that lacks it.
    """

    subresource: str
    action: str
    root: str
    code: str = ""
    default: str = ""
    implied: str = ""
    deletable: bool = True


DEFAULT_RESOURCE_GROUP = "rg-default-id"
_TRUNCATE = leaf("AllowTruncateQueryString", True)
_REFERER = leaf("AllowEmptyReferer", True) + _TRUNCATE + element("RefererList")
_HTTPS, _RESOURCE_GROUP = element("TLS", leaf("Enable", False)), leaf("ResourceGroupId", DEFAULT_RESOURCE_GROUP)
_BLOCKED, _DIRECT = leaf("BlockPublicAccess", False), leaf("Enabled", False)
_fixed = partial(Configuration, deletable=False)
CONFIGURATIONS = (
    Configuration("cors", "Cors", "CORSConfiguration", "NoSuchCORSConfiguration", implied=leaf("ResponseVary", False)),
    Configuration("website", "Website", "WebsiteConfiguration", "NoSuchWebsiteConfiguration"),
    Configuration("encryption", "Encryption", "ServerSideEncryptionRule", "NoSuchServerSideEncryptionRule"),
    Configuration("inventory", "Inventory", "InventoryConfiguration", "NoSuchInventory"),
    Configuration("overwriteConfig", "OverwriteConfig", "OverwriteConfiguration", "NoSuchOverwriteConfig"),
    Configuration(
        "userDefinedLogFieldsConfig",
        "UserDefinedLogFieldsConfig",
        "UserDefinedLogFieldsConfiguration",
        "NoSuchUserDefinedLogFieldsConfig",
    ),
    _fixed(
        "transferAcceleration",
        "TransferAcceleration",
        "TransferAccelerationConfiguration",
        "NoSuchTransferAccelerationConfiguration",
    ),
    Configuration("logging", "Logging", "BucketLoggingStatus"),
    Configuration("tagging", "Tagging", "Tagging", default=element("TagSet")),
    Configuration("publicAccessBlock", "PublicAccessBlock", "PublicAccessBlockConfiguration", default=_BLOCKED),
    _fixed(
        "referer", "Referer", "RefererConfiguration", default=_REFERER, implied=leaf("AllowTruncateQueryString", True)
    ),
    _fixed("requestPayment", "RequestPayment", "RequestPaymentConfiguration", default=leaf("Payer", "BucketOwner")),
    _fixed("accessmonitor", "AccessMonitor", "AccessMonitorConfiguration", default=leaf("Status", "Disabled")),
    _fixed("httpsConfig", "HttpsConfig", "HttpsConfiguration", default=_HTTPS),
    _fixed("bucketArchiveDirectRead", "ArchiveDirectRead", "ArchiveDirectReadConfiguration", default=_DIRECT),
    _fixed("resourceGroup", "ResourceGroup", "BucketResourceGroupConfiguration", default=_RESOURCE_GROUP),
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


def _check_encryption(rule: ET.Element) -> None:
    """Raise InvalidEncryptionAlgorithmError, or InvalidArgument for a key of another algorithm than KMS."""
    algorithm, key = rule.findtext(f"{RULE}/SSEAlgorithm") or "", rule.findtext(f"{RULE}/KMSMasterKeyID")
    check_value(ENCRYPTION, algorithm)
    if key and algorithm != "KMS":  # page "0005-00000204", read 2026-11
        text = "The KMSMasterKeyID is valid only with the SSEAlgorithm KMS."
        raise ServiceError(400, "InvalidArgument", text, ec="0005-00000204")


CHECKS: dict[str, Callable[[ET.Element], None]] = {"encryption": _check_encryption}


def found_text(request: OssRequest, subresource: str, path: str, default: str = "") -> str:
    """Return the text of an element of a bucket's configuration, or a default."""
    body = request.objects.configurations.get(request.bucket, subresource)
    kind = next(kind for kind in CONFIGURATIONS if kind.subresource == subresource)
    return (parse(body, kind.root).findtext(path) if body else None) or default


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
    try:
        is_policy = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        is_policy = False
    if not is_policy:
        raise ServiceError(400, "InvalidPolicyDocument", "The policy must be a JSON object with Version and Statement.")
    request.objects.configurations.put(request.bucket, POLICY, body)
    return HttpResponse(200)


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
            check(root)
        completed = _completed(root, kind.implied)
        request.objects.configurations.put(request.bucket, kind.subresource, completed, _part(request))
        return HttpResponse(200)

    return put


def _completed(root: ET.Element, implied: str) -> bytes:
    """Return a document as OSS answers with it: without namespaces, with booleans in lower case and what is implied."""
    for node in root.iter():
        if node.text in {"True", "False"}:
            node.text = node.text.lower()
    if implied and root.find((element := ET.fromstring(implied)).tag) is None:  # noqa: S314 - a constant
        root.append(element)
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
