"""The OSS face: addresses, authenticates, authorises and routes a request, and spells every refusal.

The actions live in `oss_objects`, `oss_buckets`, `oss_lists`, `oss_multipart`, `oss_metadata`, `oss_process` and
`oss_post`; signatures in `sign_oss`. `answer` is served by `wire.http.face`.
"""

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.http import HttpRequest, HttpResponse
from localyun.oss.conditions import http_date
from localyun.oss.http import buckets, lists, metadata, multipart, objects, post_object, process
from localyun.oss.http.request import Allow, Request, Services, Tasks, locate, not_implemented
from localyun.oss.http.signatures import Signed, authenticate
from localyun.oss.http.subresources import SELECTING
from localyun.oss.http.xml import document, leaf
from localyun.oss.service import ObjectService
from localyun.ram.credentials import Credential, Keyring

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """An action: what it is called in a RAM policy, and what answers it."""

    action: str
    answer: Callable[[Request], HttpResponse]


# By verb, by what is addressed, by the sub-resource that selects.
ROUTES = {
    ("GET", "service", ""): Route("oss:ListBuckets", buckets.list_buckets),
    ("PUT", "bucket", ""): Route("oss:PutBucket", buckets.put_bucket),
    ("DELETE", "bucket", ""): Route("oss:DeleteBucket", buckets.delete_bucket),
    ("GET", "bucket", ""): Route("oss:ListObjects", lists.list_objects),
    ("POST", "bucket", ""): Route("oss:PutObject", post_object.post_object),
    ("POST", "bucket", "delete"): Route("", lists.delete_objects),
    ("GET", "bucket", "bucketInfo"): Route("oss:GetBucketInfo", buckets.get_bucket_info),
    ("GET", "bucket", "location"): Route("oss:GetBucketLocation", buckets.get_bucket_location),
    ("GET", "bucket", "acl"): Route("oss:GetBucketAcl", buckets.get_bucket_acl),
    ("PUT", "bucket", "acl"): Route("oss:PutBucketAcl", buckets.put_bucket_acl),
    ("GET", "bucket", "versioning"): Route("oss:GetBucketVersioning", buckets.get_bucket_versioning),
    ("PUT", "bucket", "versioning"): Route("oss:PutBucketVersioning", buckets.put_bucket_versioning),
    ("GET", "bucket", "uploads"): Route("oss:ListMultipartUploads", multipart.list_uploads),
    ("GET", "object", ""): Route("oss:GetObject", objects.get_object),
    ("HEAD", "object", ""): Route("oss:GetObject", objects.head_object),
    ("HEAD", "object", "objectMeta"): Route("oss:GetObject", objects.get_object_meta),
    ("PUT", "object", ""): Route("oss:PutObject", objects.put_object),
    ("DELETE", "object", ""): Route("oss:DeleteObject", objects.delete_object),
    ("POST", "object", "append"): Route("oss:PutObject", objects.append_object),
    ("GET", "object", "acl"): Route("oss:GetObjectAcl", metadata.get_object_acl),
    ("PUT", "object", "acl"): Route("oss:PutObjectAcl", metadata.put_object_acl),
    ("GET", "object", "tagging"): Route("oss:GetObjectTagging", metadata.get_object_tagging),
    ("PUT", "object", "tagging"): Route("oss:PutObjectTagging", metadata.put_object_tagging),
    ("DELETE", "object", "tagging"): Route("oss:DeleteObjectTagging", metadata.delete_object_tagging),
    ("POST", "object", "uploads"): Route("oss:PutObject", multipart.initiate_upload),
    ("PUT", "object", "uploadId"): Route("oss:PutObject", multipart.upload_part),
    ("POST", "object", "uploadId"): Route("oss:PutObject", multipart.complete_upload),
    ("DELETE", "object", "uploadId"): Route("oss:AbortMultipartUpload", multipart.abort_upload),
    ("GET", "object", "uploadId"): Route("oss:ListParts", multipart.list_parts),
    ("GET", "object", "x-oss-process"): Route("oss:GetObject", process.process),
    ("POST", "object", "x-oss-async-process"): Route("oss:PostProcessTask", process.async_process),
}

ANYWHERE = ("oss:ListBuckets", "oss:PutBucket", "oss:GetBucketInfo", "oss:GetBucketLocation")
READING = ("oss:GetObject", "oss:ListObjects")
PUBLIC = {"public-read": READING, "public-read-write": (*READING, "oss:PutObject", "oss:DeleteObject")}


def allow_all(_credential: Credential, _action: str, _bucket: str, _key: str) -> bool:
    """Allow every credential everything."""
    return True


class OssEndpoint:
    """OSS over HTTP, for one region and the keys of one keyring."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        objects: ObjectService,
        tasks: Tasks,
        keyring: Keyring,
        clock: CloudClock,
        region: str,
        *,
        allow: Allow = allow_all,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._faults = faults
        self._services = Services(objects, tasks, clock, region, allow)
        self._keyring = keyring

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Answer one request; every refusal becomes the vendor's error document."""
        begun, request_id = monotonic(), self._services.clock.token(12).upper()
        try:
            reply = self._faults.run_request(lambda: self._act(call, request_id))
        except ServiceError as refusal:
            reply = _refused(call, request_id, refusal)
        except Exception:
            log.exception("OSS request %s failed: %s %s", request_id, call.method, call.raw_path)
            reply = _refused(call, request_id, ServiceError(500, "InternalError", "See the log of the local cloud."))
        headers = {
            "Server": "AliyunOSS",
            "Date": http_date(self._services.clock.now()),
            "x-oss-request-id": request_id,
            "x-oss-server-time": str(int((monotonic() - begun) * 1000)),
            **reply.headers,
        }
        return replace(reply, headers={name: _latin(value) for name, value in headers.items()})

    def _act(self, call: HttpRequest, request_id: str) -> HttpResponse:
        bucket, key = locate(call)
        request = Request(call, bucket, key, request_id, self._services)
        route = _route(request)
        if route.answer is post_object.post_object:
            return post_object.post_object(replace(request, credential=post_object.sender(request, self._keyring)))
        admitted = self._admit(request, route.action)
        _check_region(admitted, route)
        return route.answer(admitted)

    def _admit(self, request: Request, action: str) -> Request:
        """Return the request with whoever sent it, or refuse; an anonymous one may read what is public."""
        resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
        signed = Signed(request.method, resource, request.query, request.headers)
        services = self._services
        credential = authenticate(signed, self._keyring, services.clock.now(), services.region)
        if credential is None and not _is_public(request, action):
            text = "Anonymous access is forbidden for this operation: sign the request."
            raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")
        request = replace(request, credential=credential)
        if action:
            request.require(action, request.bucket, request.key)
        return request


def _check_region(request: Request, route: Route) -> None:
    """Refuse what another region's bucket is asked for, and name its endpoint; where it lies may be asked anywhere.

    OSS, "403 error", 2026: AccessDenied, "must be addressed using the specified endpoint".
    """
    if route.action in ANYWHERE or not request.objects.has_bucket(request.bucket):
        return
    if region := request.objects.bucket(request.bucket).region:
        text = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        )
        raise ServiceError(403, "AccessDenied", text, Bucket=request.bucket, Endpoint=f"oss-{region}.aliyuncs.com")


def _route(request: Request) -> Route:
    """Pick the action, or say which sub-resource or verb the local cloud does not have."""
    level = "object" if request.key else "bucket" if request.bucket else "service"
    if "x-oss-callback" in request.headers or "callback" in request.query:
        raise not_implemented("upload callbacks")
    selectors = sorted(name for name in request.query if name in SELECTING)
    for selector in selectors or [""]:
        if found := ROUTES.get((request.method, level, selector)):
            return found
    if selectors:
        raise not_implemented(f"the sub-resource {selectors[0]!r} with {request.method} on {level} level")
    text = f"The specified method is not allowed against this resource: {request.method} on {level} level."
    raise ServiceError(405, "MethodNotAllowed", text, Method=request.method, ResourceType=level)


def _is_public(request: Request, action: str) -> bool:
    """Tell whether anyone may do this, by the object's own ACL or else by its bucket's."""
    try:
        acl = request.objects.bucket(request.bucket).acl
        if request.key and action == "oss:GetObject":
            own = request.objects.head(request.bucket, request.key).headers.get("x-oss-object-acl", "default")
            acl = acl if own == "default" else own
    except ServiceError:
        return False
    return action in PUBLIC.get(acl, ())


def _refused(call: HttpRequest, request_id: str, refusal: ServiceError) -> HttpResponse:
    """Spell a refusal: as a document, or where there can be no body, in the header `x-oss-err`."""
    headers = {name: value for name, value in refusal.details.items() if "-" in name or name == "ETag"}
    if refusal.status == 304:
        return HttpResponse(304, b"", headers)
    body = _error(call, request_id, refusal)
    headers |= {"x-oss-ec": refusal.ec} if refusal.ec else {}
    if call.method == "HEAD":
        headers["x-oss-err"] = base64.b64encode(body).decode()
        return HttpResponse(refusal.status, b"", headers)
    return HttpResponse(refusal.status, body, {"Content-Type": "application/xml", **headers})


def _error(call: HttpRequest, request_id: str, refusal: ServiceError) -> bytes:
    """Write the vendor's error document."""
    details = [leaf(name, value) for name, value in refusal.details.items() if "-" not in name]
    about = (leaf("RequestId", request_id), leaf("HostId", call.headers.get("host", "")), *details)
    link = f"https://api.aliyun.com/troubleshoot?q={refusal.ec}"
    more = (leaf("EC", refusal.ec), leaf("RecommendDoc", link)) if refusal.ec else ()
    return document("Error", leaf("Code", refusal.code), leaf("Message", refusal.message), *about, *more)


def _latin(value: str) -> str:
    """Carry UTF-8 through a server that writes headers as Latin-1, and let no value break the line."""
    return value.replace("\r", " ").replace("\n", " ").encode().decode("latin-1")
