"""The vendor's eleven signature methods, written from its documents, without code of the local cloud.

Sources, read 2026-11: OSS API reference, "Include signatures in the Authorization header", "... in a URL" and
"PostObject" (V1 and V4); SMQ, "Signature method", and the vendor's Java SDK 2.0 for version 4; OpenAPI, "V3 request
structure and signature method" (ACS3) and "Request signatures" (RPC); FC 2.0, "Request signatures".
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from localyun.ram.credentials import Credential
from tests.security.wire import Request

REGION = "cn-hangzhou"
BOUNDARY = "a-boundary"


class Scope(NamedTuple):
    """The scope of a V4 signature; the default day is that of the signing time."""

    region: str = REGION
    service: str = "oss"
    day: str = ""

    def at(self, when: datetime) -> str:
        """Return the scope in the format of the credential, for a signing time."""
        return f"{self.day or when.strftime('%Y%m%d')}/{self.region}/{self.service}/aliyun_v4_request"


Sign = Callable[..., Request]  # arguments: request, key, when, host; V4 methods also take a scope


def _sha1(secret: str, text: str) -> str:
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def _v4(secret: str, scope: str, text: str) -> str:
    key = b"aliyun_v4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def http_date(when: datetime) -> str:
    """Return a time in the format of HTTP headers."""
    return format_datetime(when, usegmt=True)


def _iso(when: datetime) -> str:
    return when.strftime("%Y%m%dT%H%M%SZ")


def _strict(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")


def _query(values: Mapping[str, str], equals: str = "=") -> str:
    pairs = sorted((_strict(name), _strict(value)) for name, value in values.items())
    return "&".join(f"{name}{equals if not value else '='}{value}" for name, value in pairs)


def _values(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query, keep_blank_values=True))


def _lines(headers: Mapping[str, str], prefix: str, *others: str) -> str:
    names = sorted(name for name in headers if name.startswith(prefix) or name in others)
    return "".join(f"{name}:{headers[name]}\n" for name in names)


def _oss_v1_text(request: Request, date: str) -> str:
    """Return what V1 signs; of the signed parameters, the tests use only the token and `acl`."""
    signed = [pair for pair in sorted(_values(request).items()) if pair[0] in ("acl", "security-token")]
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    headers = request.headers
    fixed = (request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date)
    resource = unquote(request.path) + (f"?{query}" if query else "")
    return "\n".join((*fixed, _lines(headers, "x-oss-") + resource))


def oss_v1(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign in the header `Authorization: OSS ID:SIGNATURE`."""
    with_token = request.with_headers(x_oss_security_token=key.security_token) if key.security_token else request
    signature = _sha1(key.access_key_secret, _oss_v1_text(with_token, http_date(when)))
    return with_token.with_headers(date=http_date(when), authorization=f"OSS {key.access_key_id}:{signature}")


def _oss_v4_text(request: Request, when: datetime, scope: str) -> str:
    query = _query(_values(request), "")
    headers = _lines(request.headers, "x-oss-", "content-type", "content-md5")
    path = _strict(unquote(request.path), "/")
    canonical = f"{request.method}\n{path}\n{query}\n{headers}\n\nUNSIGNED-PAYLOAD"
    return f"OSS4-HMAC-SHA256\n{_iso(when)}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def oss_v4(
    request: Request,
    key: Credential,
    when: datetime,
    host: str,
    scope: Scope = Scope(),  # noqa: B008 - immutable
) -> Request:
    """Sign in the header `Authorization: OSS4-HMAC-SHA256 …`."""
    signable = request.with_headers(x_oss_date=_iso(when), x_oss_content_sha256="UNSIGNED-PAYLOAD")
    signable = signable.with_headers(x_oss_security_token=key.security_token) if key.security_token else signable
    scope_text = scope.at(when)
    signature = _v4(key.access_key_secret, scope_text, _oss_v4_text(signable, when, scope_text))
    header = f"OSS4-HMAC-SHA256 Credential={key.access_key_id}/{scope_text},Signature={signature}"
    return signable.with_headers(authorization=header)


def oss_url_v1(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign a URL that is valid for 15 minutes, with V1."""
    expires = str(int((when + timedelta(minutes=15)).timestamp()))
    with_token = request.with_query(f"security-token={_strict(key.security_token)}") if key.security_token else request
    signature = _sha1(key.access_key_secret, _oss_v1_text(with_token, expires))
    credential = f"OSSAccessKeyId={_strict(key.access_key_id)}&Expires={expires}"
    return with_token.with_query(f"{credential}&Signature={_strict(signature)}")


def oss_url_v4(
    request: Request,
    key: Credential,
    when: datetime,
    host: str,
    scope: Scope = Scope(),  # noqa: B008 - immutable
) -> Request:
    """Sign a URL that is valid for 15 minutes, with V4."""
    scope_text = scope.at(when)
    parameters = {
        "x-oss-signature-version": "OSS4-HMAC-SHA256",
        "x-oss-credential": f"{key.access_key_id}/{scope_text}",
        "x-oss-date": _iso(when),
        "x-oss-expires": "900",
        **({"x-oss-security-token": key.security_token} if key.security_token else {}),
    }
    signable = request.with_query(_query(parameters))
    return signable.with_query(
        "x-oss-signature=" + _v4(key.access_key_secret, scope_text, _oss_v4_text(signable, when, scope_text))
    )


def form(fields: Mapping[str, str], content: bytes, path: str = "/mine") -> Request:
    """Return a form upload as a browser sends it."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
             for name, value in fields.items()]  # fmt: skip
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = "".join([*parts, head]).encode("utf-8", "surrogateescape") + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request("POST", path, headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body=body)


def _policy(bucket: str, name: str, when: datetime) -> str:
    """Return a policy that allows the upload of one object for 15 minutes."""
    expires = (when + timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    conditions = [["eq", "$key", name], {"bucket": bucket}]
    return b64encode(json.dumps({"expiration": expires, "conditions": conditions}).encode()).decode()


def oss_form_v1(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Turn a PUT into a form upload of the same object, with a policy signed by V1."""
    _, bucket, name = request.path.split("/", 2)
    policy = _policy(bucket, name, when)
    signed_fields = {
        "OSSAccessKeyId": key.access_key_id,
        "policy": policy,
        "Signature": _sha1(key.access_key_secret, policy),
    }
    token = {"x-oss-security-token": key.security_token} if key.security_token else {}
    return form({"key": name, **signed_fields, **token}, request.body, f"/{bucket}")


def oss_form_v4(
    request: Request,
    key: Credential,
    when: datetime,
    host: str,
    scope: Scope = Scope(),  # noqa: B008 - immutable
) -> Request:
    """Turn a PUT into a form upload of the same object, with a policy signed by V4."""
    _, bucket, name = request.path.split("/", 2)
    policy, scope_text = _policy(bucket, name, when), scope.at(when)
    signed_fields = {
        "x-oss-signature-version": "OSS4-HMAC-SHA256",
        "x-oss-credential": f"{key.access_key_id}/{scope_text}",
        "x-oss-date": _iso(when),
        "policy": policy,
        "x-oss-signature": _v4(key.access_key_secret, scope_text, policy),
    }
    token = {"x-oss-security-token": key.security_token} if key.security_token else {}
    return form({"key": name, **signed_fields, **token}, request.body, f"/{bucket}")


def smq_v1(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign in the header `Authorization: MNS ID:SIGNATURE`."""
    signable = request.with_headers(date=http_date(when), x_mns_version="2015-06-06")
    resource = signable.path + (f"?{signable.query}" if signable.query else "")
    headers = signable.headers
    fixed = (signable.method, headers.get("content-md5", ""), headers.get("content-type", ""), headers["date"])
    signature = _sha1(key.access_key_secret, "\n".join((*fixed, _lines(headers, "x-mns-") + resource)))
    return _mns_token(signable.with_headers(authorization=f"MNS {key.access_key_id}:{signature}"), key)


def smq_v4(
    request: Request,
    key: Credential,
    when: datetime,
    host: str,
    scope: Scope = Scope(service="mns"),  # noqa: B008
) -> Request:
    """Sign in the header `Authorization: MNS4-HMAC-SHA256 …`."""
    signable = request.with_headers(date=http_date(when), x_mns_version="2015-06-06")
    headers = _lines(signable.headers, "x-mns-", "content-type", "content-md5")
    query = _query({name.lower(): value for name, value in _values(signable).items()}, "")
    canonical = "\n".join((signable.method, _strict(unquote(signable.path), "/"), query, headers))
    scope_text = scope.at(when)
    text = f"MNS4-HMAC-SHA256\n{_iso(when)}\n{scope_text}\n{canonical}\n"
    signature = _v4(key.access_key_secret, scope_text, text)
    header = f"MNS4-HMAC-SHA256 Credential={key.access_key_id}/{scope_text}, Signature={signature}"
    return _mns_token(signable.with_headers(authorization=header), key)


def _mns_token(request: Request, key: Credential) -> Request:
    return request.with_headers(security_token=key.security_token) if key.security_token else request


def acs3(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign in the header `Authorization: ACS3-HMAC-SHA256 …`."""
    payload = hashlib.sha256(request.body).hexdigest()
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    signable = request.with_headers(
        host=host, x_acs_date=stamp, x_acs_signature_nonce="n", x_acs_content_sha256=payload
    )
    signable = signable.with_headers(x_acs_security_token=key.security_token) if key.security_token else signable
    names = sorted(name for name in signable.headers if name.startswith("x-acs-") or name == "host")
    headers = "".join(f"{name}:{signable.headers[name]}\n" for name in names)
    canonical = "\n".join(
        (signable.method, signable.path, _query(_values(signable)), headers, ";".join(names), payload)
    )
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key.access_key_secret.encode(), text.encode(), "sha256").hex()
    credential = f"Credential={key.access_key_id},SignedHeaders={';'.join(names)}"
    return signable.with_headers(authorization=f"ACS3-HMAC-SHA256 {credential},Signature={signature}")


def rpc(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign in the query, as clients did before ACS3."""
    parameters = {
        **_values(request),
        "AccessKeyId": key.access_key_id,
        "Timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "n",
        **({"SecurityToken": key.security_token} if key.security_token else {}),
    }
    text = f"{request.method}&%2F&{_strict(_query(parameters))}"
    signature = _sha1(f"{key.access_key_secret}&", text)
    return request._replace(query=_query({**parameters, "Signature": signature}))


def fc_2016(request: Request, key: Credential, when: datetime, host: str) -> Request:
    """Sign in the header `Authorization: FC ID:SIGNATURE`."""
    signable = request.with_headers(date=http_date(when))
    signable = signable.with_headers(x_fc_security_token=key.security_token) if key.security_token else signable
    headers = signable.headers
    fixed = (signable.method, headers.get("content-md5", ""), headers.get("content-type", ""), headers["date"])
    text = "\n".join((*fixed, _lines(headers, "x-fc-") + unquote(signable.path)))
    signature = b64encode(hmac.digest(key.access_key_secret.encode(), text.encode(), "sha256")).decode()
    return signable.with_headers(authorization=f"FC {key.access_key_id}:{signature}")
