"""The OSS actions on configurations of buckets that are stored and returned; few of them have an effect here.

Effects: the default encryption is shown by new objects, blocked public access is blocked, and CORS rules are followed.
All others are stored only: no website is served, no log or inventory is written, no policy or referer is checked.

The roots, the errors of absent ones and the defaults are those of the API reference and of the tests of the vendor's
SDKs, read 2026-11.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.configuration_checks import CHECKS, DEFAULT_RESOURCE_GROUP
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import document, element, leaf, leaves, parse, xml_response

BucketAction = Callable[[OssRequest], HttpResponse]
MAX_INVENTORIES = 100  # of one page


class Configuration(NamedTuple):
    """A kind of configuration: its sub-resource, its name in RAM actions, and its root element.

    An absent one is an error with `code`, or else a document with the content `default`. `implied` are elements that
    OSS adds, each below every element of a name that lacks it. One `of_account` can be set for all buckets as well.
    """

    subresource: str
    action: str
    root: str
    code: str = ""
    default: str = ""
    implied: tuple[tuple[str, str], ...] = ()
    deletable: bool = True
    of_account: bool = False


_TRUNCATED = leaf("AllowTruncateQueryString", True)
_TRUNCATE = (("RefererConfiguration", _TRUNCATED),)
_REFERER = leaf("AllowEmptyReferer", True) + _TRUNCATED + element("RefererList")
_HTTPS, _RESOURCE_GROUP = element("TLS", leaf("Enable", False)), leaf("ResourceGroupId", DEFAULT_RESOURCE_GROUP)
_VARY = (("CORSConfiguration", leaf("ResponseVary", False)),)
_GROUP = (("BucketResourceGroupConfiguration", _RESOURCE_GROUP),)
_REDIRECT = {"PassQueryString": False, "MirrorPassQueryString": False, "MirrorFollowRedirect": True}
_PASS = tuple(("Redirect", leaf(name, value)) for name, value in {**_REDIRECT, "MirrorCheckMd5": False}.items())
_WEBSITE = (*_PASS, ("MirrorHeaders", leaf("PassAll", False)))
_BLOCKED, _DIRECT = leaf("BlockPublicAccess", False), leaf("Enabled", False)
_fixed = partial(Configuration, deletable=False)
INVENTORY = Configuration("inventory", "Inventory", "InventoryConfiguration", "NoSuchInventory")
CONFIGURATIONS = (
    Configuration(
        "cors",
        "Cors",
        "CORSConfiguration",
        "NoSuchCORSConfiguration",
        implied=_VARY,
    ),
    Configuration("website", "Website", "WebsiteConfiguration", "NoSuchWebsiteConfiguration", implied=_WEBSITE),
    Configuration("encryption", "Encryption", "ServerSideEncryptionRule", "NoSuchServerSideEncryptionRule"),
    INVENTORY,
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
    Configuration(
        "publicAccessBlock",
        "PublicAccessBlock",
        "PublicAccessBlockConfiguration",
        default=_BLOCKED,
        of_account=True,
    ),
    Configuration("quota", "StorageQuota", "QuotaConfiguration", "NoSuchQuotaConfiguration"),  # the code is a guess
    _fixed("referer", "Referer", "RefererConfiguration", default=_REFERER, implied=_TRUNCATE),
    _fixed("requestPayment", "RequestPayment", "RequestPaymentConfiguration", default=leaf("Payer", "BucketOwner")),
    _fixed("qos", "QoS", "BucketUserQos", default=leaf("StorageCapacity", -1)),
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
        if kind.of_account:
            actions = {"PUT": _put(kind), "GET": _get(kind), "DELETE": _delete(kind)}
            routes |= {
                (verb, "service", name): (f"oss:{verb.title()}{kind.action}", act) for verb, act in actions.items()
            }
    routes["DELETE", "bucket", "tagging"] = ("oss:DeleteBucketTagging", delete_tags)
    return routes


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
        if node.tag == "AllowedHeader" and node.text:
            node.text = node.text.lower()
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
            raise _absent(kind, request.bucket)
        return xml_response(kind.root, kind.default)

    return get


def _absent(kind: Configuration, bucket: str) -> ServiceError:
    text = f"The specified bucket does not have a {kind.root}."
    return ServiceError(404, kind.code, text, BucketName=bucket)


def _delete(kind: Configuration) -> BucketAction:
    def delete(request: OssRequest) -> HttpResponse:
        request.objects.configurations.delete(request.bucket, kind.subresource, _part(request))
        return HttpResponse(204)

    return delete


def _part(request: OssRequest) -> str:
    """Return the id of the configuration: only inventories have one."""
    return request.query.get("inventoryId", "")


def _list_inventories(request: OssRequest, found: dict[str, bytes]) -> HttpResponse:
    if not found:  # Go SDK 3.0.2, read 2026-12
        raise _absent(INVENTORY, request.bucket)
    after = request.query.get("continuation-token", "")
    names = [name for name in found if name > after]
    page, truncated = names[:MAX_INVENTORIES], len(names) > MAX_INVENTORIES
    documents = (ET.tostring(parse(found[name], "InventoryConfiguration"), "unicode") for name in page)
    token = page[-1] if truncated else None
    paging = leaves(IsTruncated=truncated, ContinuationToken=after or None, NextContinuationToken=token)
    return xml_response("ListInventoryConfigurationsResult", *documents, paging)
