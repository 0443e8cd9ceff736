"""A full disk: while nothing can be written, requests fail; afterwards the local cloud works on without a restart."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from localyun.sqlite import Database
from tests.deploy.tools import ROOT

# The limit on the size of files makes every write to a file fail, in this process and in those that it starts.
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from localyun.server import LocalCloud
from tests.deploy.flow import bucket_of, run_job
from tests.deploy.tools import ROOT

cloud = LocalCloud(ROOT, data=Path(sys.argv[1]), time_scale=100)
sweeps = lambda: cloud.services.functions.logs("clipstitch-sweep").count("FC Invoke Start")
with cloud as endpoints:
    before = run_job(endpoints)["data"]["state"]
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
    time.sleep(8)  # the timer of the sweep ticks at least twice
    try:
        bucket_of(endpoints).put_object("full", b"x")
        refused = False
    except Exception:
        refused = True
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    seen, deadline = sweeps(), time.monotonic() + 30
    while sweeps() == seen and time.monotonic() < deadline:
        time.sleep(0.1)
    bucket_of(endpoints).delete_object("results/manifests/example.json.json")
    print(json.dumps([before, refused, sweeps() > seen, run_job(endpoints)["data"]["state"]]))
"""


def test_the_local_cloud_survives_a_full_disk(tmp_path: Path) -> None:
    """Its timers still tick, its databases accept transactions, and messages are delivered."""
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)

    assert 0 == done.returncode, done.stderr.decode()[-3000:]
    assert ["succeeded", True, True, "succeeded"] == json.loads(done.stdout)


def test_a_transaction_that_cannot_be_committed_does_not_block_the_next_one(tmp_path: Path) -> None:
    """SQLite leaves a transaction open whose COMMIT fails: on a full disk, or here for a broken reference."""
    schema = "CREATE TABLE node (id PRIMARY KEY, next REFERENCES node DEFERRABLE INITIALLY DEFERRED)"
    database = Database(tmp_path / "db", schema)
    database.rows("PRAGMA foreign_keys=ON")

    with pytest.raises(sqlite3.IntegrityError), database.change() as db:
        db.execute("INSERT INTO node VALUES (1, 2)")
    with database.change() as db:
        db.execute("INSERT INTO node VALUES (3, NULL)")

    assert [3] == [row["id"] for row in database.rows("SELECT id FROM node")]
    database.close()
