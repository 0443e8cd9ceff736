"""Checks the state of the ROS stack: whether the next deployment can update it, and what to do otherwise. Pure.

States: ROS, "GetStack", 2025-05-14. ROS updates no stack whose creation or deletion failed ("Update a stack").
"""

from clipstitch.common.errors import AccessDenied, ClipstitchError
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.deployment_facts import BucketFacts, StackFacts
from clipstitch_cli.doctor.findings import Finding, bad, ok, skipped, warning

MAX_REASON = 300  # characters; the reason of a failed resource contains the whole error of its service
_ONLY_DELETED = ("CREATE_FAILED", "CREATE_ROLLBACK_COMPLETE", "CREATE_ROLLBACK_FAILED", "DELETE_FAILED")


def must_be_deleted(found: StackFacts | ClipstitchError | None) -> bool:
    """Return True if ROS can only delete the stack."""
    return isinstance(found, StackFacts) and found.status in _ONLY_DELETED


def stack(
    found: StackFacts | ClipstitchError | None,
    name: str,
    settings: Settings,
    bucket: BucketFacts | ClipstitchError | None,
    project: str | ClipstitchError | None,
) -> Finding:
    """Check the state of a stack. `bucket` and `project`: what is left of a stack that must be deleted.

    A stack that may not be read, or does not exist, is no error: functions may be deployed without one.
    """
    if isinstance(found, AccessDenied):
        return skipped("stack", str(found), "grant ros:ListStacks to this access key")
    if isinstance(found, ClipstitchError):
        return warning("stack", f"unknown: {found}", "international site: export ROS_ENDPOINT=ros-intl.aliyuncs.com")
    if found is None:
        reason = f"there is no stack {name} in {settings.oss_region}"
        return skipped("stack", reason, "s deploy; or export CLIPSTITCH_PREFIX=…, if it has another name")
    reason = " ".join(found.reason.split())[:MAX_REASON]
    message = f"stack {name} is {found.status}" + (f" ({reason})" if reason else "")
    if must_be_deleted(found):
        left, remedy = _left_over(bucket, project, settings)
        return bad("stack", f"{message}: ROS can only delete it; {left}", remedy)
    return _by_phase(found.status, message)


def _by_phase(status: str, message: str) -> Finding:
    """Return the finding for a stack that ROS can update, now or later."""
    if status.endswith("_IN_PROGRESS"):
        return warning("stack", message, "wait until it has ended, then: clipstitch doctor")
    if status.endswith("_FAILED"):
        return bad("stack", f"{message}: some resources are not as template.yml says", "s deploy")
    if status == "ROLLBACK_COMPLETE":
        return warning("stack", f"{message}: the last update failed, and was undone", "s deploy")
    if status.endswith("_COMPLETE"):
        return ok("stack", message)
    return warning("stack", f"{message}, which is unknown", "s infra info")


def _left_over(
    bucket: BucketFacts | ClipstitchError | None, project: str | ClipstitchError | None, settings: Settings
) -> tuple[str, str]:
    """Return what stays when the stack is deleted, and the commands to go on.

    The bucket is retained, and has to be detached first: IMM deletes no project with bindings ("DeleteProject").
    """
    name, again = settings.bucket, "CLIPSTITCH_NEW_BUCKET=false s deploy"
    if bucket is None:
        return f"there is no bucket {name}", "s infra remove && s deploy"
    if isinstance(bucket, ClipstitchError):
        remedy = f"s infra remove; then, if bucket {name} exists: {again}; otherwise: s deploy"
        return f"whether bucket {name} exists is unknown", remedy
    if not isinstance(project, str):
        return f"bucket {name} stays", f"s infra remove && {again}"
    detach = f"aliyun imm DetachOSSBucket --region {settings.oss_region} --OSSBucket {name}"
    return f"bucket {name} stays, attached to IMM project {project}", f"{detach} && s infra remove && {again}"
