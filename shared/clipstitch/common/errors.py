"""The errors of clipstitch, with one base class. Each has a stable code, a remedy, and knows whether a retry can help.

docs/errors.md documents the codes.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class ClipstitchError(Exception):
    """The base class of all errors of clipstitch."""

    code: ClassVar[str] = "ERROR"
    remedy: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, code: str = "", *, retryable: bool = False) -> None:
        """Set the code of a class of errors; its remedy, and whether a retry can help, are inherited if not set."""
        cls.code = code or cls.code
        cls.retryable = retryable or cls.retryable

    def as_json(self) -> dict[str, str]:
        """Return code, message and remedy, as facts and events have them."""
        return {"code": self.code, "message": str(self), "remedy": self.remedy}


class CloudBusy(ClipstitchError, code="CLOUD_BUSY", retryable=True):
    """The cloud is temporarily unavailable or did not respond; a retry may succeed."""

    remedy = "No action needed: the call is retried."


class Throttled(CloudBusy, code="THROTTLED"):
    """The cloud rejected a call because of its rate limits; a retry after a delay may succeed."""

    remedy = "No action needed: the call is retried. If it persists, request higher limits; docs/operate.md says where."


class CloudRefused(ClipstitchError, code="CLOUD_REFUSED"):
    """The cloud rejected a call; a retry would fail, too."""

    remedy = "Read the cloud's message; docs/errors.md explains the common ones."


class AccessDenied(CloudRefused, code="ACCESS_DENIED", retryable=True):
    """The credentials are wrong or lack a permission. Retryable, since the operator can fix that."""

    remedy = "Check the access key, the session token and the permissions of the role that uses them."


class ClockSkewed(AccessDenied, code="CLOCK_WRONG"):
    """OSS or SMQ rejected a request that was signed more than 15 minutes before or after their time."""

    remedy = "Set this machine's clock; in a function, report it to the vendor."


class BucketNotFound(CloudRefused, code="BUCKET_MISSING"):
    """The bucket does not exist in this account and region."""

    remedy = "Create the bucket, or correct CLIPSTITCH_BUCKET, CLIPSTITCH_OUTPUT_BUCKETS or OSS_REGION."


class PublicEndpointForbidden(CloudRefused, code="PUBLIC_ENDPOINT_FORBIDDEN", retryable=True):
    """The account may not use OSS's default public endpoint for data. Retryable, since the operator can set another."""

    remedy = (
        "Set OSS_ENDPOINT to a domain of your own that is bound to the bucket, or, on a machine in the region, to the "
        "-internal endpoint; or deploy to another region; see docs/deploy.md, step 2."
    )


class ObjectArchived(CloudRefused, code="ARCHIVED"):
    """The object is archived and cannot be read before it is restored."""

    remedy = "Restore the object (OSS RestoreObject), or upload it as Standard or IA; then upload the manifest again."


class ProcessRefused(CloudRefused, code="PROCESS_REFUSED"):
    """The cloud rejected the process string; the message has its reason."""

    remedy = "Run `clipstitch explain` on the process string; if it has no warnings, please report a bug."


class OperationNotSupported(CloudRefused, code="NOT_OFFERED"):
    """The cloud does not support the operation in this region."""

    remedy = 'Use a region where IMM processes audio: OSS user guide, "Audio merging", supported regions.'


class BucketNotBound(CloudRefused, code="BUCKET_NOT_BOUND"):
    """The bucket has no IMM project, so OSS cannot process audio in it."""

    remedy = "Bind the bucket to an IMM project: IMM AttachOSSBucket, or the OSS console under IMM."


class SinkTargetNotFound(CloudRefused, code="SINK_TARGET_MISSING", retryable=True):
    """A topic or queue of the settings does not exist. Retryable, since the operator can create it."""

    remedy = "Create the topic or queue, or correct CLIPSTITCH_SINKS."


class WebhookNoResponse(ClipstitchError, code="WEBHOOK_NO_ANSWER", retryable=True):
    """A webhook receiver sent no valid HTTP response in time."""

    remedy = "No action needed if it is temporary: the delivery is retried for three days. Else check the receiver."


class WebhookBadResponse(ClipstitchError, code="WEBHOOK_ANSWER", retryable=True):
    """A webhook receiver responded with a status other than 2xx."""

    remedy = "Search the receiver's log for the id of the event; the delivery is retried for three days."


class WebhookAddressRefused(ClipstitchError, code="WEBHOOK_ADDRESS", retryable=True):
    """The host of a webhook has an address to which clipstitch does not send."""

    remedy = "Use https and a public host, or, for a receiver of your own, set CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE=true."


class SinkSwitchedOff(ClipstitchError, code="SINK_OFF"):
    """A webhook receiver responded with 410 Gone; the sink stays off until the operator switches it on."""

    remedy = "Remove the sink; or delete the object that the message names, which switches the sink on again."


class SinkUnresponsive(ClipstitchError, code="SINK_UNRESPONSIVE"):
    """A sink accepted nothing for three days."""

    remedy = "Repair the receiver; `clipstitch show JOB --json` has the event."


class ObjectNotFound(ClipstitchError, code="NOT_FOUND"):
    """The object does not exist. `nearest` is the most similar key that does, if one was looked for and found."""

    remedy = "Check the bucket and the key; keys are exact, including case and spaces."

    def __init__(self, message: str = "", *, nearest: str = "") -> None:
        super().__init__(message)
        self.nearest = nearest


class Superseded(ClipstitchError, code="SUPERSEDED"):
    """A newer job has already published the output."""

    remedy = "Nothing to do: the existing object is newer."


class NewerState(ClipstitchError, code="NEWER_STATE", retryable=True):
    """A later version of clipstitch has recorded something that this one cannot read. It is left untouched."""

    remedy = (
        "Deploy the later version again: its jobs go on then. To go back for good, first let its open jobs finish "
        "(`clipstitch jobs`)."
    )


class StateUnreadable(ClipstitchError, code="STATE_UNREADABLE", retryable=True):
    """A document of a job is damaged. clipstitch writes documents whole: something else changed it."""

    remedy = "Find out what writes below the state prefix, and upload the manifest again for a new job."


class AlreadyExists(ClipstitchError, code="ALREADY_THERE"):
    """A create-once write found an existing object, whose content is the decision."""


class NotAudio(ClipstitchError, code="NOT_AUDIO"):
    """The cloud finds no audio in an object."""

    remedy = "Upload the clip in a format that the action supports: mp3 wav flac oga aac m4a wma opus ac3 amr."


class ClipChanged(ClipstitchError, code="CLIP_CHANGED"):
    """A clip was replaced after the job was planned."""

    remedy = "Upload the manifest again, so that the job is planned with the new clip."


class RenderFailed(ClipstitchError, code="RENDER_FAILED", retryable=True):
    """FFmpeg crashed, hung or was ended while it rendered. Retryable, since another attempt may succeed."""

    remedy = "The step is started again. If it fails again, the log of the function `render` has what FFmpeg printed."


class OutputNotVisible(ClipstitchError, code="NOT_YET_THERE", retryable=True):
    """A completion notification reports success, but its output object does not exist yet."""

    remedy = (
        "No action needed: the notification is redelivered. If it persists, the notification is not from the cloud."
    )


class FailureUnconfirmed(ClipstitchError, code="NOTICE_UNCONFIRMED", retryable=True):
    """A completion notification reports a failure that no other source confirms."""

    remedy = OutputNotVisible.remedy


class InvalidSettings(ClipstitchError, code="BAD_SETTINGS"):
    """Environment variables are missing or not valid."""

    remedy = "Set the variables named in the message; docs/settings.md describes each."


class StateBucketVersioned(ClipstitchError, code="STATE_BUCKET_VERSIONED"):
    """The state bucket is versioned; there create-once writes overwrite silently."""

    remedy = "Use a bucket that never had versioning, and name it in CLIPSTITCH_STATE_BUCKET."


class InvalidTriggerEvent(ClipstitchError, code="BAD_TRIGGER"):
    """The event is not that of an OSS trigger."""

    remedy = "Connect the function to an OSS trigger; see s.yaml."


class InvalidNotification(ClipstitchError, code="BAD_NOTICE"):
    """The message has no known format of a completion notification."""

    remedy = "No action needed: the message goes to the dead-letter queue unchanged."


class InvalidProcessString(ClipstitchError, code="BAD_PROCESS"):
    """The string is not a process string."""

    remedy = "Compare it with the grammar in docs/process-strings.md."


class Issue(NamedTuple):
    """One error of a manifest: the JSON Pointer of its place, a stable code, what is wrong, what to do."""

    path: str
    code: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """Return the issue as facts and events have it."""
        return {"code": self.code, "path": self.path, "message": self.message, "remedy": self.remedy}

    @classmethod
    def from_json(cls, issue: Mapping[str, str]) -> "Issue":
        """Return the issue of such a mapping."""
        return cls(*(issue[name] for name in cls._fields))


class InvalidManifest(ClipstitchError, code="BAD_MANIFEST"):
    """A manifest with errors; `issues` has all of them.

    `clips` are path and key of the clips without an issue, so that probing can add the cloud's issues.
    """

    remedy = "Correct every issue and upload the manifest again."

    def __init__(self, issues: Sequence[Issue], clips: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__("; ".join(f"{issue.path or '/'}: {issue.message}" for issue in issues))
        self.issues = tuple(issues)
        self.clips = tuple(clips)


INTERNAL_ERROR = "INTERNAL_ERROR"


def error_json(error: Exception) -> dict[str, str]:
    """Return code, message and remedy of any exception; one that is not ours is an internal error."""
    if isinstance(error, ClipstitchError):
        return error.as_json()
    remedy = "This is a bug. Report it with the log line of level ERROR that names this job; it has the traceback."
    return {"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}", "remedy": remedy}
