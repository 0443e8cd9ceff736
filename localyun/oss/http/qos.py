"""The OSS actions on bandwidths and request rates: of the account and of a bucket. None is enforced.

The limits of an account are an example of the vendor's page GetUserQoSInfo; the checks are those of the vendor's tests
(Python 2.19.1), read 2026-12.
"""

from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import document, leaf, leaves, parse, xml_response
from localyun.oss.values import invalid_argument

INFO, ROOT = "qosInfo", "QoSConfiguration"
TOTALS = {"UploadBandwidth": 10, "DownloadBandwidth": 10, "Qps": -1}  # Gbit/s, and any number of requests
SCOPES = ("Total", "Intranet", "Extranet")
UNLIMITED = -1


def get_account_info(request: OssRequest) -> HttpResponse:
    """Answer GetUserQoSInfo."""
    limits = {f"{scope}{what}": limit for what, limit in TOTALS.items() for scope in SCOPES}
    return xml_response(ROOT, leaf("Region", f"oss-{request.region}"), leaves(**limits))


def put_bucket_info(request: OssRequest) -> HttpResponse:
    """Answer PutBucketQoSInfo. Raises InvalidArgument."""
    request.objects.configurations.put(request.bucket, INFO, _checked(request))
    return HttpResponse(200)


def get_bucket_info(request: OssRequest) -> HttpResponse:
    """Answer GetBucketQoSInfo. Raises NoSuchBucketQosInfo."""
    if body := request.objects.configurations.get(request.bucket, INFO):
        return HttpResponse(200, body, {"Content-Type": "application/xml"})
    raise ServiceError(404, "NoSuchBucketQosInfo", "The bucket has no QoS.", BucketName=request.bucket)


def delete_bucket_info(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucketQoSInfo."""
    request.objects.configurations.delete(request.bucket, INFO)
    return HttpResponse(204)


def _checked(request: OssRequest) -> bytes:
    """Return a complete document. Raises InvalidArgument for a limit above that of the bucket, or of the account."""
    root = parse(request.http.read(), ROOT)
    limits = dict[str, int]()
    for what, most in TOTALS.items():
        for scope in SCOPES:
            name = f"{scope}{what}"
            limits[name] = _limit(root, name, limits.get(f"Total{what}", UNLIMITED), most)
    return document(ROOT, leaves(**limits))


def _limit(root: ET.Element, name: str, *bounds: int) -> int:
    text = root.findtext(name) or str(UNLIMITED)
    digits = text.removeprefix("-")
    limit = int(text) if digits.isascii() and digits.isdecimal() else UNLIMITED - 1
    if limit < UNLIMITED or any(bound != UNLIMITED and limit > bound for bound in bounds):
        raise invalid_argument(name, text, f"The {name} must be {UNLIMITED}, or not more than the limits above it.")
    return limit
