"""The context that `bootstrap` builds: which adapters it has, and that expensive ones are imported when used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clipstitch.bootstrap import build_context
from clipstitch.common.errors import CloudBusy, InvalidSettings, WebhookAddressRefused
from clipstitch.common.ports import Webhook
from tests.receiver import SECRET
from tests.unit.usecases.test_settings import OSS, SMALLEST
from tests.world import FakeClock

CLOSED_PORT = "http://127.0.0.1:1"
ENV = {**SMALLEST, **OSS, "OSS_ENDPOINT": CLOSED_PORT, "MNS_ENDPOINT": CLOSED_PORT}
SHARED = Path(__file__).parents[3] / "shared"


def test_settings_and_clock_are_those_that_were_passed_in() -> None:
    """Nothing else is read."""
    clock = FakeClock()
    context = build_context(ENV, clock=clock)

    assert "acme" == context.settings.bucket
    assert clock.now() == context.clock.now()


def test_without_a_clock_the_context_has_that_of_the_machine() -> None:
    """In UTC."""
    now = build_context(ENV).clock.now()

    assert now.tzinfo is not None
    assert 0 == now.utcoffset().total_seconds()  # type: ignore[union-attr]


def test_invalid_settings_raise_before_anything_is_imported() -> None:
    """One error names all of them."""
    with pytest.raises(InvalidSettings, match="OSS_REGION"):
        build_context({})


def test_a_custom_domain_does_not_reach_a_separate_state_bucket() -> None:
    """A domain is bound to one bucket; a request for another has a wrong signature, as if the key were wrong."""
    domain = {**ENV, "OSS_ENDPOINT": "https://audio.acme.example"}

    assert "acme" == build_context(domain).settings.bucket
    assert "facts" == build_context({**ENV, "CLIPSTITCH_STATE_BUCKET": "facts"}).settings.state_bucket_name
    with pytest.raises(InvalidSettings, match=r"audio\.acme\.example is a domain of one bucket; facts are in facts"):
        build_context({**domain, "CLIPSTITCH_STATE_BUCKET": "facts"})


def test_a_message_to_a_closed_port_is_a_busy_cloud() -> None:
    """The sender is built by the first message, and used by later ones."""
    context = build_context(ENV)

    with pytest.raises(CloudBusy):
        context.messages.publish("events", "text")
    with pytest.raises(CloudBusy):
        context.messages.send("events", "text")


def test_a_webhook_to_a_private_address_is_refused() -> None:
    """The setting that allows it is passed on to the sender."""
    clock = FakeClock()
    context = build_context(ENV, clock=clock)

    with pytest.raises(WebhookAddressRefused):
        context.webhooks.post(Webhook("PARTNER", "https://127.0.0.1:1/", (SECRET,)), "id", "{}", clock.now())


def test_the_state_of_a_task_is_unknown_without_imm() -> None:
    """OSS cannot tell it."""
    assert build_context(ENV).audio.task_outcome("MediaConvert-1") is None
    assert build_context({**ENV, "IMM_ENDPOINT": CLOSED_PORT}).audio.task_outcome("MediaConvert-1") is None


def test_with_imm_it_is_asked_for_the_state_of_a_task() -> None:
    """Endpoint and project are needed."""
    context = build_context({**ENV, "IMM_ENDPOINT": CLOSED_PORT, "CLIPSTITCH_IMM_PROJECT": "project"})

    with pytest.raises(CloudBusy, match="MediaConvert-1"):
        context.audio.task_outcome("MediaConvert-1")


def imported_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has imported after some code."""
    script = f"import sys; sys.path.insert(0, {str(SHARED)!r}); {code}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ran.stdout.split()}


def test_building_a_context_imports_neither_smq_nor_webhooks() -> None:
    """Most invocations send no event."""
    imported = imported_by(f"from clipstitch.bootstrap import build_context; build_context({ENV!r})")

    assert "oss2" in imported
    assert {"mns", "standardwebhooks"}.isdisjoint(imported)


def test_oss2_is_imported_without_its_encryption() -> None:
    """Its packages cost 40 % of the import, and leave no placeholder behind."""
    imported = imported_by("from clipstitch.adapters.oss2_import import oss2; assert oss2.Bucket")

    assert "oss2" in imported
    assert {"Crypto", "aliyunsdkcore", "aliyunsdkkms"}.isdisjoint(imported)


@pytest.mark.parametrize(
    "call",
    [
        "crypto.RSA()",
        "utils.random_key(8)",
        "utils.AESCTRCipher().get_key()",
    ],
)
def test_what_was_left_out_of_oss2_raises_when_it_is_used(call: str) -> None:
    """The error names it and gives the reason."""
    code = f"from clipstitch.adapters.oss2_import import oss2; oss2.{call}"
    script = f"import sys; sys.path.insert(0, {str(SHARED)!r}); {code}"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)

    assert re.search(r"NotImplementedError: Crypto\.\S+ is left out: clipstitch uses no", ran.stderr)


def run_with_oss2(code: str) -> str:
    """Return what a fresh interpreter prints that imports the reduced oss2 and then runs some code."""
    script = (
        f"import sys; sys.path.insert(0, {str(SHARED)!r}); import clipstitch.adapters.oss2_import, requests; {code}"
    )
    options = ("-W", "ignore", "-W", "error:::requests", "-c")
    return subprocess.run([sys.executable, *options, script], capture_output=True, text=True, check=True).stdout.strip()


def test_oss2_is_imported_without_what_no_request_needs() -> None:
    """HTTP/2, zip files and the detection of encodings cost a fifth of the import."""
    imported = run_with_oss2("print(*sys.modules)").split()

    assert "requests" in imported
    assert {"importlib.metadata", "zipfile", "shutil", "email.header", "charset_normalizer"}.isdisjoint(imported)


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print(requests.utils.zipfile.is_zipfile(sys.executable))", "False"),
        ("print(issubclass(requests.utils.zipfile.ZipFile, object))", "True"),
        ("print(requests.compat.chardet.detect('Zürich'.encode())['encoding'].lower())", "utf-8"),
        ("print(requests.packages.chardet.__name__)", "charset_normalizer"),
        ("import urllib3.http2; print(urllib3.http2.version('oss2')[:2])", "2."),
        ("import email._policybase as p; print(p.header.Header('a').encode())", "a"),
        ("import oss2.api; print(oss2.api.shutil.copyfileobj.__module__)", "shutil"),
        ("import zipfile, importlib.metadata as m; print(zipfile.ZIP_STORED, m.version('oss2')[:2])", "0 2."),
        ("import charset_normalizer as c; print(c.__version__ == '3.0.0', hasattr(c, 'from_bytes'))", "False True"),
    ],
)
def test_what_was_deferred_is_imported_when_it_is_used(code: str, printed: str) -> None:
    """Functions, classes and versions are the real ones, also in modules that had imported a placeholder."""
    assert printed == run_with_oss2(code)
