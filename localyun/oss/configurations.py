"""The stored configurations of buckets: documents that OSS returns as they were put. Knows no HTTP."""

from localyun.oss.store import ObjectIndex
from localyun.sqlite import Database

ACCOUNT = ""  # in place of a bucket: the configurations of the account


class BucketConfigurations:
    """Documents by bucket, name and, for a kind of which a bucket has several, id. A deleted bucket leaves none."""

    def __init__(self, database: Database, index: ObjectIndex) -> None:
        self._database = database
        self._index = index

    def put(self, bucket: str, name: str, document: bytes, part: str = "") -> None:
        """Store a document, in place of an existing one. Raises NoSuchBucket."""
        with self._database.change() as db:
            if bucket != ACCOUNT:
                self._index.bucket(bucket)
            db.execute("REPLACE INTO bucket_configurations VALUES(?,?,?,?)", (bucket, name, part, document))

    def get(self, bucket: str, name: str, part: str = "") -> bytes | None:
        """Return a document, or None."""
        return self.all(bucket, name).get(part)

    def all(self, bucket: str, name: str) -> dict[str, bytes]:
        """Return all documents of a kind, by id, sorted."""
        sql = "SELECT id, document FROM bucket_configurations WHERE bucket=? AND name=? ORDER BY id"
        return {row["id"]: row["document"] for row in self._database.rows(sql, bucket, name)}

    def delete(self, bucket: str, name: str, part: str = "") -> None:
        """Delete a document if it exists."""
        with self._database.change() as db:
            db.execute("DELETE FROM bucket_configurations WHERE bucket=? AND name=? AND id=?", (bucket, name, part))
