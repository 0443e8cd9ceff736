"""What OSS checks in the configurations of buckets before it stores them; the errors are from the vendor's tests."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.oss.http.request import OssRequest
from localyun.oss.http.upload_headers import ENCRYPTION, RULE, check_value
from localyun.oss.http.xml import malformed, parse
from localyun.oss.values import invalid_argument

Check = Callable[[OssRequest, ET.Element], None]
BUCKET_ARN = "acs:oss:::"
TLS_VERSIONS = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
DEFAULT_RESOURCE_GROUP = "rg-default-id"


def _check_encryption(_request: OssRequest, rule: ET.Element) -> None:
    """Raise InvalidEncryptionAlgorithmError, or InvalidArgument for a key of another algorithm than KMS."""
    algorithm, key = rule.findtext(f"{RULE}/SSEAlgorithm") or "", rule.findtext(f"{RULE}/KMSMasterKeyID")
    check_value(ENCRYPTION, algorithm)
    if key and algorithm != "KMS":  # page "0005-00000204", read 2026-11
        text = "The KMSMasterKeyID is valid only with the SSEAlgorithm KMS."
        raise ServiceError(400, "InvalidArgument", text, ec="0005-00000204")
    defaults = rule.find(RULE)
    data = rule.find(f"{RULE}/KMSDataEncryption")
    if algorithm != "KMS" and defaults is not None and data is not None:  # ignored (vendor's tests, Python 2.19.1)
        defaults.remove(data)


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
    if (classes := inventory.find("Filter/StorageClass")) is not None and classes.text:
        classes.text = ",".join(sorted(classes.text.split(",")))


def _check_website(_request: OssRequest, website: ET.Element) -> None:
    """Raise MalformedXML for a rule without a number, or a mirror without a URL (Go SDK 3.0.2, read 2026-12).

    A redirect of the type Mirror passes a query string as it passes it to the mirror (Python SDKs, read 2026-12).
    """
    for rule in website.iter("RoutingRule"):
        number = rule.findtext("RuleNumber") or ""
        if not number.isascii() or not number.isdecimal() or int(number) < 1:
            raise malformed(website.tag, f"a rule has the RuleNumber {number!r}")
        if rule.findtext("Redirect/RedirectType") == "Mirror" and not rule.findtext("Redirect/MirrorURL"):
            raise malformed(website.tag, f"rule {number} has no MirrorURL")
    for redirect in website.iter("Redirect"):
        if redirect.findtext("RedirectType") == "Mirror":
            passed = redirect.find("PassQueryString")
            passed = ET.SubElement(redirect, "PassQueryString") if passed is None else passed
            passed.text = redirect.findtext("MirrorPassQueryString") or "false"


def _check_group(_request: OssRequest, group: ET.Element) -> None:
    """Raise ResourceGroupIdPreCheckError for any but the default group (Go SDK 2, read 2026-12)."""
    if group.findtext("ResourceGroupId") not in {None, "", DEFAULT_RESOURCE_GROUP}:
        text = "The resource group id precheck error"
        raise ServiceError(400, "ResourceGroupIdPreCheckError", text, ec="0039-00000003")


def _check_monitor(request: OssRequest, monitor: ET.Element) -> None:
    """Raise MalformedXML for an unknown status, or InvalidArgument to end what lifecycle rules depend on.

    Page "0036-00000005", read 2026-12; it names no code.
    """
    _check_text("Status", "Enabled", "Disabled")(request, monitor)
    rules = request.objects.configurations.get(request.bucket, "lifecycle")
    used = any(node.text == "true" for node in parse(rules, "").iter("IsAccessTime")) if rules else False
    if used and monitor.findtext("Status") == "Disabled":
        text = "Access monitoring cannot be disabled: a lifecycle rule depends on the last access time."
        raise ServiceError(400, "InvalidArgument", text, ec="0036-00000005")


def _check_https(_request: OssRequest, configuration: ET.Element) -> None:
    """Raise MalformedXML for TLS without known versions; drop repeated ones."""
    tls = configuration.find("TLS")
    if tls is None or (tls.findtext("Enable") or "").lower() != "true":
        return
    seen = set[str]()
    for node in tls.findall("TLSVersion"):
        if node.text not in TLS_VERSIONS:
            raise malformed(configuration.tag, f"its TLSVersion is {node.text!r}, not one of {', '.join(TLS_VERSIONS)}")
        if node.text in seen:
            tls.remove(node)
        seen.add(node.text)
    if not seen:
        raise malformed(configuration.tag, "it enables TLS without a TLSVersion")


def _check_capacity(_request: OssRequest, qos: ET.Element) -> None:
    """Raise InvalidArgument for a capacity that is no number of GB, or -1 for none."""
    capacity = qos.findtext("StorageCapacity") or ""
    if capacity != "-1" and not (capacity.isascii() and capacity.isdecimal()):
        raise invalid_argument("StorageCapacity", capacity, "The StorageCapacity must be a number of GB, or -1.")


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
    "website": _check_website,
    "httpsConfig": _check_https,
    "qos": _check_capacity,
    "requestPayment": _check_text("Payer", "BucketOwner", "Requester"),
    "accessmonitor": _check_monitor,
    "resourceGroup": _check_group,
}
