"""The OSS actions on buckets: list, create, delete, info, location, ACL, versioning. One function per action."""

import re
from dataclasses import replace
from functools import partial

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.configuration_checks import DEFAULT_RESOURCE_GROUP
from localyun.oss.http.configurations import bucket_tags, found_text
from localyun.oss.http.request import OssRequest
from localyun.oss.http.upload_headers import (
    BUCKET_CLASS,
    HEADER_VALUES,
    RULE,
    STORAGE_CLASS,
    bucket_class,
    check_value,
    encryption_document,
    stored_headers,
)
from localyun.oss.http.xml import element, iso, leaf, leaves, malformed, owner, parse, xml_response
from localyun.oss.object_worm import OBJECT_WORM
from localyun.oss.service import OssBucket
from localyun.oss.values import invalid_argument

BUCKET_PREFIX = re.compile("[a-z0-9-]{0,63}")
REDUNDANCIES = ("LRS", "ZRS")
STAT_NAMES = {name: name for name in HEADER_VALUES[STORAGE_CLASS]} | {"IA": "InfrequentAccess"}
STAT_FIELDS = ("Storage", "RealStorage", "ObjectCount")
BUCKET_ACLS = ("", "private", "public-read", "public-read-write")


def list_buckets(request: OssRequest) -> HttpResponse:
    """Answer ListBuckets (GetService)."""
    prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
    limit = request.number("max-keys", 100, 1000, least=1)
    group = request.headers.get("x-oss-resource-group-id")
    if not BUCKET_PREFIX.fullmatch(prefix):
        raise invalid_argument("prefix", prefix, "The prefix must be the beginning of a bucket's name.")
    found = [
        bucket
        for bucket in request.objects.buckets()
        if bucket.name.startswith(prefix)
        and bucket.name > marker
        and group in (None, "", _resource_group(request, bucket.name))
        and _has_wanted_tags(request, bucket.name)
    ]
    truncated = len(found) > limit
    next_marker = found[limit - 1].name if truncated else ""
    paging = leaves(Prefix=prefix, Marker=marker, MaxKeys=limit, IsTruncated=truncated, NextMarker=next_marker)
    entries = [element("Bucket", _properties(request, bucket)) for bucket in found[:limit]]
    return xml_response("ListAllMyBucketsResult", paging, owner(), element("Buckets", *entries))


def put_bucket(request: OssRequest) -> HttpResponse:
    """Answer PutBucket; the same owner may repeat it."""
    acl, configuration = _acl(request, ""), _bucket_configuration(request)
    encryption = encryption_document(stored_headers(request.headers))
    is_new = not request.objects.has_bucket(request.bucket)
    request.objects.create_bucket(
        request.bucket, region="" if request.region == request.context.region else request.region
    )
    request.objects.set_bucket(request.bucket, acl=acl)
    if is_new and configuration:
        request.objects.configurations.put(request.bucket, BUCKET_CLASS, configuration)
    if is_new and encryption:
        request.objects.configurations.put(request.bucket, "encryption", encryption)
    return HttpResponse(200, b"", {"Location": f"/{request.bucket}"})


def delete_bucket(request: OssRequest) -> HttpResponse:
    """Answer DeleteBucket; the bucket must be empty."""
    request.objects.delete_bucket(request.bucket)
    return HttpResponse(204)


def get_bucket_info(request: OssRequest) -> HttpResponse:
    """Answer GetBucketInfo, of buckets in any region ("GetBucketInfo", AlibabaCloudDocs/oss, 2021)."""
    bucket = request.objects.bucket(request.bucket)
    acl = element("AccessControlList", leaf("Grant", bucket.acl))
    found = partial(found_text, request)
    algorithm = found("encryption", f"{RULE}/SSEAlgorithm") or "None"
    accelerated = found("transferAcceleration", "Enabled") == "true"
    state = leaves(
        DataRedundancyType=found(BUCKET_CLASS, "DataRedundancyType") or "LRS",
        Versioning=bucket.versioning or None,
        AccessMonitor=found("accessmonitor", "Status") or "Disabled",
        BlockPublicAccess=found("publicAccessBlock", "BlockPublicAccess") or "false",
        Comment="",
        CrossRegionReplication="Disabled",
        TransferAcceleration="Enabled" if accelerated else "Disabled",
    )
    keys = {name: found("encryption", f"{RULE}/{name}") or None for name in ("KMSMasterKeyID", "KMSDataEncryption")}
    rules = element("ServerSideEncryptionRule", leaves(SSEAlgorithm=algorithm, **keys)) + element("BucketPolicy")
    return xml_response("BucketInfo", element("Bucket", _properties(request, bucket), owner(), acl, state, rules))


def get_bucket_stat(request: OssRequest) -> HttpResponse:
    """Answer GetBucketStat: what the bucket has at this moment; OSS itself counts once an hour."""
    stat = request.objects.stat(request.bucket)
    storage = {f"{name}{what}": 0 for name in STAT_NAMES.values() for what in STAT_FIELDS}
    for usage in stat.classes:
        name = STAT_NAMES.get(usage.storage_class, "Standard")
        storage |= {f"{name}Storage": usage.billed_bytes, f"{name}RealStorage": usage.size}
        storage |= {f"{name}ObjectCount": usage.count}
    del storage["StandardRealStorage"]
    document = leaves(
        Storage=sum(usage.size for usage in stat.classes),
        ObjectCount=sum(usage.count for usage in stat.classes),
        MultipartUploadCount=stat.uploads,
        MultipartPartCount=stat.parts,
        LiveChannelCount=0,
        LastModifiedTime=int(request.context.clock.now().timestamp()),  # when it was counted
        DeleteMarkerCount=stat.delete_markers,
        **storage,
    )
    return xml_response("BucketStat", document)


def get_bucket_location(request: OssRequest) -> HttpResponse:
    """Answer GetBucketLocation."""
    region = request.objects.bucket(request.bucket).region or request.context.region
    return xml_response("LocationConstraint", f"oss-{region}")


def get_bucket_acl(request: OssRequest) -> HttpResponse:
    """Answer GetBucketAcl."""
    acl = request.objects.bucket(request.bucket).acl
    return xml_response("AccessControlPolicy", owner(), element("AccessControlList", leaf("Grant", acl)))


def put_bucket_acl(request: OssRequest) -> HttpResponse:
    """Answer PutBucketAcl, whose value is in the header `x-oss-acl`; it creates no bucket."""
    request.objects.set_bucket(request.bucket, acl=_acl(request, "private"))
    return HttpResponse(200)


def list_live_channels(_request: OssRequest) -> HttpResponse:
    """Answer ListLiveChannel: there are none, as none can be created here; clients ask before they delete a bucket."""
    return xml_response("ListLiveChannelResult", leaves(Prefix="", Marker="", MaxKeys=100, IsTruncated=False))


def get_bucket_versioning(request: OssRequest) -> HttpResponse:
    """Answer GetBucketVersioning; a bucket that never had it has no Status."""
    status = request.objects.bucket(request.bucket).versioning
    return xml_response("VersioningConfiguration", leaves(Status=status or None))


def put_bucket_versioning(request: OssRequest) -> HttpResponse:
    """Answer PutBucketVersioning."""
    status = parse(request.http.read(), "VersioningConfiguration").findtext("Status")
    if status not in {"Enabled", "Suspended"}:
        raise malformed("VersioningConfiguration", f"its Status is {status!r}, not Enabled or Suspended")
    if status == "Suspended" and request.objects.configurations.get(request.bucket, OBJECT_WORM):
        raise ServiceError(409, "InvalidBucketState", "A bucket with ObjectWorm keeps its versioning.")
    request.objects.set_bucket(request.bucket, versioning=status)
    return HttpResponse(200)


def _properties(request: OssRequest, bucket: OssBucket) -> str:
    """Return the elements of a bucket; its endpoints are the one that received the request, if it is in its region."""
    region = bucket.region or request.context.region
    host = request.headers.get("host", "") if region == request.region else f"oss-{region}.aliyuncs.com"
    group = _resource_group(request, bucket.name)
    place = leaves(
        ResourceGroupId=group,
        Name=bucket.name,
        Location=f"oss-{region}",
        Region=region,
        CreationDate=iso(bucket.created),
    )
    return place + leaves(
        ExtranetEndpoint=host,
        IntranetEndpoint=host,
        StorageClass=bucket_class(request.objects.configurations, bucket.name),
    )


def _acl(request: OssRequest, default: str) -> str:
    return request.one_of("x-oss-acl", BUCKET_ACLS, default, "bucket ACL")


def _resource_group(request: OssRequest, bucket: str) -> str:
    return found_text(replace(request, bucket=bucket), "resourceGroup", "ResourceGroupId") or DEFAULT_RESOURCE_GROUP


def _has_wanted_tags(request: OssRequest, bucket: str) -> bool:
    """Return True if a bucket has the tags that a list requests: `tag-key`, also with `tag-value`, or `tagging`."""
    query = request.query
    wanted = dict(re.findall(r'"([^"]*)":"([^"]*)"', query.get("tagging", "")))
    if key := query.get("tag-key"):
        wanted[key] = query.get("tag-value", "")
    tags = dict(bucket_tags(request, bucket)) if wanted else {}
    return all(key in tags and value in {"", tags[key]} for key, value in wanted.items())


def _bucket_configuration(request: OssRequest) -> bytes:
    """Return the body of PutBucket, which names a storage class and a redundancy. Raises ServiceError."""
    body = request.http.read()
    if body:
        root = parse(body, "CreateBucketConfiguration")
        check_value("x-oss-storage-class", root.findtext("StorageClass") or "Standard")
        if (redundancy := root.findtext("DataRedundancyType") or "LRS") not in REDUNDANCIES:
            raise malformed(root.tag, f"its DataRedundancyType is {redundancy!r}")
    return body
