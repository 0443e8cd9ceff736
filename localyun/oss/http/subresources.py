"""The OSS query parameters: which select an action, which each action takes, and which V1 signs. Constants only.

Collected from the vendor's SDKs for Python (2.19.1, 2.0), Go (3.0.2, 2.0), Java and JavaScript, read 2026-11.
"""

from typing import NamedTuple


class Selection(NamedTuple):
    """What selects an action: the verb, the level ("service", "bucket" or "object") and the sub-resource, or ""."""

    method: str
    level: str
    subresource: str


# fmt: off
# Each selects its own action, whether the local cloud has that action or not.
SELECTING = frozenset({
    "MetaQuery", "accessPoint", "accessPointConfigForObjectProcess", "accessPointForObjectProcess",
    "accessPointPolicy", "accessPointPolicyForObjectProcess", "accessmonitor", "acl", "append", "asyncFetch",
    "bucketArchiveDirectRead", "bucketInfo", "callback-policy", "cleanRestoredObject", "cloudboxes", "cname",
    "cors", "dataAccelerator", "dataPipeline", "delete", "encryption", "httpsConfig", "img", "inventory",
    "legalHold", "lifecycle", "live", "location", "logging", "metaQuery", "metadataConfiguration", "objectInfo",
    "objectMeta", "objectWorm", "overwriteConfig", "policy", "policyStatus", "policyToken", "processConfiguration",
    "publicAccessBlock", "qos", "qosInfo", "qosRequester", "quota", "redundancyTransition", "referer", "regionList",
    "regions", "replication", "replicationLocation", "replicationProgress", "requestPayment", "requesterQosInfo",
    "resourceGroup", "resourcePool", "resourcePoolBucketGroup", "resourcePoolBucketGroups", "resourcePoolBuckets",
    "resourcePoolInfo", "responseHeader", "restore", "retention", "rtc", "seal", "stat", "style", "symlink",
    "tagging", "transferAcceleration", "udf", "udfApplication", "udfApplicationLog", "udfImage", "udfImageDesc",
    "uploadId", "uploads", "userDefinedLogFieldsConfig", "versioning", "versions", "vod", "website", "worm",
    "wormId", "x-oss-async-process", "x-oss-delete", "x-oss-dir", "x-oss-process", "x-oss-rename",
    "x-oss-write-get-object-response",
})

# These are sub-resources as well, but clients of V1 do not sign them.
_V4_ONLY = frozenset({
    "accessPointConfigForObjectProcess", "accessPointForObjectProcess", "accessPointPolicyForObjectProcess",
    "accessmonitor", "callback-policy", "dataAccelerator", "metadataConfiguration", "policyToken",
    "processConfiguration", "regions", "resourcePoolBucketGroup", "resourcePoolBucketGroups", "x-oss-delete",
    "x-oss-dir", "x-oss-rename",
})

# Parameters that modify an action and are signed by V1.
_MODIFIERS = frozenset({
    "callback", "callback-var", "comp", "continuation-token", "endTime", "group", "inventoryId", "link",
    "partNumber", "position", "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "security-token", "sequential",
    "startTime", "status", "styleName", "udfId", "udfName", "versionId", "withHashContext", "wormExtend",
    "x-oss-ac-forward-allow", "x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id",
    "x-oss-access-point-name", "x-oss-enable-md5", "x-oss-enable-sha1", "x-oss-enable-sha256", "x-oss-hash-ctx",
    "x-oss-md5-ctx", "x-oss-redundancy-transition-taskid", "x-oss-request-payer", "x-oss-target-redundancy-type",
    "x-oss-traffic-limit",
})

# Every action takes these: those of signed URLs, request payers, access checks and response headers.
_COMMON = frozenset({
    "Expires", "OSSAccessKeyId", "Signature", "callback", "callback-var", "encoding-type", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "security-token", "x-oss-ac-forward-allow", "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id", "x-oss-access-key-id", "x-oss-additional-headers",
    "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-request-payer", "x-oss-security-token",
    "x-oss-signature", "x-oss-signature-version", "x-oss-traffic-limit",
})
# fmt: on

SIGNED = (SELECTING - _V4_ONLY) | _MODIFIERS


def unknown_parameters(selection: Selection, names: set[str]) -> set[str]:
    """Return the parameters that an action cannot have; only verbs that change something refuse any.

    A plain action takes those in common; beside its sub-resource, an action takes any that is not a sub-resource.
    """
    if selection.method not in {"PUT", "POST", "DELETE"}:
        return set()
    if selection.subresource:
        return (names & SELECTING) - {selection.subresource}
    version = {"versionId"} if selection[:2] == ("DELETE", "object") else set()
    return names - _COMMON - version
