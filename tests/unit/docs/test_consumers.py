"""The consumers of examples/consume: what they make of events and signatures; and docs/consume.md is true."""

import base64
import hashlib
import importlib
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from clipstitch.common.errors import Issue
from clipstitch.jobs.completion_event import MAX_MESSAGE_BYTES, fit_to_message, make_event
from clipstitch.jobs.job import Failure, Job
from clipstitch_cli import exit_codes
from localyun.clock import HostClock
from localyun.deploy.project import read
from localyun.ram.credentials import Credential
from localyun.server import Endpoints
from localyun.smq.http.push import Certificate, string_to_sign
from tests.unit.jobs.test_completion_event import PLAN, RESULT_OBJECT, failed, rejected, succeeded

ROOT = Path(__file__).parents[3]
EXAMPLES, PAGE = ROOT / "examples" / "consume", ROOT / "docs" / "consume.md"
FILES = sorted(EXAMPLES.glob("*.py"))
ISSUE = Issue("CLIP_MISSING", "/clips/0", "is missing", "upload it")
ERROR = Failure("NOT_FOUND", "a.mp3 is gone", "Upload it again.")


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    """Import an example by its name, as it imports its neighbours."""
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module
    sys.path.remove(str(EXAMPLES))


# What is done with an event


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (succeeded(), "oss://acme-out/out/a b.mp3 is there, 2.501 s"),
        (failed(ERROR), "NOT_FOUND: a.mp3 is gone; Upload it again."),
        (rejected(ISSUE), "oss://acme/manifests/épisode 1.json has 1 mistake; the author must correct it"),
        (
            rejected(*[ISSUE] * 2000),
            "oss://acme/manifests/épisode 1.json has 2000 mistakes; the author must correct it",
        ),
    ],
    ids=["succeeded", "failed", "rejected", "rejected, and too long for a message"],
)
def test_every_state_has_its_words(example: Any, job: Job, said: str):
    """Whether or not the lists fit into the message."""
    assert said == example("act").outcome(fit_to_message(make_event(job), RESULT_OBJECT)["data"])


def test_what_failed_is_acted_on_again(example: Any, tmp_path: Path):
    """And what did not is not, by whichever instance."""
    file, tries = str(tmp_path / "inbox"), []

    def act(event: Mapping[str, Any]) -> None:
        tries.append(event["id"])
        if len(tries) == 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        example("inbox").Inbox(file).once({"id": "a"}, act)

    assert [True, False, True] == [example("inbox").Inbox(file).once({"id": name}, act) for name in "aab"]
    assert ["a", "a", "b"] == tries


def test_nobody_acts_while_somebody_else_does(example: Any, tmp_path: Path):
    """A twin waits for the commit; here it would wait for ever, so it gives up and is delivered again later."""
    file = str(tmp_path / "inbox")
    inbox = example("inbox").Inbox(file)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            inbox.once({"id": "a"}, lambda _: pytest.fail("acted"))
    other.close()


# Who pushed


class Push(NamedTuple):
    """What verifies a push, and a push that is right: one change at a time makes it wrong."""

    module: ModuleType
    certificate: Certificate
    trusted: str

    def headers(self, body: bytes = b"{}", date: datetime | None = None, **changed: str) -> dict[str, str]:
        """Sign a request."""
        headers = {
            "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
            "content-type": "application/json",
            "date": format_datetime(date or HostClock().now(), usegmt=True),
            "x-mns-signing-cert-url": base64.b64encode(f"{self.trusted}x.pem".encode()).decode(),
            "x-mns-version": "2015-06-06",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        return {**headers, "authorization": self.certificate.sign(string_to_sign("POST", headers, "/smq"))}

    def verify(self, headers: Mapping[str, str], body: bytes = b"{}", path: str = "/smq") -> None:
        """Check a request."""
        self.module.verify(path, headers, body, (self.trusted,))


@pytest.fixture(scope="module")
def push(example: Any, tmp_path_factory: pytest.TempPathFactory) -> Push:
    """Issue a certificate and put it where the endpoint fetches it."""
    folder = tmp_path_factory.mktemp("trusted")
    certificate = Certificate(HostClock())
    (folder / "x.pem").write_bytes(certificate.pem())
    return Push(example("push_endpoint"), certificate, f"{folder.as_uri()}/")


def test_what_the_vendor_signed_is_believed(push: Push):
    """Its digest in either spelling."""
    hexadecimal = base64.b64encode(hashlib.md5(b"{}").hexdigest().encode()).decode()

    push.verify(push.headers())
    push.verify(push.headers(content_md5=hexadecimal))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"authorization": "AAAA"}, "not signed"),
        ({"authorization": "é"}, "not signed"),
        ({"content-type": "text/plain"}, "not signed"),
        ({"x-mns-version": "2016-01-01"}, "not signed"),
        ({"date": "yesterday"}, "not signed"),
        ({"x-mns-signing-cert-url": "!"}, "the certificate is at"),
        ({"x-mns-signing-cert-url": "/w=="}, "not signed"),
        ({"x-mns-signing-cert-url": base64.b64encode(b"https://evil.example/x.pem").decode()}, "the certificate is at"),
    ],
)
def test_a_header_that_was_changed_is_noticed(push: Push, change: dict[str, str], why: str):
    """Whichever."""
    with pytest.raises(push.module.Refused, match=why):
        push.verify({**push.headers(), **change})


def test_a_body_or_a_path_that_was_changed_is_noticed(push: Push):
    """Of the body the digest is signed, so that is compared."""
    for body, path, why in ((b"[]", "/smq", "the body"), (b"{}", "/other", "not signed")):
        with pytest.raises(push.module.Refused, match=why):
            push.verify(push.headers(), body, path)


@pytest.mark.parametrize("name", ["authorization", "date", "content-md5", "x-mns-signing-cert-url"])
def test_a_header_that_is_missing_is_noticed(push: Push, name: str):
    """Nothing is taken for granted."""
    headers = push.headers()
    del headers[name]

    with pytest.raises(push.module.Refused):
        push.verify(headers)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_an_old_push_is_refused(push: Push, minutes: int):
    """Somebody may have kept it."""
    with pytest.raises(push.module.Refused, match="signed"):
        push.verify(push.headers(date=datetime.now(timezone.utc) + timedelta(minutes=minutes)))  # noqa: TID251 - likewise


@pytest.mark.parametrize(
    "url",
    [
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com.evil.example/x.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com@evil.example/x.pem",
        "https://evil.oss-cn-hangzhou.aliyuncs.com/x.pem",
        "https://evil.example/https://mnstest.oss-cn-hangzhou.aliyuncs.com/x.pem",
        "file:///etc/passwd",
        "",
    ],
)
def test_only_the_vendors_buckets_have_certificates(push: Push, url: str):
    """A host below aliyuncs.com is not enough: everybody may have a bucket there."""
    with pytest.raises(push.module.Refused):
        push.module.trusted_url(url, tuple(push.module.vendors("cn-beijing")))


@pytest.mark.parametrize("bucket", ["mnstest.oss-cn-hangzhou", "mns-cert.oss-cn-beijing"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_vendors_certificate_is_fetched_over_tls(push: Push, scheme: str, bucket: str):
    """Whatever the header says."""
    trusted = tuple(push.module.vendors("cn-beijing"))
    name = f"{bucket}.aliyuncs.com/x509_public_certificate.pem"

    assert f"https://{name}" == push.module.trusted_url(f"{scheme}://{name}", trusted)


def test_a_bucket_that_no_page_names_has_no_certificates(push: Push):
    """Nobody says whose mns-cert is outside China."""
    assert ["https://mnstest.oss-cn-hangzhou.aliyuncs.com/"] == push.module.vendors("ap-southeast-1")


# What the page says


def page() -> str:
    """Return the page."""
    return PAGE.read_text("utf-8")


def test_every_file_is_on_the_page():
    """And every link leads somewhere."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page())

    assert {f"../examples/consume/{file.name}" for file in FILES} <= set(links)
    assert [] == [link for link in links if not (PAGE.parent / link).exists()]


def test_every_variable_is_on_the_page():
    """Those of the consumers, with their defaults, and nothing that nobody reads."""
    texts = [file.read_text("utf-8") for file in FILES]
    read = {name for text in texts for name in re.findall(r'env(?:iron)?(?:\.get\(|\[)"([A-Z_]+)"', text)}
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", page(), re.MULTILINE))
    defaults = {match for text in texts for match in re.findall(r'get\("(CONSUMER_\w+)", "([^"]+)"', text)}

    assert read == told
    assert all(
        re.search(rf"^\| `{name}` \|.*`{re.escape(default)}`", page(), re.MULTILINE) for name, default in defaults
    )


def test_the_local_cloud_prints_what_the_page_says():
    """Everything but what is the consumers' own, which stands last."""
    printed = Endpoints("", "", "", "", Credential("id", "secret"), read(ROOT, {})).environment()
    told = re.findall(r"^\| `([A-Z_]+)` \|", page(), re.MULTILINE)

    assert "prints all but the last five" in page()
    assert set(told[:-5]) <= set(printed)
    assert all(name.startswith("CONSUMER_") for name in told[-5:])


def keys(value: object, path: str = "") -> Iterator[str]:
    """Return the paths of a document's fields; lists are looked into."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}{name}"
            yield from keys(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, path)


def test_every_field_is_on_the_page():
    """Of small events and of those whose lists are elsewhere."""
    plan = PLAN._replace(labels={f"{number}": "x" * 200 for number in range(500)})
    titled = tuple(clip._replace(title="One") for clip in PLAN.clips)
    chapters = succeeded(PLAN._replace(output=PLAN.output._replace(chapters=True), clips=titled))
    jobs = [chapters, failed(ERROR), rejected(ISSUE), succeeded(plan), rejected(*[ISSUE] * 2000)]
    found = {name for job in jobs for name in keys(fit_to_message(make_event(job), RESULT_OBJECT))}
    told = re.findall(r"^\| `([a-z][\w.]*)` \|", page(), re.MULTILINE)
    states = [name for name in told if name in exit_codes.BY_STATE]

    assert list(exit_codes.BY_STATE) == states
    assert {name for name in found if not name.startswith("data.labels.")} | set(states) == set(told)


def test_the_figures_on_the_page_are_the_products():
    """How long a message may be, and how long it stays."""
    assert f"{MAX_MESSAGE_BYTES:,} bytes" in page()
