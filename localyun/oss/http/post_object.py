"""PostObject: an upload from a browser's form, with a signed policy. Parses multipart/form-data.

The fields of the form are loaded into memory; the file, which may be large, remains a range of the body.
Source: OSS API reference, PostObject, and "Signature version 4 for PostObject", read 2026-11.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from localyun.errors import ServiceError
from localyun.http import HttpResponse, range_chunks
from localyun.oss.http.objects import etag_headers
from localyun.oss.http.request import OssRequest
from localyun.oss.http.signatures import V4, check_expiry, check_scope, check_signature, check_token, find_credential
from localyun.oss.http.upload_headers import stored_headers
from localyun.oss.http.xml import leaves, xml_response
from localyun.oss.values import DEFAULTS, WriteOptions
from localyun.ram.credentials import Credential

MAX_FIELDS_BYTES = 1 << 20
FIELD_NAME = re.compile(r'[;\s]name="([^"]*)"', re.IGNORECASE)
FILE_NAME = re.compile(r'[;\s]filename="([^"]*)"', re.IGNORECASE)
PART_TYPE = re.compile(r"^content-type:\s*(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class PostForm:
    """The fields of a form by lower-case names, and the range of the file in the body."""

    fields: Mapping[str, str]
    file_name: str
    file_type: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """The key; `${filename}` is replaced with the name of the file."""
        return self.fields.get("key", "").replace("${filename}", self.file_name)


def post_object(request: OssRequest) -> HttpResponse:
    """Answer PostObject, for an authenticated form."""
    form = parse_form(request)
    request.require("oss:PutObject", request.bucket, form.key)
    fields = form.fields
    options = WriteOptions(
        fields.get("x-oss-content-type") or form.file_type or DEFAULTS.content_type,
        stored_headers(fields),
        fields.get("x-oss-forbid-overwrite", "").lower() == "true",
        request.origin,
    )
    chunks = range_chunks(request.http.body, form.start, form.end - form.start)
    new = request.objects.put(request.bucket, form.key, chunks, options, event="PostObject")
    return _response(request, form, etag_headers(new))


def authenticate_form(request: OssRequest) -> Credential:
    """Return the key that signed a form's policy. Raises ServiceError if it is unsigned, expired, or violated."""
    form, context = parse_form(request), request.context
    fields = form.fields
    if "policy" not in fields:
        raise ServiceError(403, "AccessDenied", "Anonymous access is forbidden: sign a policy.", ec="0003-00000001")
    if fields.get("x-oss-signature-version") == V4:
        access_key_id, _, scope = fields.get("x-oss-credential", "").partition("/")
        credential = find_credential(access_key_id, context.keyring)
        check_scope(scope, fields.get("x-oss-date", ""), context.region)
        check_signature(credential, fields.get("x-oss-signature", ""), fields["policy"], scope)
    else:
        credential = find_credential(fields.get("ossaccesskeyid", ""), context.keyring)
        check_signature(credential, fields.get("signature", ""), fields["policy"])
    check_token(credential, fields.get("x-oss-security-token", ""))
    _check_policy(request, form, context.clock.now())
    return credential


def parse_form(request: OssRequest) -> PostForm:
    """Return the fields and the file of a form. Raises MalformedPOSTRequest unless the file is the last field."""
    boundary = re.search(r'boundary="?([^";,]+)', request.headers.get("content-type", ""))
    if not boundary:
        text = "Bucket POST must be of the enclosure-type multipart/form-data."
        raise ServiceError(400, "RequestIsNotMultiPartContent", text)
    delimiter = b"--" + boundary[1].encode()
    request.http.body.seek(0)
    beginning = b"\r\n" + request.http.body.read(MAX_FIELDS_BYTES)
    fields: dict[str, str] = {}
    offset = beginning.find(b"\r\n" + delimiter)
    while offset >= 0:
        headers_end = beginning.find(b"\r\n\r\n", offset)
        headers = beginning[offset + len(delimiter) + 2 : headers_end].decode("utf-8", "replace")
        name = FIELD_NAME.search(headers)
        if headers_end < 0 or not name:
            break
        start = headers_end + 4
        if name[1].lower() == "file":
            return _with_file(request, fields, headers, start - 2, delimiter)
        offset = beginning.find(b"\r\n" + delimiter, start - 2)
        fields[name[1].lower()] = beginning[start : max(offset, start)].decode("utf-8", "replace")
    raise _malformed("it has no field named file, or more than 1 MiB of fields before it")


def _with_file(request: OssRequest, fields: Mapping[str, str], headers: str, start: int, delimiter: bytes) -> PostForm:
    """Return a form whose file begins at `start`; the boundary is searched at the end of the body."""
    body = request.http.body
    size = body.seek(0, 2)
    tail_at = max(start, size - MAX_FIELDS_BYTES)
    body.seek(tail_at)
    end = body.read().find(b"\r\n" + delimiter)
    if end < 0:
        raise _malformed("the file does not end with the boundary, or more than 1 MiB follows it")
    file_name, file_type = FILE_NAME.search(headers), PART_TYPE.search(headers)
    name = file_name[1] if file_name else ""
    return PostForm(fields, name, file_type[1].strip() if file_type else "", start, tail_at + end)


def _check_policy(request: OssRequest, form: PostForm, now: datetime) -> None:
    """Raise ServiceError if a form violates its own policy."""
    try:
        policy = json.loads(base64.b64decode(form.fields["policy"]))
        expires = datetime.strptime(policy["expiration"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        conditions = list(policy.get("conditions", []))
    except (ValueError, KeyError, TypeError, RecursionError):
        text = (
            "Invalid Policy: it must be Base64 of JSON with `expiration` (2026-01-01T12:00:00.000Z) and `conditions`."
        )
        raise ServiceError(400, "InvalidPolicyDocument", text) from None
    check_expiry(now > expires)
    for condition in conditions:
        if not _holds(condition, request, form):
            text = f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}"
            raise ServiceError(403, "AccessDenied", text)


def _holds(condition: object, request: OssRequest, form: PostForm) -> bool:
    """Return True if a form satisfies a condition of its policy."""
    values = {**form.fields, "bucket": request.bucket, "key": form.key}
    if isinstance(condition, dict):
        return all(values.get(str(name).lower()) == value for name, value in condition.items())
    match condition:
        case ["content-length-range", int(least), int(most)]:
            return least <= form.end - form.start <= most
        case [str(operator), str(name), wanted]:
            return _compare(operator, values.get(name.removeprefix("$").lower(), ""), wanted)
        case _:
            return False


def _compare(operator: str, value: str, wanted: object) -> bool:
    """Return True if a field's value has a relation to the value in the policy."""
    if operator == "starts-with":
        return isinstance(wanted, str) and value.startswith(wanted)
    if operator == "eq":
        return value == wanted
    if operator in {"in", "not-in"} and isinstance(wanted, list):
        return (value in wanted) == (operator == "in")
    return False


def _response(request: OssRequest, form: PostForm, headers: Mapping[str, str]) -> HttpResponse:
    """Return the response that the form requests: a redirect, a document with 201, or an empty 200 or 204."""
    if target := form.fields.get("success_action_redirect"):
        return HttpResponse(303, b"", {**headers, "Location": target})
    status = form.fields.get("success_action_status", "204")
    if status != "201":
        return HttpResponse(200 if status == "200" else 204, b"", headers)
    location, etag = f"/{request.bucket}/{form.key}", headers["ETag"]
    content = leaves(Bucket=request.bucket, Location=location, Key=form.key, ETag=etag)
    return replace(xml_response("PostResponse", content, **headers), status=201)


def _malformed(what: str) -> ServiceError:
    return ServiceError(400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed: {what}.")
