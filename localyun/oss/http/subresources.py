"""The names in an OSS query that are more than parameters. Lists, no behaviour; signing and routing read them."""

# Signed by V1. As in the vendor's Python SDK 2.19.1, read 2026-11.
# fmt: off
SIGNED = frozenset({
    "accessPoint", "accessPointPolicy", "acl", "append", "asyncFetch", "bucketArchiveDirectRead", "bucketInfo",
    "callback", "callback-var", "cname", "comp", "continuation-token", "cors", "delete", "encryption",
    "endTime", "group", "httpsConfig", "inventory", "inventoryId", "lifecycle", "link", "live", "location",
    "logging", "metaQuery", "objectInfo", "objectMeta", "partNumber", "policy", "position", "publicAccessBlock",
    "qos", "qosInfo", "qosRequester", "redundancyTransition", "referer", "regionList", "replication",
    "replicationLocation", "replicationProgress", "requestPayment", "requesterQosInfo", "resourceGroup",
    "resourcePool", "resourcePoolBuckets", "resourcePoolInfo", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "security-token", "sequential", "startTime", "stat",
    "status", "style", "styleName", "symlink", "tagging", "transferAcceleration", "uploadId", "uploads",
    "versionId", "versioning", "versions", "vod", "website", "worm", "wormExtend", "wormId",
    "x-oss-ac-forward-allow", "x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id",
    "x-oss-access-point-name", "x-oss-async-process", "x-oss-process", "x-oss-redundancy-transition-taskid",
    "x-oss-request-payer", "x-oss-target-redundancy-type", "x-oss-traffic-limit",
    "x-oss-write-get-object-response",
})

# Of those, the ones that only adjust an action; each of the others selects an action of its own.
_ADJUSTING = frozenset({
    "callback", "callback-var", "comp", "continuation-token", "endTime", "group", "inventoryId", "link",
    "partNumber", "position", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
    "security-token", "sequential", "startTime", "status", "styleName", "versionId", "vod", "wormId",
    "x-oss-ac-forward-allow", "x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id",
    "x-oss-access-point-name", "x-oss-redundancy-transition-taskid", "x-oss-request-payer",
    "x-oss-target-redundancy-type", "x-oss-traffic-limit", "x-oss-write-get-object-response",
})
# fmt: on

# What else selects an action, and is signed only by V4. As in the vendor's Python SDK 2 1.4.1, read 2026-11.
_NEWER = frozenset({"objectWorm", "overwriteConfig", "userDefinedLogFieldsConfig", "metadataConfiguration"})

SELECTING = SIGNED - _ADJUSTING | _NEWER
