"""Objects as files, for the function `render`. Files are streamed, so memory does not depend on their size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import oss2

from clipstitch.adapters.oss import object_headers, translated_errors
from clipstitch.common.errors import ClipChanged
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders

PART_BYTES = 64 << 20


class OssObjectFiles:
    """The `ObjectFiles` port on OSS. Above `part_bytes` a file is uploaded in parts."""

    def __init__(self, buckets: Callable[[str], Any], part_bytes: int = PART_BYTES) -> None:
        self._bucket = buckets
        self._part_bytes = part_bytes

    def download(self, ref: ObjectRef, path: str, etag: str = "") -> None:
        """Store an object as a file; raise `ClipChanged` if it has not the ETag."""
        headers = {"If-Match": f'"{etag}"'} if etag else {}
        with translated_errors(f"reading {ref.uri}"):
            try:
                self._bucket(ref.bucket).get_object_to_file(ref.key, path, headers=headers)
            except oss2.exceptions.PreconditionFailed as error:
                raise ClipChanged(f"`{ref.key}` was replaced after the job was planned") from error

    def upload(self, path: str, ref: ObjectRef, labels: ObjectHeaders) -> None:
        """Store a file as an object."""
        headers = object_headers(labels, once=False)
        with translated_errors(f"writing {ref.uri}"):
            bucket = self._bucket(ref.bucket)
            if Path(path).stat().st_size <= self._part_bytes:
                bucket.put_object_from_file(ref.key, path, headers=headers)
            else:
                self._upload_parts(bucket, path, ref, headers)

    def _upload_parts(self, bucket: Any, path: str, ref: ObjectRef, headers: dict[str, str]) -> None:
        """Upload in parts. The parts of a failed upload are deleted."""
        upload = bucket.init_multipart_upload(ref.key, headers=headers).upload_id
        try:
            parts: list[Any] = []
            with Path(path).open("rb") as file:
                while body := file.read(self._part_bytes):
                    number = len(parts) + 1
                    parts.append(oss2.models.PartInfo(number, bucket.upload_part(ref.key, upload, number, body).etag))
            bucket.complete_multipart_upload(ref.key, upload, parts)
        except BaseException:
            bucket.abort_multipart_upload(ref.key, upload)
            raise
