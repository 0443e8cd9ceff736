"""What IMM says when it cannot do something. Knows no request ids; grammar, join and tasks raise it."""

from localyun.errors import ServiceError


class ImmError(ServiceError):
    """A mistake that IMM reports: at submission as a refusal, later as the task's code and message."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(404 if code == "ResourceNotFound" else 400, code, text)
        self.text = text


def invalid(parameter: str, text: str) -> ImmError:
    """Say which parameter is wrong and what would be right, as IMM does: `[target]:is required.` is one."""
    return ImmError("InvalidArgument", f"[{parameter}]:{text}")


def not_found(resource: str) -> ImmError:
    """Say that a project, an attachment, a task or a route does not exist."""
    return ImmError("ResourceNotFound", f"The specified resource {resource} is not found.")


def transient_errors() -> tuple[ImmError, ...]:
    """Return the errors of a task that may succeed when it is submitted again.

    The codes are the vendor's (wire facts, 2026-11); the texts of transient errors are not documented.
    """
    internal = ImmError("InternalError", "The task failed inside; submit it again.")
    return internal, ImmError("Throttling.User", "Request was denied.")
