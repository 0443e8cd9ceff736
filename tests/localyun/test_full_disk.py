"""A full disk: while nothing can be written, requests fail; afterwards the local cloud works on without a restart."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localyun.sqlite import Database
from tests.deploy.tools import ROOT
from tests.flow.reference import skip_or_fail

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


# A disk of 24 MB for data and temporary files, filled to the last block; then everything but the data is deleted.
_SMALL_DISK = """
import json, os, sys, tempfile, time
from pathlib import Path
import httpx, oss2
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.models import Config
from mns.account import Account
from mns.queue import Message
from localyun.server import CannotStart, LocalCloud
from tests.deploy.flow import DEMO, bucket_of, run_job
from tests.deploy.tools import ROOT

small = Path(sys.argv[1])
seen = {}

def free():
    found = os.statvfs(small)
    return found.f_bavail * found.f_frsize

def error(call, *args):
    try:
        call(*args)
    except Exception as raised:
        return raised

def oss_error(call, *args):
    raised = error(call, *args)
    return [raised.status, raised.code, raised.details["Message"]] if raised else None

tempfile.tempdir = str(small)
cloud = LocalCloud(ROOT, data=small / "data", time_scale=100)
sweeps = lambda: cloud.services.functions.logs("clipstitch-sweep").count("FC Invoke Start")
with cloud as endpoints:
    bucket, key = bucket_of(endpoints), endpoints.credential
    for name in ("clip.wav", "not-measured.wav"):
        bucket.put_object(name, (DEMO / "pre2.wav").read_bytes())
    for name in range(5):
        bucket.put_object(f"fill/{name}", os.urandom(1 << 20))
    queue = Account(endpoints.mns, key.access_key_id, key.access_key_secret).get_queue("clipstitch-events")
    queue.send_message(Message("first"))
    config = {"access_key_id": key.access_key_id, "access_key_secret": key.access_key_secret, "protocol": "http"}
    imm = Client(Config(**config, endpoint=endpoints.imm.removeprefix("http://"), region_id="cn-hangzhou"))
    target = "|sys/saveas,o_X2NsaXBzdGl0Y2gvd29yay94LmZsYWM"
    with (small / "filler").open("wb", buffering=0) as filler:
        while free() > 1 << 20:
            filler.write(bytes(4096))
        large = "audio/concat,f_flac,ar_96000,ac_8,adepth_24/pre,o_Y2xpcC53YXY" + target
        task = bucket.async_process_object("clip.wav", large)
        request = models.GetTaskRequest("clipstitch", False, task.task_id, "MediaConvert")
        while (ended := imm.get_task(request).body).status == "Running":
            time.sleep(0.05)
        seen["task"] = [ended.status, ended.code, ended.message]
        while not error(filler.write, bytes(4096)):
            pass
    seen["put"] = oss_error(bucket.put_object, "x", bytes(300_000))
    seen["large put"] = oss_error(bucket.put_object, "x", bytes(3 << 20))
    seen["audio/info"] = oss_error(lambda: bucket.get_object("not-measured.wav", process="audio/info").read())
    for _ in range(300):
        if refused := oss_error(bucket.async_process_object, "clip.wav", "audio/concat,f_flac" + target):
            break
    seen["audio/concat"] = refused
    for _ in range(300):
        if sent := error(queue.send_message, Message("x" * 30_000)):
            break
    seen["SendMessage"] = [sent.type, sent.message]
    for number in range(300):
        request = models.CreateProjectRequest(project_name=f"p{number}", description="x" * 1000)
        if made := error(imm.create_project, request):
            break
    seen["CreateProject"] = [made.code, made.message]
    seen["get"] = len(bucket.get_object("clip.wav").read()) > 0
    received = queue.receive_message(1)
    queue.delete_message(received.receipt_handle)
    seen["received"] = str(received.message_body, "utf-8")
    before = free()
    bucket.delete_object("fill/0")
    bucket.batch_delete_objects(["fill/1", "fill/2"])
    seen["freed"] = free() - before
    (small / "filler").unlink()
    count, deadline = sweeps(), time.monotonic() + 30
    while sweeps() == count and time.monotonic() < deadline:
        time.sleep(0.1)
    seen["timer"] = sweeps() > count
    seen["job"] = run_job(endpoints)["data"]["state"]
with (small / "filler").open("wb", buffering=0) as filler:
    while not error(filler.write, bytes(4096)):
        pass
seen["start"] = [type(refused := error(cloud.start)).__name__, str(refused)]
(small / "filler").unlink()
with cloud as endpoints:
    seen["restarted"] = len(bucket_of(endpoints).get_object("clip.wav").read()) > 0
print(json.dumps(seen))
"""
FULL = "The disk of the local cloud is full: delete objects, or free space on the disk, and try again."
SmallDisk = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> SmallDisk:
    """Run a local cloud on a disk of its own, which only the child sees; return its folder, and what was seen."""
    folder = tmp_path_factory.mktemp("small")
    mount = f'mount -t tmpfs -o size=24m none "{folder}" && exec "$@"'
    isolated = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*isolated, mount, "sh", "true"], capture_output=True, check=False).returncode:
        skip_or_fail("a file system of its own for a test needs unshare and mount")
    command = [*isolated, mount, "sh", sys.executable, "-c", _SMALL_DISK, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stderr.decode()[-3000:]
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("task", ["Failed", "InternalError", FULL]),
        ("put", [500, "InternalError", FULL]),
        ("large put", [500, "InternalError", FULL]),
        ("audio/info", [500, "InternalError", FULL]),
        ("audio/concat", [500, "InternalError", FULL]),
        ("SendMessage", ["InternalError", FULL]),
        ("CreateProject", ["InternalError", FULL]),
    ],
)
def test_a_call_that_finds_no_space_says_so(small_disk: SmallDisk, call: str, error: list[Any]) -> None:
    """Each service has its own form of error; the client may try again."""
    found = small_disk[1][call]

    assert error[:-1] == found[:-1], found
    assert error[-1] in found[-1]


def test_what_frees_space_works_on_a_full_disk(small_disk: SmallDisk) -> None:
    """Objects can be read and deleted, and messages received; the space is free at once."""
    _, seen = small_disk

    assert seen["get"]
    assert "first" == seen["received"]
    assert 3_000_000 <= seen["freed"]


def test_everything_goes_on_when_there_is_space_again(small_disk: SmallDisk) -> None:
    """Timers tick, and a whole job succeeds, without a restart."""
    _, seen = small_disk

    assert (True, "succeeded") == (seen["timer"], seen["job"])


def test_a_local_cloud_does_not_start_on_a_full_disk(small_disk: SmallDisk) -> None:
    """It says why, and starts with all its data when there is space."""
    folder, seen = small_disk

    assert ["CannotStart", f"{folder / 'data'}: the disk is full; free some space there, and start again"] == seen[
        "start"
    ]
    assert seen["restarted"]
