"""Map the cloud's error responses and failed tasks to errors and remedies.

Sources: OSS, "Error responses", 2026, and pages by EC; IMM, "Error handling", 2024-12-26; live tests of the Go SDKs,
2026. The messages of failed tasks are not documented.
"""

from typing import NamedTuple

from clipstitch.common import errors

# IMM, "FAQ about limits", 2026: IMM rejects requests over its limits at once, in undocumented words.
# SMQ, "Throttling policy", 2026-01-13: TooManyRequests.
_THROTTLING = ("throttl", "qpslimit", "ratelimit", "concurren", "flowcontrol", "too many", "toomany", "slowdown")
_SERVER_FAULTS = ("internalerror", "internalservererror", "serviceunavailable", "timeout")
_RENDER_FAULTS = ("cloud_busy", "render_failed", "timed out")  # of the function `render`


class CloudErrorRule(NamedTuple):
    """The error that a response means. `code` must be equal, the message must contain `words`; "" and 0 match all."""

    means: type[errors.ClipstitchError]
    code: str = ""
    words: str = ""
    status: int = 0

    def matches(self, status: int, code: str, message: str) -> bool:
        """Return True if the rule applies to a response."""
        return self.status in (0, status) and self.code in ("", code) and self.words.casefold() in message.casefold()


_DENIED = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "SecurityTokenExpired", "InvalidSecurityToken")
IMM_CODE = "Imm Client"  # OSS's code for every error of IMM; IMM's own code is the first word of the message
_IMM_EC = "0056-00000001"

# The first rule that matches applies.
CLOUD_ERROR_RULES = (
    CloudErrorRule(errors.AlreadyExists, "FileAlreadyExists"),
    CloudErrorRule(errors.ObjectNotFound, "NoSuchKey"),
    CloudErrorRule(errors.ObjectNotFound, "SymlinkTargetNotExist"),
    CloudErrorRule(errors.BucketNotFound, "NoSuchBucket"),
    # EC 0048-00000401; OSS, "Access OSS through a custom domain name", 2025-12-25.
    CloudErrorRule(errors.PublicEndpointForbidden, "PublicEndpointForbidden"),
    CloudErrorRule(errors.ObjectArchived, "InvalidObjectState"),  # EC 0016-00000404, page of 2024-04-29
    CloudErrorRule(errors.ClockSkewed, "RequestTimeTooSkewed"),
    *(CloudErrorRule(errors.AccessDenied, code) for code in _DENIED),
    CloudErrorRule(errors.AccessDenied, "AccessDenied"),
    CloudErrorRule(errors.BucketNotBound, IMM_CODE, "Attachment is not found"),
    CloudErrorRule(errors.BucketNotBound, IMM_CODE, "project is not found"),
    CloudErrorRule(errors.OperationNotSupported, IMM_CODE, "Route is not found"),
    CloudErrorRule(errors.AccessDenied, IMM_CODE, "AccessDenied"),
    CloudErrorRule(errors.AccessDenied, IMM_CODE, "not authorized"),
    # OpenAPI's codes of missing rights; which of them IMM has, its pages do not say.
    CloudErrorRule(errors.AccessDenied, IMM_CODE, "NoPermission"),
    CloudErrorRule(errors.AccessDenied, IMM_CODE, "Forbidden"),
    CloudErrorRule(errors.AccessDenied, status=403),
    CloudErrorRule(errors.ProcessRefused, IMM_CODE),
    CloudErrorRule(errors.ProcessRefused, "InvalidRequest", "x-oss-async-process"),
    CloudErrorRule(errors.CloudRefused),
)


def classify(status: int, code: str, message: str) -> type[errors.ClipstitchError]:
    """Return the error class of a response. A status below 0 means that there was no response.

    >>> classify(400, "Imm Client", "ResourceNotFound, The specified resource Attachment is not found. 9D31").__name__
    'BucketNotBound'
    """
    if _contains(_THROTTLING, code, message) or status == 429:
        return errors.Throttled
    if status < 0 or status >= 500 or _contains(_SERVER_FAULTS, code, message):
        return errors.CloudBusy
    return next(rule.means for rule in CLOUD_ERROR_RULES if rule.matches(status, code, message))


def is_not_audio(code: str, ec: str, message: str) -> bool:
    """Return True if an error response to audio/info means that the object is not audio.

    OSS, "0056-00000001", 2026: this EC, if IMM cannot read the object. The code is `Imm Client` or that of IMM, which
    is not documented for such objects; IMM's tasks report InvalidArgument. Any other refusal says nothing about them.

    >>> is_not_audio("Imm Client", "", "InvalidArgument, cannot be decoded"), is_not_audio("InvalidArgument", "", "")
    (True, False)
    """
    of_imm = IMM_CODE == code or _IMM_EC == ec
    return of_imm and (message if code == IMM_CODE else code).startswith("InvalidArgument")


def is_transient(code: str, message: str) -> bool:
    """Return True if a code or message of a task means throttling or a fault of the cloud itself.

    >>> is_transient("Throttling.User", ""), is_transient("InvalidArgument", "File does not exist.")
    (True, False)
    """
    return _contains(_THROTTLING + _SERVER_FAULTS + _RENDER_FAULTS, code, message)


def _contains(words: tuple[str, ...], code: str, message: str) -> bool:
    text = f"{code} {message}".lower()
    return any(word in text for word in words)


# Beginning of the code, part of the message, remedy. The first row that matches applies.
TASK_FAILURES = (
    (
        "InvalidArgument",
        "does not exist",
        "A clip was deleted after it was probed. Upload it, then the manifest, again.",
    ),
    (
        "AccessDenied",
        "",
        "Grant IMM's service role access to the clips and the work folder; upload the manifest again.",
    ),
    ("ResourceNotFound", "", "The bucket has no IMM project: run `clipstitch doctor`, then upload the manifest again."),
    ("", "", "The message names the clip. Correct the clip or the manifest, and upload it again."),
)


def remedy_for(code: str, message: str) -> str:
    """Return the remedy for a task that failed and is not started again.

    >>> remedy_for("InvalidArgument", "oss://b/k does not exist")
    'A clip was deleted after it was probed. Upload it, then the manifest, again.'
    """
    if is_transient(code, message):
        return "The cloud was busy during all attempts. Upload the manifest again later."
    return next(remedy for start, words, remedy in TASK_FAILURES if code.startswith(start) and words in message)
