"""The vendor's clients for Go and Java, and npm's ali-mns, against `clipstitch up`."""

from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import Credentials, HttpRequest, SigningContext

from localyun.oss.http.request import copy_source
from localyun.oss.http.signatures import SignedRequest, authenticate
from localyun.ram.credentials import Credential, Keyring
from tests.deploy import tools
from tests.flow.reference_cloud import clipstitch_up
from tests.flow.reference_toolchains import run_go, run_java, run_node

DATA = Path(__file__).parent / "data"
SDK = Path(__file__).parent / "sdk"
NOW = datetime(2026, 11, 23, 1, 30, tzinfo=timezone.utc)
OBJECTS = """\
get: 0123456789
range: 234
head: text/x-tour LANGUAGE 10
url: 0123456789
overwrite: FileAlreadyExists
append: one two
multipart: true
tags: v
list: 1 true false
folders: a folder/,copy of a folder/ 2
deleted: 4 true
exists: false
missing: NoSuchKey
bucket: false
"""
QUEUES = """\
queue: hallo 你好 1
cancelled: true
subscribed: true
topic: {"published": true}
deleted: QueueNotExist
"""
GO_QUEUES = """\
ordered: true true
queue: true 60
empty: true
message: hallo <你好> 1 8
batch: 2 [a b]
topic: true published
deleted: true
"""
NODE_QUEUES = """\
created: 201
queue: 60 http://1234567890123456.mns.cn-hangzhou.aliyuncs.com/queues/node-q
cancelled: 204
empty: MessageNotExist
peeked: hallo <你好>
message: hallo <你好> 1
batch: a,b 204
topic: published
deleted: QueueNotExist
"""


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """Run one local cloud; the empty variable of its token is omitted, as users omit it."""
    with clipstitch_up() as printed:
        yield {name: value for name, value in printed.items() if value}


def objects(language: str) -> str:
    """Return the expected output of the OSS program, for each signature version."""
    return "".join(f"signature: {version}\n{OBJECTS}" for version in ("v1", "v4")).replace("LANGUAGE", language)


def test_go_client_stores_reads_copies_lists_and_deletes(variables: dict[str, str], tmp_path: Path) -> None:
    """The client aliyun-oss-go-sdk works with V1 and V4, with special characters in keys, and with parallel parts."""
    printed = run_go((DATA / "tour.go").read_text("utf-8"), tmp_path, variables)

    assert objects("go") == printed


def test_java_clients_use_objects_queues_and_topics(variables: dict[str, str], tmp_path: Path) -> None:
    """The clients are aliyun-sdk-oss with V1 and V4, and aliyun-sdk-mns with a queue, a topic and a subscription."""
    printed = run_java((DATA / "Demo.java").read_text("utf-8"), tmp_path, variables)

    assert objects("java") + QUEUES == printed


def test_go_client_uses_queues_and_topics(variables: dict[str, str], tmp_path: Path) -> None:
    """The client aliyun-mns-go-sdk sends no namespace; version 1 accepts no other host names than the vendor's."""
    assert GO_QUEUES == run_go((SDK / "messages.go").read_text("utf-8"), tmp_path, variables, SDK)


def test_node_client_uses_queues_and_topics(variables: dict[str, str], tmp_path: Path) -> None:
    """The client ali-mns keeps the vendor's host names, with the local cloud as its proxy."""
    tools.require(tools.MNS_CLIENT, "the SMQ client for Node")
    proxied = {**variables, "http_proxy": variables["MNS_ENDPOINT"], "no_proxy": ""}

    assert NODE_QUEUES == run_node(SDK / "messages.js", tmp_path, proxied, tools.MNS_CLIENT.parent)


def test_a_v4_signature_may_use_the_date_header() -> None:
    """The Go client sends no x-oss-date and signs its Date header unchanged, as the vendor documents."""
    date, scope = format_datetime(NOW, usegmt=True), "20261123/cn-hangzhou/oss/aliyun_v4_request"
    request = HttpRequest("GET", "http://oss/bucket/k?acl", {"Date": date, "x-oss-content-sha256": "UNSIGNED-PAYLOAD"})
    signer, context = SignerV4(), SigningContext("oss", "cn-hangzhou", "bucket", "k", request, Credentials("ak", "sk"))
    text = signer._calc_string_to_sign(date, scope, signer._calc_canonical_request(context, []))
    signature = signer._calc_signature("sk", "20261123", "cn-hangzhou", "oss", text)
    authorization = f"OSS4-HMAC-SHA256 Credential=ak/{scope},Signature={signature}"
    headers = {"date": date, "x-oss-content-sha256": "UNSIGNED-PAYLOAD", "authorization": authorization}

    found = authenticate(
        SignedRequest("GET", "/bucket/k", {"acl": ""}, headers), Keyring(Credential("ak", "sk")), NOW, "cn-hangzhou"
    )

    assert found == Credential("ak", "sk")


def test_a_plus_sign_in_a_copy_source_is_a_space() -> None:
    """The Go client encodes the source of a copy like a form; a literal plus sign is always %2B."""
    assert ("bucket", "a folder/b+c", "") == copy_source("/bucket/a+folder%2Fb%2Bc")
