"""Signatures of OSS requests: the vendor's vectors, the vendor's signers, and invalid requests."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import oss2
import pytest
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer import SignerV1, SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import given
from hypothesis import strategies as st

from localyun.errors import ServiceError
from localyun.oss.http.signatures import SignedRequest, authenticate, v1_text
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import hmac_base64
from tests.localyun.oss_world import BUCKET, KEY, REGION, ROLE, World, world

AK = Credential("ak", "sk")
VERSIONS = ["v1", "v2", "v4"]
NOW = datetime(2023, 12, 16, 16, 20, 57, tzinfo=timezone.utc)
VECTOR_QUERY = {
    "param1": "value1",
    "+param1": "value3",
    "|param1": "value4",
    "+param2": "",
    "|param2": "",
    "param2": "",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one bucket for all tests of this file."""
    with world(tmp_path_factory.mktemp("oss")) as here:
        here.objects.put(BUCKET, "k", b"secret")
        yield here


def refused(here: World, code: str, **request: Any) -> httpx.Response:
    """Return an error response, after checking its code."""
    request.setdefault("method", "GET")
    request.setdefault("url", f"{here.url}/{BUCKET}/k")
    response = httpx.request(**request)
    assert f"<Code>{code}</Code>" in response.text, response.text
    return response


def signer_context(request: HttpRequest, **options: Any) -> SigningContext:
    """Return the context of the vendor's signer."""
    credentials = StaticCredentialsProvider("ak", "sk", options.pop("token", None)).get_credentials()
    given = {"bucket": "bucket", "key": "1234+-/123/1.txt", "product": "oss", "region": REGION, "signing_time": NOW}
    return SigningContext(**{**given, "request": request, "credentials": credentials, **options})


def as_signed(request: HttpRequest, resource: str) -> SignedRequest:
    """Return a request of the vendor's SDK as the endpoint parses it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest(
        request.method, resource, dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True)), headers
    )


def test_the_vendors_v1_vector_is_reproduced() -> None:
    """The vector is that of the vendor's own unit test."""
    headers = {
        "content-md5": "eB5eJF1ptWaXm4bijSPyxw==",
        "content-type": "text/html",
        "x-oss-date": "Wed, 28 Dec 2022 10:27:41 GMT",
        "x-oss-meta-author": "alice",
        "x-oss-meta-magic": "abracadabra",
    }
    text = v1_text(SignedRequest("PUT", "/examplebucket/nelson", {}, headers), headers["x-oss-date"])

    assert hmac_base64("sk", text) == "kSHKmLxlyEAKtZPkJhG9bZb5k7M="


@pytest.mark.parametrize("additional", [None, {"ZAbc", "abc"}])
@pytest.mark.parametrize("token", [None, "token"])
def test_v4_headers_of_the_vendors_signer_are_accepted(additional: set[str] | None, token: str | None) -> None:
    """With and without additional headers and token; the one without both is the vendor's published vector."""
    request = HttpRequest("PUT", "http://bucket.oss-cn-hangzhou.aliyuncs.com")
    request.headers.update({"x-oss-head1": "value", "abc": "value", "ZAbc": "value", "XYZ": "value"})
    request.headers.update({"content-type": "text/plain", "x-oss-content-sha256": "UNSIGNED-PAYLOAD"})
    request.url += "?" + urlencode(VECTOR_QUERY, quote_via=quote)
    SignerV4().sign(signer_context(request, additional_headers=additional, token=token))
    keyring = Keyring(Credential("ak", "sk", token or ""))
    found = authenticate(as_signed(request, "/bucket/1234+-/123/1.txt"), keyring, NOW, REGION)
    signature = request.headers["Authorization"].rpartition("=")[2]

    assert found == keyring.find("ak")
    if additional is None and token is None:
        assert signature.startswith("e21d18da")
        assert signature.endswith("284afe")


@pytest.mark.parametrize("signer", [SignerV1, SignerV4])
@pytest.mark.parametrize("token", [None, "token/+="])
def test_urls_of_the_vendors_signers_are_accepted_until_they_expire(
    signer: type[SignerV1] | type[SignerV4], token: str | None
) -> None:
    """Both versions, with and without token."""
    request = HttpRequest("GET", "http://bucket.oss-cn-hangzhou.aliyuncs.com?response-content-type=a%2Fb&uploads")
    context = signer_context(request, token=token)
    context.auth_method_query, context.expiration_time = True, NOW + timedelta(seconds=599)
    signer().sign(context)
    keyring = Keyring(Credential("ak", "sk", token or ""))
    signed = as_signed(request, "/bucket/1234+-/123/1.txt")

    assert authenticate(signed, keyring, NOW + timedelta(seconds=598), REGION) == keyring.find("ak")
    with pytest.raises(ServiceError, match="Request has expired"):
        authenticate(signed, keyring, NOW + timedelta(seconds=600), REGION)


@given(
    key=st.text(min_size=1, max_size=20).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    query=st.dictionaries(
        st.text("abAB-+| %中=&", min_size=1, max_size=4), st.text("ab+ %中/=&~", max_size=4), max_size=4
    ),
    meta=st.text("abc é中", max_size=8).map(str.strip),
)
def test_v4_agrees_with_the_vendor_for_any_key_query_and_metadata(key: str, query: dict[str, str], meta: str) -> None:
    """The vendor's signer and the endpoint compute the same string to sign, for any characters."""
    request = HttpRequest("GET", "http://h/?" + urlencode(query, quote_via=quote, safe=""))
    request.headers.update({"x-oss-meta-a": meta})
    SignerV4().sign(signer_context(request, key=key))

    assert authenticate(as_signed(request, f"/bucket/{key}"), Keyring(AK), NOW, REGION)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", [KEY, ROLE])
def test_all_versions_and_both_kinds_of_keys_are_accepted(here: World, version: str, key: Credential) -> None:
    """The first client signs; the endpoint accepts the signature."""
    assert here.bucket(key=key, version=version).get_object("k").read() == b"secret"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", [KEY, ROLE])
def test_presigned_urls_need_no_key(here: World, version: str, key: Credential) -> None:
    """A plain HTTP client can read or write the signed object, and do nothing else."""
    bucket = here.bucket(key=key, version=version)
    name = "中 文+/up.txt"
    put = httpx.put(bucket.sign_url("PUT", name, 60, slash_safe=True), content=b"new")
    url = bucket.sign_url("GET", name, 60, params={"response-content-type": "a/b"}, slash_safe=True)
    got = httpx.get(url)

    assert put.status_code == 200, put.text
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"new", "a/b")
    refused(here, "SignatureDoesNotMatch", method="DELETE", url=url)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expired_url_is_rejected(here: World, version: str) -> None:
    """The error is AccessDenied."""
    url = here.bucket(version=version).sign_url("GET", "k", 60)
    here.clock.turn(120)
    refused(here, "AccessDenied", url=url)
    here.clock.turn(-120)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_error_about_a_wrong_secret_has_the_string_to_sign(here: World, version: str) -> None:
    """As in OSS, developers can compare it with their own string to sign."""
    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch) as caught:
        here.bucket(key=Credential(KEY.access_key_id, "wrong"), version=version).get_object("k")

    assert caught.value.status == 403
    assert caught.value.details["EC"] == "0002-00000040"
    assert caught.value.details["StringToSign"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_key_is_rejected(here: World, version: str) -> None:
    """The key is looked up before the signature is computed."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        here.bucket(key=Credential("LTAI-unknown", "x"), version=version).get_object("k")

    assert (caught.value.code, caught.value.details["EC"]) == ("InvalidAccessKeyId", "0002-00000902")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("token", ["", "another"])
def test_a_roles_key_needs_its_own_token(here: World, version: str, token: str) -> None:
    """An STS key without its token is invalid."""
    key = Credential(ROLE.access_key_id, ROLE.access_key_secret, token)
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        here.bucket(key=key, version=version).get_object("k")

    assert caught.value.code == "InvalidSecurityToken"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seconds", [-930, 930])
def test_a_clock_skew_of_more_than_15_minutes_is_rejected(here: World, version: str, seconds: int) -> None:
    """The clock of the client may be slow or fast."""
    here.clock.turn(seconds)
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        here.bucket(version=version).get_object("k")
    here.clock.turn(-seconds)

    assert (caught.value.status, caught.value.code) == (403, "RequestTimeTooSkewed")


def test_a_signature_for_another_region_is_rejected(here: World) -> None:
    """Users of OSS report this code."""
    bucket = oss2.Bucket(oss2.AuthV4(KEY.access_key_id, KEY.access_key_secret), here.url, BUCKET, region="cn-beijing")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.get_object("k")

    assert (
        caught.value.status,
        caught.value.code,
        caught.value.details["EC"],
    ) == (400, "InvalidArgument", "0002-00000226")


def test_the_error_about_a_url_for_another_region_names_the_region(here: World) -> None:
    """The message is that of the vendor."""
    bucket = oss2.Bucket(oss2.AuthV4(KEY.access_key_id, KEY.access_key_secret), here.url, BUCKET, region="cn-beijing")
    response = refused(here, "InvalidArgument", url=bucket.sign_url("GET", "k", 60))

    assert "The signing region in credential is invalid." in response.text
    assert f"<RegionExpected>{REGION}</RegionExpected>" in response.text


def test_a_changed_request_invalidates_the_signature(here: World) -> None:
    """A metadata header, a query parameter, or the key is changed."""
    url = here.bucket().sign_url("GET", "k", 60)

    refused(here, "SignatureDoesNotMatch", url=url, headers={"x-oss-meta-a": "b"})
    refused(here, "SignatureDoesNotMatch", url=url + "&acl")
    refused(here, "SignatureDoesNotMatch", url=url.replace(f"{BUCKET}/k", f"{BUCKET}/j"))


def test_invalid_and_missing_signatures_are_rejected(here: World) -> None:
    """HEAD and PUT, unsigned; unknown schemes; malformed signatures."""
    assert refused(here, "AccessDenied").status_code == 403
    assert httpx.head(f"{here.url}/{BUCKET}/k").status_code == 403
    refused(here, "AccessDenied", method="PUT", content=b"x")
    refused(here, "InvalidArgument", headers={"authorization": "Basic abc"})
    refused(here, "InvalidAccessKeyId", headers={"authorization": "OSS4-HMAC-SHA256 garbage"})
    refused(here, "AccessDenied", headers={"authorization": f"OSS {KEY.access_key_id}:x", "date": "yesterday"})


def test_anonymous_requests_may_read_public_objects(here: World) -> None:
    """The ACL of an object has precedence over that of its bucket; it permits reading only."""
    bucket = here.bucket()
    bucket.put_object("open", b"for all", headers={"x-oss-object-acl": "public-read"})

    assert httpx.get(f"{here.url}/{BUCKET}/open").content == b"for all"
    refused(here, "AccessDenied", method="DELETE", url=f"{here.url}/{BUCKET}/open")


def test_anonymous_requests_may_write_to_public_buckets(here: World) -> None:
    """Objects can be read, listed, written and deleted; settings of the bucket cannot be read."""
    open_to_all = here.bucket("open-to-all")
    open_to_all.create_bucket("public-read-write")
    url = f"{here.url}/open-to-all"

    assert httpx.put(f"{url}/k", content=b"1").status_code == 200
    assert "<Key>k</Key>" in httpx.get(url).text
    assert httpx.delete(f"{url}/k").status_code == 204
    refused(here, "AccessDenied", url=f"{url}?acl")
    refused(here, "AccessDenied", method="POST", url=f"{url}?delete", content=b"<Delete/>")


def test_permissions_of_roles_are_checked(tmp_path: Path) -> None:
    """`allow` receives action, bucket and key; a copy needs permissions for source and target."""
    checks: list[tuple[str, str, str]] = []

    def allow(credential: Credential, action: str, bucket: str, key: str, **_: object) -> bool:
        checks.append((credential.principal, action, f"{bucket}/{key}"))
        return key != "forbidden"

    with world(tmp_path, allow=allow) as here:
        bucket = here.bucket(key=ROLE)
        bucket.put_object("fine", b"1")
        bucket.copy_object(BUCKET, "fine", "copy")
        actions: list[Callable[[], object]] = [
            lambda: bucket.get_object("forbidden"),
            lambda: bucket.batch_delete_objects(["fine", "forbidden"]),
        ]
        for act in actions:
            with pytest.raises(oss2.exceptions.AccessDenied) as caught:
                act()

            assert "oss:" in caught.value.message
        here.objects.head(BUCKET, "fine")

    assert ("role/worker", "oss:PutObject", f"{BUCKET}/fine") == checks[0]
    assert ("role/worker", "oss:GetObject", f"{BUCKET}/fine") in checks
    assert ("role/worker", "oss:PutObject", f"{BUCKET}/copy") in checks


def policy(minutes: float = 5, conditions: Sequence[object] = ()) -> str:
    """Return an encoded policy of a form."""
    expires = datetime.now(timezone.utc) + timedelta(minutes=minutes)  # noqa: TID251 - as a browser would
    text = json.dumps({"expiration": expires.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "conditions": list(conditions)})
    return base64.b64encode(text.encode()).decode()


def v1_form(encoded: str) -> dict[str, str]:
    """Sign a policy with V1."""
    signature = base64.b64encode(hmac.digest(KEY.access_key_secret.encode(), encoded.encode(), "sha1")).decode()
    return {"OSSAccessKeyId": KEY.access_key_id, "policy": encoded, "Signature": signature}


def v4_form(encoded: str) -> dict[str, str]:
    """Sign a policy with V4."""
    when = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")  # noqa: TID251 - as a browser would
    key = ("aliyun_v4" + KEY.access_key_secret).encode()
    for part in (when[:8], REGION, "oss", "aliyun_v4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, encoded.encode(), hashlib.sha256).hexdigest()
    scope = f"{KEY.access_key_id}/{when[:8]}/{REGION}/oss/aliyun_v4_request"
    version = {"x-oss-signature-version": "OSS4-HMAC-SHA256", "x-oss-credential": scope, "x-oss-date": when}
    return {**version, "policy": encoded, "x-oss-signature": signature}


@pytest.mark.parametrize("sign", [v1_form, v4_form])
@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_a_browsers_form_uploads_a_file(here: World, sign: Callable[[str], dict[str, str]], size: int) -> None:
    """The stored file is identical."""
    content = bytes(range(256)) * (size // 256) + b"\r\n--" * (size % 256)
    fields = {"key": "forms/${filename}", "x-oss-meta-by": "a form", "success_action_status": "201", **sign(policy())}
    here.events.clear()
    response = httpx.post(f"{here.url}/{BUCKET}/", data=fields, files={"file": ("cli p.mp3", content, "audio/mpeg")})
    found = here.objects.head(BUCKET, "forms/cli p.mp3")

    assert response.status_code == 201, response.text
    assert content == found.file.read_bytes()
    assert (found.content_type, found.headers["x-oss-meta-by"]) == ("audio/mpeg", "a form")
    assert here.names() == ["ObjectCreated:PostObject"]


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("AccessDenied", {}),
        ("AccessDenied", v1_form(policy(minutes=-1))),
        ("AccessDenied", v1_form(policy(conditions=[["starts-with", "$key", "allowed/"]]))),
        ("AccessDenied", v1_form(policy(conditions=[["content-length-range", 0, 2]]))),
        ("AccessDenied", v1_form(policy(conditions=[{"bucket": "another"}]))),
        ("SignatureDoesNotMatch", {**v1_form(policy()), "Signature": "x"}),
        ("InvalidPolicyDocument", v1_form(base64.b64encode(b"{").decode())),
    ],
)
def test_a_form_that_violates_its_policy_is_rejected(here: World, code: str, fields: dict[str, str]) -> None:
    """Unsigned, expired, out of bounds or forged; no object is stored."""
    response = httpx.post(f"{here.url}/{BUCKET}", data={"key": "form-refused", **fields}, files={"file": b"123"})

    assert f"<Code>{code}</Code>" in response.text
    assert not here.bucket().object_exists("form-refused")


def test_additional_headers_of_v2_are_signed(here: World) -> None:
    """In a header and in a URL; a changed one invalidates the signature."""
    bucket, given = here.bucket(version="v2"), {"x-other": "1", "range": "bytes=0-1"}
    url = bucket.sign_url("GET", "k", 60, headers=dict(given), additional_headers={"x-other", "range"})

    assert httpx.get(url, headers=given).content == b"se"
    refused(here, "SignatureDoesNotMatch", url=url, headers={**given, "x-other": "2"})
    assert bucket.get_object("k", byte_range=(0, 1)).read() == b"se"
    assert "AdditionalHeaders:range," in here.requests[-1].headers["authorization"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_bucket_is_reported_before_an_unknown_key(here: World, version: str) -> None:
    """As the tests of the vendor's SDKs expect."""
    with pytest.raises(oss2.exceptions.NoSuchBucket) as caught:
        here.bucket("missing", Credential("LTAI-unknown", "x"), version=version).get_object("k")

    assert (caught.value.status, caught.value.details["EC"]) == (404, "0015-00000101")
