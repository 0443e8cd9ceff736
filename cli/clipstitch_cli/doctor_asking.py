"""Asks a real cloud, or the local one, what a doctor wants to know: through the vendor's own clients, reading only."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from alibabacloud_fc20230330 import models as fc  # type: ignore[import-untyped]
from alibabacloud_fc20230330.client import Client as FcClient  # type: ignore[import-untyped]
from alibabacloud_imm20200930 import models as imm  # type: ignore[import-untyped]
from alibabacloud_imm20200930.client import Client as ImmClient  # type: ignore[import-untyped]
from alibabacloud_tea_openapi.models import Config  # type: ignore[import-untyped]
from mns.account import Account
from mns.mns_exception import MNSServerException
from Tea.exceptions import TeaException, UnretryableException  # type: ignore[import-untyped]

from clipstitch.adapters.lean_oss2 import oss2
from clipstitch.adapters.mns import ours as ours_mns
from clipstitch.adapters.oss import OssBuckets
from clipstitch.cloud import Cloud
from clipstitch.errors import AccessDenied, ClipstitchError, CloudBusy, CloudRefused, Missing, NoSuchTarget
from clipstitch.job import TOLD, WAITING, Fact, Job
from clipstitch.ledger import SINKS, Ledger
from clipstitch.refs import uploaded_at
from clipstitch.settings import AccessKey, Settings
from clipstitch_cli.doctor_facts import Bucket, Function, KeyRefused, OpenJob, OtherRegion, Queue, read_function

TIMEOUT_S, TIMEOUT_MS = 20, 20_000
_NO_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken", "SecurityTokenExpired"})


class CloudQuestions:
    """The `Questions` of a doctor, asked over HTTP."""

    def __init__(self, cloud: Cloud, key: AccessKey, fc_endpoint: str, imm_endpoint: str) -> None:
        self._cloud, self._key = cloud, key
        self._settings = cloud.settings
        self._account = Account(self._settings.mns_endpoint, key.id, key.secret, key.token or "")
        self._fc, self._imm = fc_endpoint, imm_endpoint

    def skew(self) -> timedelta:
        """Compare our clock with the Date of an answer, halfway between question and answer."""
        before = self._cloud.clock.now()
        date = _date_of(self._settings.oss_endpoint)
        after = self._cloud.clock.now()
        skew = before + (after - before) / 2 - date
        return timedelta() if abs(skew) < timedelta(seconds=1) else skew  # a Date has whole seconds

    def bucket(self, name: str) -> Bucket | None:
        """Call GetBucketInfo; any endpoint answers it ("GetBucketInfo", 2026), or else names the right one."""
        try:
            info = _bucket_info(name, self._settings, self._key)
        except Missing:
            return None
        return Bucket(name, str(info.location).removeprefix("oss-"), info.versioning_status or "")

    def project_of(self, bucket: str) -> str | None:
        """Call IMM's GetOSSBucketAttachment; a bucket that is not attached has none, which IMM calls not found."""
        client = ImmClient(_config(self._imm, self._key, self._settings.oss_region))
        try:
            with _ours(f"asking IMM for the attachment of {bucket}"):
                request = imm.GetOSSBucketAttachmentRequest(ossbucket=bucket)
                return str(client.get_ossbucket_attachment(request).body.project_name)
        except Missing:
            return None

    def has_topic(self, name: str) -> bool:
        """Call GetTopicAttributes."""
        return _there(lambda: self._account.get_topic(name).get_attributes(), f"topic {name}")

    def queue(self, name: str) -> Queue | None:
        """Call GetQueueAttributes, and peek, which hides nothing."""
        queue = self._account.get_queue(name)
        queue.set_encoding(False)
        try:
            with ours_mns(f"looking at queue {name}"):
                letters = _counted(queue)
        except NoSuchTarget:
            return None
        since = _first_seen(queue)
        return Queue(name, max(letters, 1 if since else 0), since)

    def function(self, name: str) -> Function | None:
        """Call GetFunction, GetAsyncInvokeConfig and ListTriggers."""
        client = FcClient(_config(self._fc, self._key, self._settings.oss_region))
        with _ours(f"asking Function Compute about {name}"):
            found = _document(lambda: client.get_function(name, fc.GetFunctionRequest()))
            if found is None:
                return None
            rules = _document(lambda: client.get_async_invoke_config(name, fc.GetAsyncInvokeConfigRequest()))
            triggers = [trigger.to_map() for trigger in _all_triggers(client, name)]
        return read_function(found, rules or {}, triggers)

    def open_jobs(self) -> list[OpenJob]:
        """Read the open markers, and the facts of jobs past their deadline; in a versioned bucket too."""
        state = self._settings.state_bucket or self._settings.bucket
        ledger = Ledger(self._cloud.objects, state, self._settings.state_prefix)
        return [self._open_job(job_id, ledger) for job_id in ledger.open_jobs()]

    def _open_job(self, job_id: str, ledger: Ledger) -> OpenJob:
        """Look into a job, if it is late."""
        uploaded, deadline = uploaded_at(job_id), timedelta(seconds=self._settings.deadline_s)
        if self._cloud.clock.now() - uploaded < deadline:
            return OpenJob(job_id, uploaded)
        job = ledger.load(job_id)
        late = self._cloud.clock.now() - _begun(job, ledger) - deadline
        owed = tuple(sorted(set(job.owed) - job.details(TOLD))) if job.verdict else ()
        return OpenJob(job_id, uploaded, late if late > timedelta() else None, owed)

    def switched_off(self) -> list[str]:
        """List the objects that switch sinks off."""
        bucket = self._settings.state_bucket or self._settings.bucket
        listed = self._cloud.objects.list(bucket, self._settings.state_prefix + SINKS)
        return [f"oss://{bucket}/{found.key}" for found in listed if found.key.endswith(".off")]


def _date_of(endpoint: str) -> datetime:
    """Return the Date of an unsigned request's answer, which is a refusal: a clock that is wrong cannot spoil it."""
    try:
        with urlopen(endpoint if "://" in endpoint else f"https://{endpoint}", timeout=TIMEOUT_S) as answer:  # noqa: S310 - the operator's endpoint
            date = answer.headers["Date"]
    except HTTPError as error:
        date = error.headers["Date"]
    except OSError as error:
        raise CloudBusy(f"asking {endpoint} for the time: {error}") from error
    if not date:
        raise CloudRefused(f"{endpoint} says no Date, so it is not OSS")
    return parsedate_to_datetime(date)


def _bucket_info(name: str, settings: Settings, key: AccessKey) -> Any:
    """Call GetBucketInfo, and sort its refusals."""
    try:
        return OssBuckets(settings, key)(name).get_bucket_info()
    except oss2.exceptions.OssError as error:
        raise _bucket_trouble(error, name, settings) from error


def _bucket_trouble(error: Any, name: str, settings: Settings) -> ClipstitchError:
    """Say what a refusal means; a request for another region's bucket is answered with the right endpoint.

    OSS, "403 error", 2026: "must be addressed using the specified endpoint", with an Endpoint; "0002-00000207" has
    RegionExpected.
    """
    text = f"looking at bucket {name}: {error.code or 'no answer'} ({error.status}): {error.message or error.body}"
    if error.code == "NoSuchBucket":
        return Missing(text)
    if expected := error.details.get("RegionExpected"):
        line = f"OSS_ENDPOINT {settings.oss_endpoint} is in {expected}, but OSS_REGION says {settings.oss_region}"
        return OtherRegion(line, expected)
    if region := region_in(error.details.get("Endpoint", "")):
        line = f"bucket {name} lies in {region}, but OSS_REGION says {settings.oss_region}"
        return OtherRegion(line, region)
    if error.code in _NO_KEY:
        return KeyRefused(f"{error.code}: {error.message}")
    if error.status < 0 or error.status >= 500:
        return CloudBusy(text)
    return AccessDenied(text) if error.status == 403 else CloudRefused(text)


def region_in(endpoint: str) -> str:
    """Return the region that an endpoint of OSS names.

    >>> region_in("https://oss-cn-beijing-internal.aliyuncs.com"), region_in("127.0.0.1")
    ('cn-beijing', '')
    """
    label = endpoint.partition("://")[2] or endpoint
    name = next((part for part in label.split(".") if part.startswith("oss-")), "")
    return name.removeprefix("oss-").removesuffix("-internal")


def _there(look: Callable[[], object], what: str) -> bool:
    """Say whether SMQ has something."""
    try:
        with ours_mns(f"looking at {what}"):
            look()
    except NoSuchTarget:
        return False
    return True


def _counted(queue: Any) -> int:
    """Count a queue's messages. The SDK warns that SMQ may stop counting; even reading the answer makes it warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        about = queue.get_attributes()
        return sum(max(0, int(n)) for n in (about.active_messages, about.inactive_messages, about.delay_messages))


def _first_seen(queue: Any) -> datetime | None:
    """Return when a message came that can be seen; None when all are hidden."""
    try:
        with ours_mns(f"peeking into queue {queue.queue_name}"):
            return datetime.fromtimestamp(queue.peek_message().enqueue_time / 1000, timezone.utc)
    except ClipstitchError as error:
        if isinstance(error.__cause__, MNSServerException):
            return None
        raise


def _config(endpoint: str, key: AccessKey, region: str) -> Config:
    """Configure an OpenAPI client."""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return Config(
        access_key_id=key.id,
        access_key_secret=key.secret,
        security_token=key.token,
        endpoint=parts.netloc,
        protocol=parts.scheme,
        region_id=region,
        connect_timeout=TIMEOUT_MS,
        read_timeout=TIMEOUT_MS,
    )


@contextmanager
def _ours(doing: str) -> Iterator[None]:
    """Let no error of an OpenAPI client past; say what we were doing."""
    try:
        yield
    except TeaException as error:
        raise _translate(error, doing) from error
    except (UnretryableException, OSError) as error:
        raise CloudBusy(f"{doing}: {error}") from error


def _translate(error: TeaException, doing: str) -> ClipstitchError:
    """Turn an OpenAPI refusal into one of ours."""
    status, text = getattr(error, "status_code", 0) or 0, f"{doing}: {error.code}: {error.message}"
    if status == 404 or "NotFound" in str(error.code):
        return Missing(text)
    if status >= 500 or status == 429 or not status:
        return CloudBusy(text)
    return AccessDenied(text) if status in (401, 403) else CloudRefused(text)


def task_definition(endpoint: str, project: str, task: str, key: AccessKey, region: str) -> dict[str, Any]:
    """Call IMM's GetTask for what a task was asked to do: the CreateMediaConvertTask that a process string became."""
    client = ImmClient(_config(endpoint, key, region))
    with _ours(f"asking IMM what task {task} was asked for"):
        answer = client.get_task(imm.GetTaskRequest(project, True, task, "MediaConvert")).body
    return dict(json.loads(answer.task_request_definition or "{}"))


def _document(call: Callable[[], Any]) -> Mapping[str, Any] | None:
    """Return an answer as the API's document; None when there is no such thing."""
    try:
        return call().body.to_map()  # type: ignore[no-any-return] # the vendor's models have no types
    except TeaException as error:
        if getattr(error, "status_code", 0) == 404:
            return None
        raise


def _all_triggers(client: FcClient, name: str) -> Iterator[Any]:
    """Yield a function's triggers, page by page."""
    token = None
    while True:
        page = client.list_triggers(name, fc.ListTriggersRequest(limit=100, next_token=token)).body
        yield from page.triggers or ()
        token = page.next_token
        if not token:
            return


def _begun(job: Job, ledger: Ledger) -> datetime:
    """Return from when a job's deadline counts, as the sweep does: its upload, or the end of its wait for clips."""
    if not job.knows(WAITING):
        return uploaded_at(job.id)
    until = str(ledger.document(job.id, Fact(WAITING))["until"])
    return datetime.fromisoformat(until.replace("Z", "+00:00"))
