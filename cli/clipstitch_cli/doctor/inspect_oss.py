"""Inspects OSS: its time, and a bucket's region and versioning. Distinguishes a wrong key from a wrong region."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen  # noqa: TID251 - a request without a signature, for the Date of the response

from clipstitch.adapters.oss import OssBuckets, describe_error
from clipstitch.adapters.oss2_import import oss2
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import AccessKeyRejected, BucketFacts, RegionMismatch

TIMEOUT_S = 20
_KEY_ERRORS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken", "SecurityTokenExpired"})


def date_of(endpoint: str) -> datetime:
    """Return the Date of the answer to an unsigned request, which does not depend on this machine's clock.

    Raises CloudBusy if there is no answer, CloudRefused if it has no Date.
    """
    try:
        with urlopen(endpoint if "://" in endpoint else f"https://{endpoint}", timeout=TIMEOUT_S) as answer:  # noqa: S310 - the operator's endpoint
            date = answer.headers["Date"]
    except HTTPError as error:
        date = error.headers["Date"]
    except (OSError, ValueError, HTTPException) as error:
        raise CloudBusy(f"reading the time from {endpoint}: {error}") from error
    if not date:
        raise CloudRefused(f"{endpoint} sends no Date, so it is not OSS")
    return parsedate_to_datetime(date)


def bucket(name: str, settings: Settings, key: AccessKey) -> BucketFacts | None:
    """Call GetBucketInfo, which every endpoint answers, or names the right one ("GetBucketInfo", 2021)."""
    try:
        info = OssBuckets(settings.oss_endpoint, settings.oss_region, key)(name).get_bucket_info()
    except oss2.exceptions.OssError as error:
        if error.code == "NoSuchBucket":
            return None
        raise bucket_error(error, name, settings) from error
    return BucketFacts(name, str(info.location).removeprefix("oss-"), info.versioning_status or "")


def list_one(name: str, settings: Settings, key: AccessKey) -> None:
    """Call ListObjectsV2 with max-keys 1, below the prefix of facts, which every deployment may list."""
    try:
        bucket = OssBuckets(settings.oss_endpoint, settings.oss_region, key)(name)
        bucket.list_objects_v2(prefix=settings.state_prefix, max_keys=1)
    except oss2.exceptions.OssError as error:
        text = f"listing bucket {name}: {describe_error(error)}"
        raise classify(error.status, error.code or "", error.message or "")(text) from error


def bucket_error(error: Any, name: str, settings: Settings) -> ClipstitchError:
    """Return what an SDK error means; the answer to a request for a bucket in another region names the region.

    OSS, "403 error", 2026: "must be addressed using the specified endpoint", with an Endpoint; "0002-00000226" has
    RegionExpected.
    """
    if expected := error.details.get("RegionExpected"):
        message = f"OSS_ENDPOINT {settings.oss_endpoint} is in {expected}, but OSS_REGION says {settings.oss_region}"
        return RegionMismatch(message, expected)
    if region := region_in(error.details.get("Endpoint", "")):
        message = f"bucket {name} is in {region}, but OSS_REGION says {settings.oss_region}"
        return RegionMismatch(message, region)
    if error.code in _KEY_ERRORS:
        return AccessKeyRejected(f"{error.code}: {error.message}")
    text = f"reading bucket {name}: {describe_error(error)}"
    return classify(error.status, error.code or "", error.message or "")(text)


def region_in(endpoint: str) -> str:
    """Return the region that an OSS endpoint names; "" if it names none.

    >>> region_in("https://oss-cn-beijing-internal.aliyuncs.com"), region_in("127.0.0.1")
    ('cn-beijing', '')
    """
    host = endpoint.partition("://")[2] or endpoint
    name = next((part for part in host.split(".") if part.startswith("oss-")), "")
    return name.removeprefix("oss-").removesuffix("-internal")
