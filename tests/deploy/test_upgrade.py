"""A second version of the functions over a first one with open jobs, and the way back, through the vendor's client."""

import json
import re
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import oss2
import pytest
from alibabacloud_fc20230330 import models as fc
from alibabacloud_fc20230330.client import Client as FcClient
from alibabacloud_tea_openapi.models import Config

from localyun.server import Endpoints, LocalCloud
from tests.deploy.conftest import Project
from tests.deploy.flow import DEMO, bucket_of, wait_for

FUNCTIONS = ("submit", "complete", "sweep")
CLIP = "pre1.mp3"


class Upgrades(NamedTuple):
    """A running cloud with the functions of a project, and packages of two versions of them."""

    cloud: LocalCloud
    endpoints: Endpoints
    versions: dict[int, dict[str, str]]

    def deploy(self, version: int) -> None:
        """Deploy a version of all functions."""
        key, host = self.endpoints.credential, self.endpoints.fc.removeprefix("http://")
        client = FcClient(Config(key.access_key_id, key.access_key_secret, endpoint=host, protocol="http"))
        for name, package in self.versions[version].items():
            changes = fc.UpdateFunctionInput(code=fc.InputCodeLocation(zip_file=package))
            client.update_function(f"clipstitch-{name}", fc.UpdateFunctionRequest(body=changes))

    @property
    def bucket(self) -> Any:
        """A client of the bucket."""
        return bucket_of(self.endpoints)

    def drop(self, name: str, **fields: object) -> str:
        """Upload a manifest, and return the key of its result."""
        manifest = {"version": 1, "output": {"key": f"merged/{name}.mp3"}, **fields}
        self.bucket.put_object(f"manifests/{name}.json", json.dumps(manifest))
        return f"results/manifests/{name}.json.json"

    def documents(self) -> dict[str, bytes]:
        """Return the open markers and the facts of all jobs."""
        keys = [
            listed.key
            for folder in ("open", "jobs")
            for listed in oss2.ObjectIteratorV2(self.bucket, prefix=f"_clipstitch/{folder}/")
        ]
        return {key: self.bucket.get_object(key).read() for key in keys}

    def log(self, name: str) -> str:
        """Return the log of a function."""
        return self.cloud.services.functions.logs(f"clipstitch-{name}")


@pytest.fixture
def upgrades(built: Callable[[str], Project], tmp_path: Path) -> Iterator[Upgrades]:
    """Run the first version; the second one writes documents in a newer format."""
    project = built("3.10")
    variables = {"CLIPSTITCH_GRACE_PERIOD_S": "1"}
    cloud = LocalCloud(project.root, data=tmp_path, time_scale=150, from_build=True, variables=variables)
    versions = {1: packages(project.root / "build", lambda text: text), 2: packages(project.root / "build", newer)}
    with cloud as endpoints:
        yield Upgrades(cloud, endpoints, versions)


def packages(build: Path, change: Callable[[str], str]) -> dict[str, str]:
    """Return the packages of all functions in Base64, with a changed job store."""
    found = {}
    for name in FUNCTIONS:
        buffer = BytesIO()
        with zipfile.ZipFile(build / f"{name}.zip") as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                content = old.read(entry)
                if entry.filename.endswith("usecases/job_store.py"):
                    content = change(content.decode()).encode()
                if "job_store.cpython" not in entry.filename:  # the bytecode of the source before the change
                    new.writestr(entry, content)
        found[name] = b64encode(buffer.getvalue()).decode()
    return found


def newer(text: str) -> str:
    """Return the source of a job store whose format is newer by one."""
    changed = re.sub(r"^FORMAT = (\d+)$", lambda match: f"FORMAT = {int(match[1]) + 1}", text, flags=re.MULTILINE)
    assert changed != text
    return changed


def test_open_jobs_go_on_in_the_next_version(upgrades: Upgrades) -> None:
    """A job that waits for a clip, and twelve jobs whose functions are replaced in the middle, all succeed.

    The functions are replaced one after another: what an old one refuses meanwhile, a new one does later.
    """
    late = upgrades.drop("late", clips=["late.mp3"], wait_for_clips="1h")
    upgrades.bucket.put_object(f"clips/{CLIP}", (DEMO / CLIP).read_bytes())
    results = [upgrades.drop(f"job-{n}", clips=[f"clips/{CLIP}", f"clips/{CLIP}"]) for n in range(12)]

    upgrades.deploy(2)
    upgrades.bucket.put_object("late.mp3", (DEMO / CLIP).read_bytes())

    for key in (late, *results):
        event = wait_for(upgrades.bucket, key, 60)
        assert "succeeded" == event["data"]["state"], event


def test_an_earlier_version_leaves_the_jobs_of_a_later_one_untouched(upgrades: Upgrades) -> None:
    """It says which documents it cannot read; its own jobs go on, and the others as soon as the later one is back."""
    upgrades.deploy(2)
    late = upgrades.drop("late", clips=["late.mp3"], wait_for_clips="1h")
    until(lambda: any("/waiting" in key for key in upgrades.documents()))

    upgrades.deploy(1)
    upgrades.bucket.put_object("late.mp3", (DEMO / CLIP).read_bytes())
    first = wait_for_refusal(upgrades, 0)
    before = upgrades.documents()
    own = wait_for(upgrades.bucket, upgrades.drop("own", clips=["late.mp3"]), 60)
    wait_for_refusal(upgrades, first + 1)
    during = {key: text for key, text in upgrades.documents().items() if key in before}

    assert "succeeded" == own["data"]["state"]
    assert before == during
    assert not upgrades.bucket.object_exists(late)
    upgrades.deploy(2)
    assert "succeeded" == wait_for(upgrades.bucket, late, 60)["data"]["state"]


def wait_for_refusal(upgrades: Upgrades, count: int) -> int:
    """Wait until the sweep has refused a job of a later version more than `count` times; return how often."""

    def refusals() -> list[str]:
        return [line for line in upgrades.log("sweep").splitlines() if "recovery-failed" in line]

    until(lambda: len(refusals()) > count)
    assert '"code": "NEWER_STATE"' in refusals()[-1]
    assert "has format 2; this version knows up to 1" in refusals()[-1]
    return len(refusals())


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
