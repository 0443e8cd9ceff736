"""PostObject: an upload from a browser's form, with a signed policy. Knows multipart/form-data; the face calls it.

The file may be large and is never held in memory: the form's fields are read, the file is a range of the body.
Source: OSS API reference, PostObject, and "Signature version 4 for PostObject", read 2026-11.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import BinaryIO

from localyun.errors import ServiceError
from localyun.http import CHUNK_BYTES, HttpResponse
from localyun.oss.http.objects import stored_headers
from localyun.oss.http.request import KEPT_HEADERS, Request
from localyun.oss.http.signatures import (
    V4,
    check_expiry,
    check_scope,
    check_signature,
    check_token,
    credential_of,
    v1_signature,
    v4_signature,
)
from localyun.oss.http.xml import document, leaf
from localyun.ram.credentials import Credential, Keyring

MAX_FIELDS_BYTES = 1 << 20
FIELD_NAME = re.compile(r'[;\s]name="([^"]*)"', re.IGNORECASE)
FILE_NAME = re.compile(r'[;\s]filename="([^"]*)"', re.IGNORECASE)
PART_TYPE = re.compile(r"^content-type:\s*(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Form:
    """A form: its fields by lower-case names, and where in the body the file lies."""

    fields: Mapping[str, str]
    file_name: str
    file_type: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """The key, with the file's own name put in where the form asks for it."""
        return self.fields.get("key", "").replace("${filename}", self.file_name)


def post_object(request: Request) -> HttpResponse:
    """Answer PostObject, for a request whose `sender` is known."""
    form = read_form(request)
    request.require("oss:PutObject", request.bucket, form.key)
    new = request.objects.put(
        request.bucket,
        form.key,
        _chunks(request.call.body, form.start, form.end),
        content_type=form.fields.get("x-oss-content-type") or form.file_type or "application/octet-stream",
        headers={name: value for name, value in form.fields.items() if _is_kept(name)},
        once=form.fields.get("x-oss-forbid-overwrite", "").lower() == "true",
        event="PostObject",
        request_id=request.request_id,
        source_ip=request.call.client,
    )
    return _answer(request, form, stored_headers(new))


def sender(request: Request, keyring: Keyring) -> Credential:
    """Return who signed the form's policy; refuse a form that is unsigned, expired, or not what was signed."""
    form, services = read_form(request), request.services
    fields = form.fields
    if "policy" not in fields:
        raise ServiceError(403, "AccessDenied", "Anonymous access is forbidden: sign a policy.", ec="0003-00000001")
    if fields.get("x-oss-signature-version") == V4:
        access_key_id, _, scope = fields.get("x-oss-credential", "").partition("/")
        credential = credential_of(access_key_id, keyring)
        check_scope(scope, fields.get("x-oss-date", ""), services.region)
        given = fields.get("x-oss-signature", "")
        check_signature(credential, given, fields["policy"], lambda key, text: v4_signature(key, scope, text))
    else:
        credential = credential_of(fields.get("ossaccesskeyid", ""), keyring)
        check_signature(credential, fields.get("signature", ""), fields["policy"], v1_signature)
    check_token(credential, fields.get("x-oss-security-token", ""))
    _check_policy(request, form, services.clock.now())
    return credential


def read_form(request: Request) -> Form:
    """Find the fields and the file of a form; the file must be its last field."""
    boundary = re.search(r'boundary="?([^";,]+)', request.headers.get("content-type", ""))
    if not boundary:
        text = "Bucket POST must be of the enclosure-type multipart/form-data."
        raise ServiceError(400, "RequestIsNotMultiPartContent", text)
    mark = b"--" + boundary[1].encode()
    request.call.body.seek(0)
    beginning = b"\r\n" + request.call.body.read(MAX_FIELDS_BYTES)
    fields: dict[str, str] = {}
    offset = beginning.find(b"\r\n" + mark)
    while offset >= 0:
        about_end = beginning.find(b"\r\n\r\n", offset)
        about = beginning[offset + len(mark) + 2 : about_end].decode("utf-8", "replace")
        name = FIELD_NAME.search(about)
        if about_end < 0 or not name:
            break
        start = about_end + 4
        if name[1].lower() == "file":
            return _with_file(request, fields, about, start - 2, mark)
        offset = beginning.find(b"\r\n" + mark, start - 2)
        fields[name[1].lower()] = beginning[start : max(offset, start)].decode("utf-8", "replace")
    raise _malformed("it has no field named file, or more than 1 MiB of fields before it")


def _with_file(request: Request, fields: Mapping[str, str], about: str, start: int, mark: bytes) -> Form:
    """Finish a form whose file begins at `start`: look for the boundary at the end of the body."""
    body = request.call.body
    size = body.seek(0, 2)
    tail_at = max(start, size - MAX_FIELDS_BYTES)
    body.seek(tail_at)
    end = body.read().find(b"\r\n" + mark)
    if end < 0:
        raise _malformed("the file does not end with the boundary, or more than 1 MiB follows it")
    file_name, file_type = FILE_NAME.search(about), PART_TYPE.search(about)
    name = file_name[1] if file_name else ""
    return Form(fields, name, file_type[1].strip() if file_type else "", start, tail_at + end)


def _check_policy(request: Request, form: Form, now: datetime) -> None:
    """Refuse a form that its own policy does not allow."""
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


def _holds(condition: object, request: Request, form: Form) -> bool:
    """Tell whether a form is what one condition of its policy wants."""
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
    """Tell whether a field's value stands in a policy's relation to what the policy names."""
    if operator == "starts-with":
        return isinstance(wanted, str) and value.startswith(wanted)
    if operator == "eq":
        return value == wanted
    if operator in {"in", "not-in"} and isinstance(wanted, list):
        return (value in wanted) == (operator == "in")
    return False


def _answer(request: Request, form: Form, headers: Mapping[str, str]) -> HttpResponse:
    """Answer as the form asks: a redirect, a document with 201, or an empty 200 or 204."""
    if target := form.fields.get("success_action_redirect"):
        return HttpResponse(303, b"", {**headers, "Location": target})
    status = form.fields.get("success_action_status", "204")
    if status != "201":
        return HttpResponse(200 if status == "200" else 204, b"", headers)
    about = (leaf("Bucket", request.bucket), leaf("Location", f"/{request.bucket}/{form.key}"))
    body = document("PostResponse", *about, leaf("Key", form.key), leaf("ETag", headers["ETag"]))
    return HttpResponse(201, body, {**headers, "Content-Type": "application/xml"})


def _chunks(body: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    body.seek(start)
    while start < end and (chunk := body.read(min(CHUNK_BYTES, end - start))):
        start += len(chunk)
        yield chunk


def _is_kept(name: str) -> bool:
    return name.startswith("x-oss-meta-") or name in KEPT_HEADERS or name == "x-oss-object-acl"


def _malformed(what: str) -> ServiceError:
    return ServiceError(400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed: {what}.")
