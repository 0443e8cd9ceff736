"""Everything this package refuses or fails to do: one root, and each error knows whether a retry can help.

`code` is stable and documented in docs/errors.md, `remedy` says what to do about it.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class ClipstitchError(Exception):
    """Anything this package refuses or fails to do."""

    code: ClassVar[str] = "ERROR"
    remedy: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def as_json(self) -> dict[str, str]:
        """Return code, message and remedy, as facts and events carry them."""
        return {"code": self.code, "message": str(self), "remedy": self.remedy}


class CloudBusy(ClipstitchError):
    """The cloud said "later", or nothing at all; the same call may work next time."""

    code = "CLOUD_BUSY"
    remedy = "Nothing to do: the call is made again."
    retryable = True


class Throttled(CloudBusy):
    """The cloud was asked too often, and did nothing; after a rest the same call may work."""

    code = "THROTTLED"
    remedy = "Nothing to do: the call is made again. If it stays so, ask for higher limits; docs/operate.md says where."


class CloudRefused(ClipstitchError):
    """The cloud will not do this, however often it is asked."""

    code = "CLOUD_REFUSED"
    remedy = "Read the cloud's message; docs/errors.md explains the common ones."


class AccessDenied(CloudRefused):
    """The credentials are wrong, or lack a right. The operator can mend that, so the delivery is worth repeating."""

    retryable = True

    code = "ACCESS_DENIED"
    remedy = "Check the access key, the session token and the rights of the role that uses them."


class ClockSkewed(AccessDenied):
    """OSS and SMQ refuse what was signed more than 15 minutes before or after their own time."""

    code = "CLOCK_WRONG"
    remedy = "Set this machine's clock; in a function, report it to the vendor."


class BucketNotFound(CloudRefused):
    """There is no bucket of that name in this account and region."""

    code = "BUCKET_MISSING"
    remedy = "Create the bucket, or correct CLIPSTITCH_BUCKET, CLIPSTITCH_OUTPUT_BUCKETS or OSS_REGION."


class ObjectArchived(CloudRefused):
    """An object is archived, and cannot be read before it is restored."""

    code = "ARCHIVED"
    remedy = "Restore the object (OSS RestoreObject), or upload it as Standard or IA; then upload the manifest again."


class ProcessRefused(CloudRefused):
    """The cloud takes the process for wrong; the message has its words."""

    code = "PROCESS_REFUSED"
    remedy = "Run `clipstitch explain` on the process; if it looks right there, it is our mistake: please report it."


class OperationNotSupported(CloudRefused):
    """The cloud does not offer the operation here."""

    code = "NOT_OFFERED"
    remedy = 'Use a region where IMM processes audio: OSS user guide, "Audio merging", supported regions.'


class BucketNotBound(CloudRefused):
    """The bucket has no IMM project, so OSS cannot process audio in it."""

    code = "BUCKET_NOT_BOUND"
    remedy = "Bind the bucket to an IMM project: IMM AttachOSSBucket, or the OSS console under IMM."


class SinkTargetNotFound(CloudRefused):
    """A topic or queue that the settings name does not exist; the operator can create it."""

    retryable = True

    code = "SINK_TARGET_MISSING"
    remedy = "Create the topic or queue, or correct CLIPSTITCH_SINKS."


class WebhookNoResponse(ClipstitchError):
    """A webhook's receiver gave no answer in time, or none that is HTTP; it may the next time."""

    code = "WEBHOOK_NO_ANSWER"
    remedy = "Nothing to do if it passes: the webhook is told again for three days. Else look at the receiver."
    retryable = True


class WebhookBadResponse(ClipstitchError):
    """A webhook's receiver answered with something else than 2xx."""

    code = "WEBHOOK_ANSWER"
    remedy = "Look into the receiver's log for the event's id; the webhook is told again for three days."
    retryable = True


class WebhookAddressRefused(ClipstitchError):
    """A webhook's host leads to an address to which we do not send."""

    code = "WEBHOOK_ADDRESS"
    remedy = "Use https and a public host, or, for a receiver of your own, set CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE=true."
    retryable = True


class SinkSwitchedOff(ClipstitchError):
    """A webhook's receiver has answered 410 Gone; nothing is sent there until the operator says so."""

    code = "SINK_OFF"
    remedy = "Remove the sink, or remove the object that the message names, which switches it on again."


class ObjectNotFound(ClipstitchError):
    """No object has that name."""

    code = "NOT_FOUND"
    remedy = "Check bucket and key; keys are exact, including case and blanks."


class AlreadyExists(ClipstitchError):
    """A create-once object exists; what it says has been decided."""

    code = "ALREADY_THERE"


class NotAudio(ClipstitchError):
    """The cloud finds no audio in an object."""

    code = "NOT_AUDIO"
    remedy = "Upload the clip in a format that the action reads: mp3 wav flac oga aac m4a wma opus ac3 amr."


class OutputNotVisible(ClipstitchError):
    """A notice reports success, but the object it names cannot be seen."""

    code = "NOT_YET_THERE"
    remedy = "Nothing to do: the notice is delivered again. If it stays so, the notice was not the cloud's."
    retryable = True


class FailureUnconfirmed(ClipstitchError):
    """A notice reports a failure that nothing else speaks of."""

    code = "NOTICE_UNCONFIRMED"
    remedy = "Nothing to do: the notice is delivered again. If it stays so, the notice was not the cloud's."
    retryable = True


class InvalidSettings(ClipstitchError):
    """The environment does not say what is needed."""

    code = "BAD_SETTINGS"
    remedy = "Set the variables named in the message; docs/settings.md describes each."


class StateBucketVersioned(ClipstitchError):
    """The state bucket is versioned, where create-once writes silently overwrite."""

    code = "STATE_BUCKET_VERSIONED"
    remedy = "Use a bucket that never had versioning, and name it in CLIPSTITCH_STATE_BUCKET."


class InvalidTriggerEvent(ClipstitchError):
    """The event is not one that an OSS trigger sends."""

    code = "BAD_TRIGGER"
    remedy = "Connect the function to an OSS trigger; see s.yaml."


class InvalidNotification(ClipstitchError):
    """The message is in no shape that the cloud is known to send."""

    code = "BAD_NOTICE"
    remedy = "Nothing is lost: the message goes to the dead-letter queue as it came."


class InvalidProcessString(ClipstitchError):
    """A text is not a process string."""

    code = "BAD_PROCESS"
    remedy = "Compare with the grammar in docs/process-strings.md."


class Issue(NamedTuple):
    """One mistake in a manifest: a stable code, a JSON Pointer to the place, what is wrong, what to do."""

    path: str
    code: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """Return the issue as facts and events carry it."""
        return {"code": self.code, "path": self.path, "message": self.message, "remedy": self.remedy}

    @classmethod
    def from_json(cls, issue: Mapping[str, str]) -> "Issue":
        """Read back what `as_json` wrote."""
        return cls(issue["path"], issue["code"], issue["message"], issue["remedy"])


class InvalidManifest(ClipstitchError):
    """A manifest with mistakes; `issues` holds all of them.

    `clips` are those that could be read all the same, by place and key: the cloud may know more against them.
    """

    code = "BAD_MANIFEST"
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
