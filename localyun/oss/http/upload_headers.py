"""The headers of an upload that are stored with the object, their values, and the defaults of its bucket."""

from collections.abc import Mapping
from datetime import datetime

from localyun.errors import ServiceError
from localyun.oss.configurations import BucketConfigurations
from localyun.oss.http.xml import document, element, leaves, parse
from localyun.oss.object_worm import HEADERS as WORM_HEADERS
from localyun.oss.object_worm import HOLD, HOLDS, MODE, OBJECT_WORM, UNTIL, check_retention, default_retention
from localyun.oss.tags import parse_tags
from localyun.oss.values import invalid_argument

STORED_HEADERS = frozenset(("cache-control", "content-disposition", "content-encoding", "content-language", "expires"))
OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
STORAGE_CLASS, STANDARD = "x-oss-storage-class", "Standard"
# Encryption is kept and shown; contents are stored as they are.
ENCRYPTION, KMS_KEY = "x-oss-server-side-encryption", "x-oss-server-side-encryption-key-id"
DEFAULT_KMS_KEY = "00000000-0000-0000-0000-000000000000"  # KMS itself is not served
DATA_ENCRYPTION = "x-oss-server-side-data-encryption"
ENCRYPTION_HEADERS = (ENCRYPTION, DATA_ENCRYPTION, KMS_KEY)
# What an upload may set besides; a response shows it in other headers or not at all.
OSS_HEADERS = frozenset(("x-oss-tagging", "x-oss-object-acl", STORAGE_CLASS))
# OSS API reference, PutObject, read 2026-11.
HEADER_VALUES = {
    "x-oss-object-acl": OBJECT_ACLS,
    STORAGE_CLASS: (STANDARD, "IA", "Archive", "ColdArchive", "DeepColdArchive"),
    ENCRYPTION: ("AES256", "KMS", "SM4"),
}
# The configurations of a bucket with the defaults: the body of PutBucket, and its encryption.
BUCKET_CLASS, BUCKET_ENCRYPTION = "CreateBucketConfiguration", "encryption"
RULE = "ApplyServerSideEncryptionByDefault"
RULE_TAGS = dict(zip(ENCRYPTION_HEADERS, ("SSEAlgorithm", "KMSDataEncryption", "KMSMasterKeyID"), strict=True))


def stored_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers or form fields of an upload that are stored. Raises ServiceError for an invalid one."""
    parse_tags(given.get("x-oss-tagging", ""))
    for name in HEADER_VALUES:
        if name in given:
            check_value(name, given[name])
    stored = {name: value for name, value in given.items() if _is_stored(name)}
    if given.get(ENCRYPTION) != "KMS":  # ignored (vendor's tests, Python 2.19.1)
        stored.pop(DATA_ENCRYPTION, None)
    return stored


def check_value(name: str, value: str) -> None:
    """Raise ServiceError if a header of an upload has a value that it cannot have."""
    values = HEADER_VALUES[name]
    if value in values:
        return
    if name == ENCRYPTION:
        text = f"The Encryption request you specified is not valid. Supported value: {'/'.join(values)}."
        raise ServiceError(400, "InvalidEncryptionAlgorithmError", text, ec="0005-00000003")
    raise invalid_argument(name, value, f"The {name} must be one of {', '.join(values)}, not {value!r}.")


def default_headers(configurations: BucketConfigurations, bucket: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that an upload has unless it names them: the class and the encryption of its bucket."""
    kind = bucket_class(configurations, bucket)
    headers = {} if kind == STANDARD else {STORAGE_CLASS: kind}
    rule = configurations.get(bucket, BUCKET_ENCRYPTION)
    if rule and ENCRYPTION not in given:
        root = parse(rule, "ServerSideEncryptionRule")
        texts = ((header, root.findtext(f"{RULE}/{tag}")) for header, tag in RULE_TAGS.items())
        headers |= {header: text for header, text in texts if text}
    is_kms = "KMS" in {given.get(ENCRYPTION), headers.get(ENCRYPTION)}
    return {KMS_KEY: DEFAULT_KMS_KEY, **headers} if is_kms else headers


def retention_headers(
    configurations: BucketConfigurations, bucket: str, given: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Return the retention and the hold of an upload, or the default retention of its bucket. Raises ServiceError."""
    own = {name: given[name] for name in WORM_HEADERS if name in given}
    body = configurations.get(bucket, OBJECT_WORM)
    if own and not body:
        raise ServiceError(400, "InvalidRequest", "The bucket has no ObjectWorm: put its configuration first.")
    if own.get(HOLD, "OFF") not in HOLDS:
        raise invalid_argument(HOLD, own[HOLD], f"The {HOLD} must be one of {', '.join(HOLDS)}.")
    if MODE in own or UNTIL in own:
        check_retention({}, own.get(MODE, ""), own.get(UNTIL, ""), now, bypass=False)
    elif body and (rule := parse(body, "").find("Rule/DefaultRetention")) is not None:
        days = int(rule.findtext("Days") or 0) or int(rule.findtext("Years") or 0) * 365
        return own | default_retention(rule.findtext("Mode") or "", days, now)
    return own


def bucket_class(configurations: BucketConfigurations, bucket: str) -> str:
    """Return the storage class of a bucket."""
    body = configurations.get(bucket, BUCKET_CLASS)
    return (parse(body, BUCKET_CLASS).findtext("StorageClass") if body else None) or STANDARD


def encryption_document(headers: Mapping[str, str]) -> bytes:
    """Return the configuration of the encryption that headers name, or nothing."""
    texts = {tag: headers.get(header) for header, tag in RULE_TAGS.items()}
    rule = document("ServerSideEncryptionRule", element(RULE, leaves(**texts)))
    return rule if ENCRYPTION in headers else b""


def _is_stored(name: str) -> bool:
    return name.startswith("x-oss-meta-") or name in STORED_HEADERS | OSS_HEADERS | set(ENCRYPTION_HEADERS)
