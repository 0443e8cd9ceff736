"""Copies of the project with changes, and access keys of its roles."""

import json
from collections.abc import Mapping
from pathlib import Path

from localyun.fc.values import FunctionConfig
from localyun.server import Endpoints, LocalCloud
from tests.deploy.tools import ROOT

SPY = "import json, os\ndef handler(event, context):\n    return json.dumps(dict(os.environ))\n"


def changed_project(folder: Path, changes: Mapping[str, str], settings: str = "") -> Path:
    """Return a copy of the project with replacements in template.yml, and more settings of all functions."""
    for name in ("functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    text = (ROOT / "template.yml").read_text("utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "template.yml").write_text(text)
    place, serverless = "    environmentVariables:\n", (ROOT / "s.yaml").read_text("utf-8")
    assert place in serverless
    (folder / "s.yaml").write_text(serverless.replace(place, place + settings))
    return folder


def environment_of_role(cloud: LocalCloud, endpoints: Endpoints, folder: Path, role: str) -> dict[str, str]:
    """Return the environment of a function with a declared role: it has an access key of the role."""
    (folder / "index.py").write_text(SPY)
    [arn] = [declared.arn for declared in endpoints.deployment.roles if declared.arn.endswith(f"role/{role}")]
    cloud.services.functions.deploy(FunctionConfig("spy", "index.handler", (folder,), timeout=20, role=arn))
    return json.loads(cloud.services.functions.invoke("spy", b"").payload)  # type: ignore[no-any-return]
