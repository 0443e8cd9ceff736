"""Asks for known vulnerabilities of everything that constraints.txt pins: `make audit`. A program, not a test.

`pip-audit` asks the registry's JSON interface, which a mirror need not have; what it could not ask for is said, and
never counts as good. Exit codes: 0 nothing is known, 1 something is, 3 nothing could be asked.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOL, KEPT = "pip-audit==2.10.1", ROOT / "build" / "audit"
GOOD, KNOWN, UNASKED = 0, 1, 3


class Audit(NamedTuple):
    """What came of asking: vulnerabilities by package, packages about which nothing could be learnt, and how many."""

    known: Mapping[str, Sequence[str]]
    unasked: Sequence[str]
    pins: int

    @property
    def code(self) -> int:
        """The exit code."""
        return KNOWN if self.known else UNASKED if len(self.unasked) == self.pins else GOOD


def pinned(text: str) -> list[Requirement]:
    """Read the pins that hold for this interpreter."""
    pins = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def read(report: Mapping[str, Any]) -> Audit:
    """Read pip-audit's report."""
    packages = report["dependencies"]
    known = {
        f"{each['name']} {each['version']}": [one["id"] for one in each["vulns"]]
        for each in packages
        if each.get("vulns")
    }
    return Audit(known, [each["name"] for each in packages if "skip_reason" in each], len(packages))


def told(audit: Audit) -> str:
    """Say what came of it."""
    lines = [f"{package}: {', '.join(ids)}" for package, ids in audit.known.items()]
    if audit.code == UNASKED:
        lines.append(
            f"NOT AUDITED: the registry that answers here knows no vulnerabilities of any of the {audit.pins} pins; "
            "run `make audit` where PyPI's JSON interface can be reached"
        )
    elif audit.unasked:
        lines.append(f"not audited, as the registry does not answer for them: {', '.join(audit.unasked)}")
    asked = audit.pins - len(audit.unasked)
    return "\n".join([*lines, f"{audit.pins} pins, {asked} asked for, {len(audit.known)} with known vulnerabilities"])


def ask(pins: Sequence[Requirement]) -> Audit:
    """Fetch pip-audit, which is not ours to depend on, and run it on exactly these pins."""
    if not (KEPT / "pip_audit").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(KEPT)]
        subprocess.run([*pip, TOOL], check=True)
    wanted = KEPT / "pins.txt"
    wanted.write_text("".join(f"{pin.name}{pin.specifier}\n" for pin in pins), "utf-8")
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    script = f"import sys; sys.path.insert(0, {str(KEPT)!r}); from pip_audit._cli import audit; audit()"
    command = [sys.executable, "-c", script, "--requirement", str(wanted), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"pip-audit said nothing:\n{done.stderr[-2000:]}")
    return read(json.loads(done.stdout))


def main() -> int:
    """Ask, tell, and let the exit code say it too."""
    audit = ask(pinned((ROOT / "constraints.txt").read_text("utf-8")))
    sys.stdout.write(told(audit) + "\n")
    return audit.code


if __name__ == "__main__":
    sys.exit(main())
