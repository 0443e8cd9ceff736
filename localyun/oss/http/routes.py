"""The HTTP endpoint of OSS: authenticates, authorizes and routes requests, and formats errors."""

import base64
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from time import sleep
from typing import ClassVar

from localyun.errors import ServiceError
from localyun.http import FileRange, HttpRequest, HttpResponse
from localyun.oss.configurations import ACCOUNT
from localyun.oss.http import (
    buckets,
    cnames,
    configurations,
    cors,
    lifecycle,
    links,
    lists,
    metadata,
    multipart,
    object_worm,
    objects,
    policies,
    post_object,
    process,
    qos,
    redundancy,
    regions,
    replication,
    restore,
    styles,
    worm,
)
from localyun.oss.http.conditions import http_date
from localyun.oss.http.custom_domains import CustomDomains
from localyun.oss.http.request import OssContext, OssRequest, locate, not_implemented
from localyun.oss.http.signatures import SignedRequest, authenticate
from localyun.oss.http.subresources import SELECTING, Selection, unknown_parameters
from localyun.oss.http.xml import document, leaves
from localyun.oss.values import invalid_argument

OssRoute = tuple[str, Callable[[OssRequest], HttpResponse]]  # the action's name in RAM policies, and its function

# By verb, level, and the sub-resource that selects the action.
ROUTES: dict[tuple[str, str, str], OssRoute] = {
    ("GET", "service", ""): ("oss:ListBuckets", buckets.list_buckets),
    ("GET", "service", "tagging"): ("oss:ListBuckets", buckets.list_buckets),
    ("GET", "service", "regionList"): ("oss:ListBuckets", buckets.list_buckets),
    ("GET", "service", "regions"): ("oss:DescribeRegions", regions.describe_regions),
    ("GET", "bucket", "stat"): ("oss:GetBucketStat", buckets.get_bucket_stat),
    ("PUT", "bucket", ""): ("oss:PutBucket", buckets.put_bucket),
    ("DELETE", "bucket", ""): ("oss:DeleteBucket", buckets.delete_bucket),
    ("GET", "bucket", ""): ("oss:ListObjects", lists.list_objects),
    ("POST", "bucket", ""): ("oss:PutObject", post_object.post_object),
    ("POST", "bucket", "delete"): ("", lists.delete_objects),
    ("GET", "bucket", "bucketInfo"): ("oss:GetBucketInfo", buckets.get_bucket_info),
    ("GET", "bucket", "location"): ("oss:GetBucketLocation", buckets.get_bucket_location),
    ("GET", "bucket", "acl"): ("oss:GetBucketAcl", buckets.get_bucket_acl),
    ("PUT", "bucket", "acl"): ("oss:PutBucketAcl", buckets.put_bucket_acl),
    ("GET", "bucket", "versioning"): ("oss:GetBucketVersioning", buckets.get_bucket_versioning),
    ("PUT", "bucket", "versioning"): ("oss:PutBucketVersioning", buckets.put_bucket_versioning),
    **configurations.configuration_routes(),
    ("PUT", "bucket", "policy"): ("oss:PutBucketPolicy", policies.put_policy),
    ("GET", "bucket", "policy"): ("oss:GetBucketPolicy", policies.get_policy),
    ("GET", "bucket", "policyStatus"): ("oss:GetBucketPolicyStatus", policies.get_policy_status),
    ("DELETE", "bucket", "policy"): ("oss:DeleteBucketPolicy", policies.delete_policy),
    ("POST", "bucket", "cname"): ("", cnames.change_cname),
    ("GET", "bucket", "cname"): ("", cnames.get_cname),
    ("POST", "bucket", "worm"): ("oss:InitiateBucketWorm", worm.initiate_worm),
    ("GET", "bucket", "worm"): ("oss:GetBucketWorm", worm.get_worm),
    ("DELETE", "bucket", "worm"): ("oss:AbortBucketWorm", worm.abort_worm),
    ("POST", "bucket", "wormId"): ("", worm.change_worm),
    ("GET", "bucket", "live"): ("oss:ListLiveChannel", buckets.list_live_channels),
    ("GET", "bucket", "versions"): ("oss:ListObjectVersions", lists.list_object_versions),
    ("GET", "bucket", "lifecycle"): ("oss:GetBucketLifecycle", lifecycle.get_lifecycle),
    ("PUT", "bucket", "lifecycle"): ("oss:PutBucketLifecycle", lifecycle.put_lifecycle),
    ("DELETE", "bucket", "lifecycle"): ("oss:DeleteBucketLifecycle", lifecycle.delete_lifecycle),
    ("GET", "bucket", "uploads"): ("oss:ListMultipartUploads", multipart.list_uploads),
    ("GET", "object", ""): ("oss:GetObject", objects.get_object),
    ("HEAD", "object", ""): ("oss:GetObject", objects.head_object),
    ("HEAD", "object", "objectMeta"): ("oss:GetObject", objects.get_object_meta),
    ("PUT", "object", ""): ("oss:PutObject", objects.put_object),
    ("DELETE", "object", ""): ("oss:DeleteObject", objects.delete_object),
    ("POST", "object", "append"): ("oss:PutObject", objects.append_object),
    ("PUT", "bucket", "style"): ("oss:PutStyle", styles.put_style),
    ("GET", "bucket", "style"): ("oss:GetStyle", styles.get_style),
    ("DELETE", "bucket", "style"): ("oss:DeleteStyle", styles.delete_style),
    ("PUT", "bucket", "objectWorm"): ("oss:PutBucketObjectWormConfiguration", object_worm.put_configuration),
    ("GET", "bucket", "objectWorm"): ("oss:GetBucketObjectWormConfiguration", object_worm.get_configuration),
    ("PUT", "object", "retention"): ("oss:PutObjectRetention", object_worm.put_retention),
    ("GET", "object", "retention"): ("oss:GetObjectRetention", object_worm.get_retention),
    ("PUT", "object", "legalHold"): ("oss:PutObjectLegalHold", object_worm.put_hold),
    ("GET", "object", "legalHold"): ("oss:GetObjectLegalHold", object_worm.get_hold),
    ("POST", "bucket", "replication"): ("oss:PutBucketReplication", replication.change_rules),
    ("GET", "bucket", "replication"): ("oss:GetBucketReplication", replication.get_rules),
    ("GET", "bucket", "replicationLocation"): ("oss:GetBucketReplicationLocation", replication.get_locations),
    ("GET", "bucket", "replicationProgress"): ("oss:GetBucketReplicationProgress", replication.get_progress),
    ("PUT", "bucket", "rtc"): ("oss:PutBucketRTC", replication.put_time_control),
    ("GET", "service", "qosInfo"): ("oss:GetUserQosInfo", qos.get_account_info),
    ("PUT", "bucket", "qosInfo"): ("oss:PutBucketQosInfo", qos.put_bucket_info),
    ("GET", "bucket", "qosInfo"): ("oss:GetBucketQosInfo", qos.get_bucket_info),
    ("DELETE", "bucket", "qosInfo"): ("oss:DeleteBucketQosInfo", qos.delete_bucket_info),
    ("GET", "service", "redundancyTransition"): (
        "oss:ListUserDataRedundancyTransition",
        redundancy.list_transitions,
    ),
    ("POST", "bucket", "redundancyTransition"): (
        "oss:CreateBucketDataRedundancyTransition",
        redundancy.create_transition,
    ),
    ("GET", "bucket", "redundancyTransition"): ("oss:GetBucketDataRedundancyTransition", redundancy.get_transition),
    ("DELETE", "bucket", "redundancyTransition"): (
        "oss:DeleteBucketDataRedundancyTransition",
        redundancy.delete_transition,
    ),
    ("POST", "object", "seal"): ("", objects.seal_object),
    ("GET", "object", "acl"): ("oss:GetObjectAcl", metadata.get_object_acl),
    ("PUT", "object", "acl"): ("oss:PutObjectAcl", metadata.put_object_acl),
    ("GET", "object", "tagging"): ("oss:GetObjectTagging", metadata.get_object_tagging),
    ("PUT", "object", "tagging"): ("oss:PutObjectTagging", metadata.put_object_tagging),
    ("DELETE", "object", "tagging"): ("oss:DeleteObjectTagging", metadata.delete_object_tagging),
    ("GET", "object", "symlink"): ("oss:GetObject", links.get_symlink),
    # The vendor's SDK tests delete a link this way (Python, tests/test_object_versioning.py, read 2026-11).
    ("DELETE", "object", "symlink"): ("oss:DeleteObject", objects.delete_object),
    ("PUT", "object", "symlink"): ("oss:PutObject", links.put_symlink),
    ("POST", "object", "restore"): ("oss:RestoreObject", restore.restore_object),
    ("POST", "object", "cleanRestoredObject"): ("oss:CleanRestoredObject", restore.clean_restored_object),
    ("POST", "object", "uploads"): ("oss:PutObject", multipart.initiate_upload),
    ("PUT", "object", "uploadId"): ("oss:PutObject", multipart.upload_part),
    ("POST", "object", "uploadId"): ("oss:PutObject", multipart.complete_upload),
    ("DELETE", "object", "uploadId"): ("oss:AbortMultipartUpload", multipart.abort_upload),
    ("GET", "object", "uploadId"): ("oss:ListParts", multipart.list_parts),
    ("GET", "object", "x-oss-process"): ("oss:GetObject", process.process),
    ("POST", "object", "x-oss-process"): ("oss:GetObject", process.process_and_save),
    ("POST", "object", "x-oss-async-process"): ("oss:PostProcessTask", process.async_process),
}

# OSS API reference, PutObject, AppendObject, UploadPart and PostObject, read 2026-11.
MAX_UPLOAD_BYTES = 5 * 1024**3
# OSS user guide, "Single-connection bandwidth throttling", read 2026-11.
LEAST_TRAFFIC, MOST_TRAFFIC = 819_200, 838_860_800

# With the parameter versionId, an action needs another permission.
VERSION_ACTIONS = {
    "oss:GetObject": "oss:GetObjectVersion",
    "oss:DeleteObject": "oss:DeleteObjectVersion",
    "oss:GetObjectAcl": "oss:GetObjectVersionAcl",
    "oss:PutObjectAcl": "oss:PutObjectVersionAcl",
    "oss:GetObjectTagging": "oss:GetObjectVersionTagging",
    "oss:PutObjectTagging": "oss:PutObjectVersionTagging",
    "oss:RestoreObject": "oss:RestoreObjectVersion",
    "oss:DeleteObjectTagging": "oss:DeleteObjectVersionTagging",
}

ANY_REGION = ("oss:ListBuckets", "oss:PutBucket", "oss:GetBucketInfo", "oss:GetBucketLocation")
PUBLIC_ACCESS_BLOCK = ("publicAccessBlock", "BlockPublicAccess")
READ_ACTIONS = ("oss:GetObject", "oss:ListObjects")
WRITE_ACTIONS = ("oss:PutObject", "oss:DeleteObject")
PUBLIC_ACTIONS = {"public-read": READ_ACTIONS, "public-read-write": READ_ACTIONS + WRITE_ACTIONS}


@dataclass(eq=False)
class OssEndpoint(OssContext):
    """OSS over HTTP, for one region and one keyring. With `domains`, a public endpoint that forbids data calls."""

    _: KW_ONLY
    domains: CustomDomains | None = None
    internal_error: ClassVar = ServiceError(500, "InternalError", "See the log of the local cloud.")

    def complete(self, response: HttpResponse, request_id: str, seconds: float) -> HttpResponse:
        """Add the request id and the times."""
        headers = {
            "Server": "AliyunOSS",
            "Date": http_date(self.clock.now()),
            "x-oss-request-id": request_id,
            "x-oss-server-time": str(int(seconds * 1000)),
            **response.headers,
        }
        return replace(response, headers={name: _latin(value) for name, value in headers.items()})

    def leaves_body(self, call: HttpRequest) -> bool:
        """Return True for a read, whose body has no meaning, and for an upload that is too large."""
        size = _declared_size(call)
        return size > MAX_UPLOAD_BYTES or (call.method in {"GET", "HEAD"} and size > 0)

    def dispatch(self, http: HttpRequest, request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action."""
        _check_size(http)
        bucket, key = self.domains.locate(http) if self.domains else locate(http)
        request = OssRequest(http, bucket, key, request_id, self)
        if http.method == "OPTIONS" and bucket:
            return cors.preflight(request)
        self.expiry.apply_if_due()
        action, answer = _route(request)
        if self.domains:
            self.domains.check(http, action, key)
        if answer is post_object.post_object:
            return answer(replace(request, credential=post_object.authenticate_form(request)))
        request = _authorize(request, action)
        _check_region(request, action)
        return cors.with_cors(request, _limited(request, answer))

    def error_response(self, http: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return an error document, in the header `x-oss-err` if the response has no body."""
        headers = {name: value for name, value in error.details.items() if "-" in name or name == "ETag"}
        if error.status == 304:
            return HttpResponse(304, b"", headers)
        body = _error_document(http, request_id, error)
        headers |= {"x-oss-ec": error.ec} if error.ec else {}
        if http.method == "HEAD":
            headers["x-oss-err"] = base64.b64encode(body).decode()
            return HttpResponse(error.status, b"", headers)
        return HttpResponse(error.status, body, {"Content-Type": "application/xml", **headers})


def _limited(request: OssRequest, answer: Callable[[OssRequest], HttpResponse]) -> HttpResponse:
    """Return the response to a request, as late as its traffic limit in bits per second makes it."""
    name = "x-oss-traffic-limit"
    given = request.headers.get(name) or request.query.get(name)
    if not given:
        return answer(request)
    if not given.isascii() or not given.isdecimal() or not LEAST_TRAFFIC <= int(given) <= MOST_TRAFFIC:
        text = f"The {name} must be an integer from {LEAST_TRAFFIC} to {MOST_TRAFFIC}, in bits per second."
        raise invalid_argument(name, given, text)
    response = answer(request)
    body = response.body
    size = body.length if isinstance(body, FileRange) else len(body)
    delay = 8 * max(size, _declared_size(request.http)) / int(given)
    sleep(delay)
    return replace(response, headers={**response.headers, "x-oss-qos-delay-time": str(int(delay * 1000))})


def _declared_size(http: HttpRequest) -> int:
    length = http.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() else 0


def _check_size(http: HttpRequest) -> None:
    """Raise EntityTooLarge for a body that exceeds the limit of one request."""
    if (size := _declared_size(http)) > MAX_UPLOAD_BYTES:
        details = {"MaxSizeAllowed": str(MAX_UPLOAD_BYTES), "ProposedSize": str(size)}
        text = "Your proposed upload exceeds the maximum allowed size."
        raise ServiceError(400, "EntityTooLarge", text, **details)


def _authorize(request: OssRequest, action: str) -> OssRequest:
    """Return the request with its credential. An anonymous request may only perform public actions.

    Raises NoSuchBucket, or a ServiceError about the signature or the permission.
    """
    if request.bucket and action not in {"oss:PutBucket", "oss:PutBucketAcl"}:  # both create it in OSS
        request.objects.bucket(request.bucket)  # before the key is checked, as the vendor's SDK tests have it
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    signed = SignedRequest(request.http.method, resource, request.query, request.headers)
    context = request.context
    credential = authenticate(signed, context.keyring, context.clock.now(), request.region)
    if credential is None and not _is_public(request, action):
        text = "Anonymous access is forbidden for this operation: sign the request."
        raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")
    request = replace(request, credential=credential)
    if action:
        request.require(
            VERSION_ACTIONS.get(action, action) if request.version_id else action, request.bucket, request.key
        )
    return request


def _check_region(request: OssRequest, action: str) -> None:
    """Raise AccessDenied for a bucket of another region, with its endpoint; some actions work in any region.

    OSS, "403 error", 2026: AccessDenied, "must be addressed using the specified endpoint".
    """
    if action in ANY_REGION or not request.objects.has_bucket(request.bucket):
        return
    region = request.objects.bucket(request.bucket).region or request.context.region
    if region != request.region:
        text = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        )
        raise ServiceError(403, "AccessDenied", text, Bucket=request.bucket, Endpoint=f"oss-{region}.aliyuncs.com")


def _route(request: OssRequest) -> OssRoute:
    """Return the route of a request.

    That of a sub-resource or parameter that this local cloud does not know raises NotImplemented, as soon as the
    request is authenticated: the plain action, which may replace or delete, is never what the client meant. Raises
    MethodNotAllowed for any other unknown action.
    """
    level = "object" if request.key else "bucket" if request.bucket else "service"
    if "x-oss-callback" in request.headers or "callback" in request.query:
        raise not_implemented("upload callbacks")
    selectors = sorted(name for name in request.query if name in SELECTING)
    for selector in selectors or [""]:
        selection = Selection(request.http.method, level, selector)
        if found := ROUTES.get(selection):
            if unknown := unknown_parameters(selection, set(request.query)):
                return "", _missing(f"the query parameter {min(unknown)!r} with {selection.method} on {level} level")
            return found
    if selectors:
        return "", _missing(f"the sub-resource {selectors[0]!r} with {request.http.method} on {level} level")
    text = f"The specified method is not allowed against this resource: {request.http.method} on {level} level."
    if process.PARAMETER in request.headers:  # the vendor's pages call this parameter a header
        text += f" {process.PARAMETER} goes into the query, and {process.PARAMETER}=<process> into the body."
    raise ServiceError(405, "MethodNotAllowed", text, Method=request.http.method, ResourceType=level)


def _missing(what: str) -> Callable[[OssRequest], HttpResponse]:
    """Return the action that the local cloud lacks."""

    def answer(_request: OssRequest) -> HttpResponse:
        raise not_implemented(what)

    return answer


def _is_public(request: OssRequest, action: str) -> bool:
    """Return True if the ACL of the object, or else of its bucket, permits an action to everyone."""
    try:
        acl = request.objects.bucket(request.bucket).acl
        account = replace(request, bucket=ACCOUNT)
        if any(configurations.found_text(one, *PUBLIC_ACCESS_BLOCK) == "true" for one in (request, account)):
            return False
        if request.key and action == "oss:GetObject":
            found = request.objects.head(request.bucket, request.key, request.version_id)
            own = found.headers.get("x-oss-object-acl", "default")
            acl = acl if own == "default" else own
    except ServiceError:
        return False
    return action in PUBLIC_ACTIONS.get(acl, ())


def _error_document(http: HttpRequest, request_id: str, error: ServiceError) -> bytes:
    elements = {"Code": error.code, "Message": error.message, "RequestId": request_id}
    elements |= {"HostId": http.headers.get("host", "")}
    elements |= {name: value for name, value in error.details.items() if "-" not in name}
    if error.ec:
        elements |= {"EC": error.ec, "RecommendDoc": f"https://api.aliyun.com/troubleshoot?q={error.ec}"}
    return document("Error", leaves(**elements))


def _latin(value: str) -> str:
    """Encode UTF-8 as Latin-1, as which the server writes headers; replace line breaks."""
    return value.replace("\r", " ").replace("\n", " ").encode().decode("latin-1")
