"""What a doctor asks OSS: the time, and where a bucket lies. Refusals are sorted by what they mean."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen  # noqa: TID251 - asks one URL, without credentials

from clipstitch.adapters.oss import OssBuckets, said
from clipstitch.adapters.oss2_import import oss2
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import Bucket, KeyRefused, OtherRegion

TIMEOUT_S = 20
_NO_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken", "SecurityTokenExpired"})


def date_of(endpoint: str) -> datetime:
    """Return the Date of an unsigned request's answer, which is a refusal: a clock that is wrong cannot spoil it."""
    try:
        with urlopen(endpoint if "://" in endpoint else f"https://{endpoint}", timeout=TIMEOUT_S) as answer:  # noqa: S310 - the operator's endpoint
            date = answer.headers["Date"]
    except HTTPError as error:
        date = error.headers["Date"]
    except (OSError, ValueError, HTTPException) as error:
        raise CloudBusy(f"asking {endpoint} for the time: {error}") from error
    if not date:
        raise CloudRefused(f"{endpoint} says no Date, so it is not OSS")
    return parsedate_to_datetime(date)


def look_at(name: str, settings: Settings, key: AccessKey) -> Bucket | None:
    """Call GetBucketInfo; any endpoint answers it ("GetBucketInfo", 2021), or else names the right one."""
    try:
        info = OssBuckets(settings.oss_endpoint, settings.oss_region, key)(name).get_bucket_info()
    except oss2.exceptions.OssError as error:
        if error.code == "NoSuchBucket":
            return None
        raise trouble(error, name, settings) from error
    return Bucket(name, str(info.location).removeprefix("oss-"), info.versioning_status or "")


def trouble(error: Any, name: str, settings: Settings) -> ClipstitchError:
    """Say what a refusal means; a request for another region's bucket is answered with the right endpoint.

    OSS, "403 error", 2026: "must be addressed using the specified endpoint", with an Endpoint; "0002-00000226" has
    RegionExpected.
    """
    text = f"looking at bucket {name}: {said(error)}"
    if expected := error.details.get("RegionExpected"):
        line = f"OSS_ENDPOINT {settings.oss_endpoint} is in {expected}, but OSS_REGION says {settings.oss_region}"
        return OtherRegion(line, expected)
    if region := region_in(error.details.get("Endpoint", "")):
        line = f"bucket {name} lies in {region}, but OSS_REGION says {settings.oss_region}"
        return OtherRegion(line, region)
    if error.code in _NO_KEY:
        return KeyRefused(f"{error.code}: {error.message}")
    return classify(error.status, error.code or "", error.message or "")(text)


def region_in(endpoint: str) -> str:
    """Return the region that an endpoint of OSS names.

    >>> region_in("https://oss-cn-beijing-internal.aliyuncs.com"), region_in("127.0.0.1")
    ('cn-beijing', '')
    """
    label = endpoint.partition("://")[2] or endpoint
    name = next((part for part in label.split(".") if part.startswith("oss-")), "")
    return name.removeprefix("oss-").removesuffix("-internal")
