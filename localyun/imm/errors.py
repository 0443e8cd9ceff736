"""The errors that IMM reports. Knows no request ids; the grammar, the join and the task service raise them."""

from localyun.errors import ServiceError


class ImmError(ServiceError):
    """An error of IMM: the answer to a rejected submission, or the code and message of a failed task."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(404 if code == "ResourceNotFound" else 400, code, message)


def transient_errors() -> tuple[ImmError, ...]:
    """Return the errors of a task that may succeed when it is submitted again.

    The codes are the vendor's (wire facts, 2026-11); the messages of transient errors are not documented.
    """
    internal = ImmError("InternalError", "The task failed inside; submit it again.")
    return internal, ImmError("Throttling.User", "Request was denied.")


def invalid(parameter: str, message: str) -> ImmError:
    """Return the error for an invalid parameter, in IMM's form: `[target]:is required.`."""
    return ImmError("InvalidArgument", f"[{parameter}]:{message}")


def not_found(resource: str) -> ImmError:
    """Return the error for a project, an attachment, a task or a route that does not exist."""
    return ImmError("ResourceNotFound", f"The specified resource {resource} is not found.")
