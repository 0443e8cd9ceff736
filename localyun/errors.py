"""The error that every service raises. The HTTP endpoints format it as the vendor does."""


class ServiceError(Exception):
    """A request that the cloud rejects.

    `status` is the HTTP status, or 0 for a connection that is cut without a response. `code` is the vendor's error
    code, `ec` the more precise number of OSS ("0026-00000001"). `details` are further elements of the error document,
    such as `Key` or `BucketName`.
    """

    def __init__(self, status: int, code: str, message: str, ec: str = "", **details: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.details = details
