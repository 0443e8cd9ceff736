"""The OSS actions on buckets: list, create, delete, info, location, ACL, versioning. One function per action."""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import Request
from localyun.oss.http.xml import element, iso, leaf, malformed, owner, parse, xml_reply
from localyun.oss.service import Bucket

BUCKET_ACLS = ("private", "public-read", "public-read-write")


def list_buckets(request: Request) -> HttpResponse:
    """Answer ListBuckets (GetService)."""
    query = request.query
    limit = request.number("max-keys", 100, 1000, least=1)
    names = [
        bucket
        for bucket in request.objects.buckets()
        if bucket.name.startswith(query.get("prefix", "")) and bucket.name > query.get("marker", "")
    ]
    more = len(names) > limit
    paging = (
        leaf("Prefix", query.get("prefix", "")),
        leaf("Marker", query.get("marker", "")),
        leaf("MaxKeys", limit),
        leaf("IsTruncated", more),
        leaf("NextMarker", names[limit - 1].name if more else ""),
    )
    found = [element("Bucket", *_about(request, bucket)) for bucket in names[:limit]]
    return xml_reply("ListAllMyBucketsResult", *paging, owner(), element("Buckets", *found))


def put_bucket(request: Request) -> HttpResponse:
    """Answer PutBucket; the same owner may repeat it."""
    acl = _acl(request, "")
    request.objects.create_bucket(request.bucket)
    if acl:
        request.objects.set_bucket(request.bucket, acl=acl)
    return HttpResponse(200, b"", {"Location": f"/{request.bucket}"})


def delete_bucket(request: Request) -> HttpResponse:
    """Answer DeleteBucket; it must be empty."""
    request.objects.delete_bucket(request.bucket)
    return HttpResponse(204)


def get_bucket_info(request: Request) -> HttpResponse:
    """Answer GetBucketInfo; a bucket of any region may be asked for ("GetBucketInfo", AlibabaCloudDocs/oss, 2021)."""
    bucket = request.objects.bucket(request.bucket)
    about = (
        *_about(request, bucket),
        owner(),
        element("AccessControlList", leaf("Grant", bucket.acl)),
        leaf("DataRedundancyType", "LRS"),
        leaf("Versioning", bucket.versioning) if bucket.versioning else "",
    )
    return xml_reply("BucketInfo", element("Bucket", *about))


def get_bucket_location(request: Request) -> HttpResponse:
    """Answer GetBucketLocation."""
    region = request.objects.bucket(request.bucket).region or request.services.region
    return xml_reply("LocationConstraint", f"oss-{region}")


def get_bucket_acl(request: Request) -> HttpResponse:
    """Answer GetBucketAcl."""
    acl = request.objects.bucket(request.bucket).acl
    return xml_reply("AccessControlPolicy", owner(), element("AccessControlList", leaf("Grant", acl)))


def put_bucket_acl(request: Request) -> HttpResponse:
    """Answer PutBucketAcl, which the header `x-oss-acl` spells; it creates no bucket."""
    request.objects.set_bucket(request.bucket, acl=_acl(request, "private"))
    return HttpResponse(200)


def get_bucket_versioning(request: Request) -> HttpResponse:
    """Answer GetBucketVersioning; a bucket that never had it has no Status."""
    status = request.objects.bucket(request.bucket).versioning
    return xml_reply("VersioningConfiguration", leaf("Status", status) if status else "")


def put_bucket_versioning(request: Request) -> HttpResponse:
    """Answer PutBucketVersioning."""
    status = parse(request.call.read(), "VersioningConfiguration").findtext("Status")
    if status not in {"Enabled", "Suspended"}:
        raise malformed("VersioningConfiguration", f"its Status is {status!r}, not Enabled or Suspended")
    request.objects.set_bucket(request.bucket, versioning=status)
    return HttpResponse(200)


def _about(request: Request, bucket: Bucket) -> tuple[str, ...]:
    """Write what a bucket's entry in every answer has; the endpoint is the one that was called."""
    host = request.headers.get("host", "")
    region = bucket.region or request.services.region
    return (
        leaf("Name", bucket.name),
        leaf("Location", f"oss-{region}"),
        leaf("Region", region),
        leaf("CreationDate", iso(bucket.created)),
        leaf("ExtranetEndpoint", host),
        leaf("IntranetEndpoint", host),
        leaf("StorageClass", "Standard"),
    )


def _acl(request: Request, default: str) -> str:
    acl = request.headers.get("x-oss-acl", default)
    if acl and acl not in BUCKET_ACLS:
        text = f"The bucket ACL must be one of {', '.join(BUCKET_ACLS)}, not {acl!r}."
        raise ServiceError(400, "InvalidArgument", text, ArgumentName="x-oss-acl", ArgumentValue=acl)
    return acl
