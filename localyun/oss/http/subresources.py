"""The OSS query parameters that are sub-resources: signed, or selecting an action. Constants only."""

# Both sets are signed by V1, as in the vendor's Python SDK 2.19.1, read 2026-11.
# fmt: off
_SELECTORS = frozenset({
    "accessPoint", "accessPointPolicy", "acl", "append", "asyncFetch", "bucketArchiveDirectRead", "bucketInfo", "cname",
    "cors", "delete", "encryption", "httpsConfig", "inventory", "lifecycle", "live", "location", "logging", "metaQuery",
    "objectInfo", "objectMeta", "policy", "publicAccessBlock", "qos", "qosInfo", "qosRequester", "redundancyTransition",
    "referer", "regionList", "replication", "replicationLocation", "replicationProgress", "requestPayment",
    "requesterQosInfo", "resourceGroup", "resourcePool", "resourcePoolBuckets", "resourcePoolInfo", "restore", "stat",
    "style", "symlink", "tagging", "transferAcceleration", "uploadId", "uploads", "versioning", "versions", "website",
    "worm", "wormExtend", "x-oss-async-process", "x-oss-process",
})

# These only modify an action; each of the other signed ones selects its own action.
_MODIFIERS = frozenset({
    "callback", "callback-var", "comp", "continuation-token", "endTime", "group", "inventoryId", "link", "partNumber",
    "position", "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "security-token", "sequential",
    "startTime", "status", "styleName", "versionId", "vod", "wormId", "x-oss-ac-forward-allow", "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id", "x-oss-access-point-name", "x-oss-redundancy-transition-taskid",
    "x-oss-request-payer", "x-oss-target-redundancy-type", "x-oss-traffic-limit", "x-oss-write-get-object-response",
})
# fmt: on

# These select an action too, and are signed only by V4, as in the vendor's Python SDK 2 1.4.1, read 2026-11.
_V4_ONLY = frozenset({"objectWorm", "overwriteConfig", "userDefinedLogFieldsConfig", "metadataConfiguration"})

SIGNED = _SELECTORS | _MODIFIERS
SELECTING = _SELECTORS | _V4_ONLY
