"""The errors that IMM reports. Knows no request ids; the grammar, the join and the task service raise them."""

from localyun.errors import Refusal


class ImmError(Refusal):
    """An error of IMM: the answer to a rejected submission, or the code and message of a failed task."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(404 if code == "ResourceNotFound" else 400, code, message)


def invalid(parameter: str, message: str) -> ImmError:
    """Return the error for an invalid parameter, in IMM's form: `[target]:is required.`."""
    return ImmError("InvalidArgument", f"[{parameter}]:{message}")


def not_found(resource: str) -> ImmError:
    """Return the error for a project, an attachment, a task or a route that does not exist."""
    return ImmError("ResourceNotFound", f"The specified resource {resource} is not found.")
