"""The refusals of the local cloud. Faces spell them as the vendor does; the core only names them."""


class Refusal(Exception):
    """A request that the cloud would refuse.

    `status` is the HTTP status, 0 for a connection that is cut without an answer; `code` the vendor's error code,
    `ec` OSS's finer number ("0026-00000001"); `details` are further elements of the error document,
    such as `Key` or `BucketName`.
    """

    def __init__(self, status: int, code: str, message: str, ec: str = "", **details: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.details = details
