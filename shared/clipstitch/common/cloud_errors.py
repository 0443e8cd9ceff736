"""What the cloud's refusals mean: by status, code and words to one of our errors, which knows whether a retry can help.

Two tables, read from above, the first row that fits counts. Sources: OSS, "Error responses", 2026, and pages by EC;
IMM, "Error handling", 2024-12-26; live tests of the Go SDKs, 2026. How failed tasks are worded is nowhere documented.
"""

from typing import NamedTuple

from clipstitch.common.errors import (
    AccessDenied,
    AlreadyExists,
    BucketNotBound,
    BucketNotFound,
    ClipstitchError,
    ClockSkewed,
    CloudBusy,
    CloudRefused,
    ObjectArchived,
    ObjectNotFound,
    OperationNotSupported,
    ProcessRefused,
    Throttled,
)

# IMM, "FAQ about limits", 2026: over its limits it rejects at once; how is not documented, so words are matched.
_TOO_OFTEN = ("throttl", "qpslimit", "ratelimit", "concurren", "flowcontrol", "too many", "slowdown")
_ITS_OWN_FAULT = ("internalerror", "serviceunavailable", "timeout")


class CloudErrorRule(NamedTuple):
    """What a refusal means. `code` is compared whole, `words` are looked for in the message; "" and 0 fit all."""

    means: type[ClipstitchError]
    code: str = ""
    words: str = ""
    status: int = 0

    def fits(self, status: int, code: str, message: str) -> bool:
        """Say whether a refusal is of this kind."""
        return self.status in (0, status) and self.code in ("", code) and self.words.casefold() in message.casefold()


IMM_CODE = "Imm Client"  # OSS's code for all that IMM refuses; IMM's own code is the first word of the message

CLOUD_ERROR_RULES = (
    CloudErrorRule(AlreadyExists, "FileAlreadyExists"),
    CloudErrorRule(ObjectNotFound, "NoSuchKey"),
    CloudErrorRule(ObjectNotFound, "SymlinkTargetNotExist"),
    CloudErrorRule(BucketNotFound, "NoSuchBucket"),
    CloudErrorRule(ObjectArchived, "InvalidObjectState"),  # EC 0016-00000404, page of 2024-04-29
    CloudErrorRule(ClockSkewed, "RequestTimeTooSkewed"),
    CloudErrorRule(AccessDenied, "SignatureDoesNotMatch"),
    CloudErrorRule(AccessDenied, "InvalidAccessKeyId"),
    CloudErrorRule(AccessDenied, "SecurityTokenExpired"),
    CloudErrorRule(AccessDenied, "InvalidSecurityToken"),
    CloudErrorRule(AccessDenied, "AccessDenied"),
    CloudErrorRule(BucketNotBound, IMM_CODE, "Attachment is not found"),
    CloudErrorRule(BucketNotBound, IMM_CODE, "project is not found"),
    CloudErrorRule(OperationNotSupported, IMM_CODE, "Route is not found"),
    CloudErrorRule(AccessDenied, IMM_CODE, "AccessDenied"),
    CloudErrorRule(AccessDenied, IMM_CODE, "not authorized"),
    CloudErrorRule(AccessDenied, status=403),
    CloudErrorRule(ProcessRefused, IMM_CODE),
    CloudErrorRule(ProcessRefused, "InvalidRequest", "x-oss-async-process"),
    CloudErrorRule(CloudRefused),
)


def classify(status: int, code: str, message: str) -> type[ClipstitchError]:
    """Return what a refusal means; a status below 0 stands for no answer.

    >>> meaning(400, "Imm Client", "ResourceNotFound, The specified resource Attachment is not found. 9D31").__name__
    'NotBound'
    """
    if _speaks_of(_TOO_OFTEN, code, message) or status == 429:
        return Throttled
    if status < 0 or status >= 500 or _speaks_of(_ITS_OWN_FAULT, code, message):
        return CloudBusy
    return next(row.means for row in CLOUD_ERROR_RULES if row.fits(status, code, message))


def is_transient(code: str, message: str) -> bool:
    """Say whether the cloud's words speak of something that passes: too many requests, or a fault of its own.

    >>> passing("Throttling.User", ""), passing("InvalidArgument", "File does not exist.")
    (True, False)
    """
    return _speaks_of(_TOO_OFTEN + _ITS_OWN_FAULT, code, message)


def _speaks_of(words: tuple[str, ...], code: str, message: str) -> bool:
    """Say whether any of these words is there."""
    said = f"{code} {message}".lower()
    return any(word in said for word in words)


class TaskFailure(NamedTuple):
    """What to do about a task that failed: `code` is how its code begins, `words` stand in its message."""

    code: str
    words: str
    remedy: str


TASK_FAILURES = (
    TaskFailure(
        "InvalidArgument",
        "does not exist",
        "A clip went away after it was looked at. Upload it again, then the manifest.",
    ),
    TaskFailure(
        "AccessDenied",
        "",
        "IMM's service role may not read the clips or write the work folder; grant it, then upload the manifest again.",
    ),
    TaskFailure(
        "ResourceNotFound",
        "",
        "The bucket's IMM project is gone: run `clipstitch doctor`, then upload the manifest again.",
    ),
    TaskFailure("", "", "Read the message: it names the clip. Correct the clip or the manifest, and upload it again."),
)


def remedy_for(code: str, message: str) -> str:
    """Say what to do about a task that failed for good, or too often.

    >>> remedy_for("InvalidArgument", "oss://b/k does not exist")
    'A clip went away after it was looked at. Upload it again, then the manifest.'
    """
    if is_transient(code, message):
        return "The cloud was busy for longer than we tried. Upload the manifest again later."
    return next(row.remedy for row in TASK_FAILURES if code.startswith(row.code) and row.words in message)
