"""The consumers of examples/consume handle events and signatures correctly, and docs/consume.md is accurate."""

import base64
import hashlib
import importlib
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from clipstitch.common.errors import Issue
from clipstitch.jobs.completion_event import MAX_MESSAGE_BYTES, fit_to_message, make_event
from clipstitch.jobs.job import Failure, Job
from clipstitch.planning.plan import JobWarning
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
Load = Callable[[str], ModuleType]
ISSUE = Issue("CLIP_MISSING", "/clips/0", "is missing", "upload it")
ERROR = Failure("NOT_FOUND", "a.mp3 is gone", "Upload it again.")


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Return a function that imports a module of examples/consume by name."""
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module
    sys.path.remove(str(EXAMPLES))


# Acting on an event


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (succeeded(), "oss://acme-out/out/a b.mp3 is available, 2.501 s"),
        (failed(ERROR), "NOT_FOUND: a.mp3 is gone; Upload it again."),
        (rejected(ISSUE), "oss://acme/manifests/épisode 1.json has 1 error; the author must correct it"),
        (
            rejected(*[ISSUE] * 2000),
            "oss://acme/manifests/épisode 1.json has 2000 errors; the author must correct it",
        ),
    ],
    ids=["succeeded", "failed", "rejected", "rejected, and too long for a message"],
)
def test_every_state_has_its_own_sentence(load: Load, job: Job, sentence: str) -> None:
    """An event whose lists are too long for a message gives the same sentence."""
    assert sentence == load("act").describe_outcome(fit_to_message(make_event(job), RESULT_OBJECT)["data"])


def test_an_event_is_acted_on_again_only_if_acting_failed(load: Load, tmp_path: Path) -> None:
    """Another inbox that uses the same file does not act again either."""
    file = str(tmp_path / "inbox")
    attempts: list[str] = []

    def act(event: Mapping[str, Any]) -> None:
        attempts.append(event["id"])
        if len(attempts) == 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        load("inbox").Inbox(file).once({"id": "a"}, act)

    assert [True, False, True] == [load("inbox").Inbox(file).once({"id": name}, act) for name in "aab"]
    assert ["a", "a", "b"] == attempts


def test_an_inbox_locked_by_another_process_is_not_acted_on(load: Load, tmp_path: Path) -> None:
    """A duplicate waits for the commit of the first; after the lock timeout it fails, and is delivered again."""
    file = str(tmp_path / "inbox")
    inbox = load("inbox").Inbox(file)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            inbox.once({"id": "a"}, lambda _: pytest.fail("acted on the event"))
    other.close()


# Verifying a push


class Push(NamedTuple):
    """The module that verifies pushes, and the certificate and URL prefix for a valid push."""

    module: ModuleType
    certificate: Certificate
    trusted: str

    def headers(self, body: bytes = b"{}", date: datetime | None = None, **changed: str) -> dict[str, str]:
        """Return the headers of a signed request."""
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
        """Verify a request."""
        self.module.verify(path, headers, body, (self.trusted,))


@pytest.fixture(scope="module")
def push(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Push:
    """Create a certificate and store it where the push endpoint downloads it."""
    folder = tmp_path_factory.mktemp("trusted")
    certificate = Certificate(HostClock())
    (folder / "x.pem").write_bytes(certificate.pem())
    return Push(load("push_endpoint"), certificate, f"{folder.as_uri()}/")


def test_a_signed_push_is_accepted(push: Push) -> None:
    """The digest may be in binary or in hexadecimal format."""
    hexadecimal = base64.b64encode(hashlib.md5(b"{}").hexdigest().encode()).decode()

    push.verify(push.headers())
    push.verify(push.headers(content_md5=hexadecimal))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"authorization": "AAAA"}, "not signed"),
        ({"authorization": "é"}, "not signed"),
        ({"content-type": "text/plain"}, "not signed"),
        ({"x-mns-version": "2016-01-01"}, "not signed"),
        ({"date": "yesterday"}, "not signed"),
        ({"x-mns-signing-cert-url": "!"}, "the certificate URL is not trusted"),
        ({"x-mns-signing-cert-url": "/w=="}, "not signed"),
        (
            {"x-mns-signing-cert-url": base64.b64encode(b"https://evil.example/x.pem").decode()},
            "the certificate URL is not trusted",
        ),
    ],
)
def test_a_push_with_a_changed_header_is_rejected(push: Push, change: dict[str, str], message: str) -> None:
    """Every header that is signed or used for verification is covered."""
    with pytest.raises(push.module.RequestRejected, match=message):
        push.verify({**push.headers(), **change})


def test_a_push_with_a_changed_body_or_path_is_rejected(push: Push) -> None:
    """The signature covers the digest of the body, so the digest is compared with the body."""
    for body, path, message in ((b"[]", "/smq", "the body"), (b"{}", "/other", "not signed")):
        with pytest.raises(push.module.RequestRejected, match=message):
            push.verify(push.headers(), body, path)


@pytest.mark.parametrize("name", ["authorization", "date", "content-md5", "x-mns-signing-cert-url"])
def test_a_push_without_a_required_header_is_rejected(push: Push, name: str) -> None:
    """No required header has a default."""
    headers = push.headers()
    del headers[name]

    with pytest.raises(push.module.RequestRejected):
        push.verify(headers)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_push_with_an_old_or_future_date_is_rejected(push: Push, minutes: int) -> None:
    """The age limit prevents replays of recorded requests."""
    with pytest.raises(push.module.RequestRejected, match="signed"):
        push.verify(push.headers(date=datetime.now(timezone.utc) + timedelta(minutes=minutes)))  # noqa: TID251 - the endpoint uses the real clock


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
def test_a_certificate_url_outside_the_vendors_buckets_is_rejected(push: Push, url: str) -> None:
    """A host under aliyuncs.com is not enough, because any customer can have a bucket there."""
    with pytest.raises(push.module.RequestRejected):
        push.module.trusted_url(url, tuple(push.module.vendor_urls("cn-beijing")))


@pytest.mark.parametrize("bucket", ["mnstest.oss-cn-hangzhou", "mns-cert.oss-cn-beijing"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_vendors_certificate_is_downloaded_over_tls(push: Push, scheme: str, bucket: str) -> None:
    """An http:// URL in the header is changed to https://."""
    trusted = tuple(push.module.vendor_urls("cn-beijing"))
    name = f"{bucket}.aliyuncs.com/x509_public_certificate.pem"

    assert f"https://{name}" == push.module.trusted_url(f"{scheme}://{name}", trusted)


def test_outside_china_only_the_documented_bucket_is_trusted(push: Push) -> None:
    """The regional mns-cert buckets are documented for China only."""
    assert ["https://mnstest.oss-cn-hangzhou.aliyuncs.com/"] == push.module.vendor_urls("ap-southeast-1")


# The page


def page() -> str:
    """Return the text of docs/consume.md."""
    return PAGE.read_text("utf-8")


def test_the_page_links_every_example_and_all_links_exist() -> None:
    """Every file of examples/consume is linked, and every relative link has a target."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page())

    assert {f"../examples/consume/{file.name}" for file in FILES} <= set(links)
    assert [] == [link for link in links if not (PAGE.parent / link).exists()]


def test_the_page_lists_exactly_the_variables_that_the_examples_read() -> None:
    """Defaults of CONSUMER_ variables are listed, too."""
    texts = [file.read_text("utf-8") for file in FILES]
    read = {name for text in texts for name in re.findall(r'env(?:iron)?(?:\.get\(|\[)"([A-Z_]+)"', text)}
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", page(), re.MULTILINE))
    defaults = {match for text in texts for match in re.findall(r'get\("(CONSUMER_\w+)", "([^"]+)"', text)}

    assert read == listed
    assert all(
        re.search(rf"^\| `{name}` \|.*`{re.escape(default)}`", page(), re.MULTILINE) for name, default in defaults
    )


def test_the_local_cloud_prints_all_variables_on_the_page_except_the_last_five() -> None:
    """The last five are the settings of the consumers."""
    printed = Endpoints("", "", "", "", Credential("id", "secret"), read(ROOT, {})).environment()
    listed = re.findall(r"^\| `([A-Z_]+)` \|", page(), re.MULTILINE)

    assert "prints all but the last five" in page()
    assert set(listed[:-5]) <= set(printed)
    assert all(name.startswith("CONSUMER_") for name in listed[-5:])


def keys(value: object, path: str = "") -> Iterator[str]:
    """Return the paths of all fields of a document, including those in lists."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}{name}"
            yield from keys(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, path)


def test_the_page_lists_every_field_of_an_event() -> None:
    """The fields of events with shortened lists are included."""
    plan = PLAN._replace(labels={f"{number}": "x" * 200 for number in range(500)})
    titled = tuple(clip._replace(title="One") for clip in PLAN.clips)
    chapters = succeeded(PLAN._replace(output=PLAN.output._replace(chapters=True), clips=titled))
    assert chapters.result
    assert chapters.result.output
    warning = JobWarning("LENGTH_DIFFERS", "x" * 200, "a", "b", 1, 2)
    beside = chapters.result._replace(output=chapters.result.output._replace(webvtt=True), warnings=(warning,))
    warned = succeeded()._replace(result=chapters.result._replace(warnings=(warning,) * 500))
    jobs = [
        chapters._replace(result=beside),
        warned,
        failed(ERROR),
        rejected(ISSUE),
        succeeded(plan),
        rejected(*[ISSUE] * 2000),
    ]
    found = {name for job in jobs for name in keys(fit_to_message(make_event(job), RESULT_OBJECT))}
    listed = re.findall(r"^\| `([a-z][\w.]*)` \|", page(), re.MULTILINE)
    states = [name for name in listed if name in exit_codes.BY_STATE]

    assert list(exit_codes.BY_STATE) == states
    assert {name for name in found if not name.startswith("data.labels.")} | set(states) == set(listed)


def test_the_page_states_the_maximum_message_size() -> None:
    """The number on the page is that of the product."""
    assert f"{MAX_MESSAGE_BYTES:,} bytes" in page()
