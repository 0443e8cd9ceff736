"""Check every package pinned in constraints.txt for known vulnerabilities: `make audit`. A program, not a test.

`pip-audit` queries the package index's JSON API, which a mirror may not offer. Packages that could not be checked are
listed and never count as safe. Exit codes: 0 no known vulnerability, 1 at least one, 3 no package could be checked.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PIP_AUDIT, INSTALL_FOLDER = "pip-audit==2.10.1", ROOT / "build" / "audit"
EXIT_SAFE, EXIT_VULNERABLE, EXIT_NOT_AUDITED = 0, 1, 3


class Audit(NamedTuple):
    """The result of an audit: vulnerability ids by package, packages that could not be checked, number of pins."""

    vulnerabilities: Mapping[str, Sequence[str]]
    skipped: Sequence[str]
    pin_count: int

    @property
    def exit_code(self) -> int:
        """Return the exit code."""
        if self.vulnerabilities:
            return EXIT_VULNERABLE
        return EXIT_NOT_AUDITED if len(self.skipped) == self.pin_count else EXIT_SAFE


def parse_pins(constraints: str) -> list[Requirement]:
    """Return the pins whose markers match this interpreter."""
    pins = [Requirement(line) for line in constraints.splitlines() if line and not line.startswith("#")]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def parse_report(report: Mapping[str, Any]) -> Audit:
    """Return the audit that a JSON report of pip-audit describes."""
    packages = report["dependencies"]
    vulnerabilities = {
        f"{package['name']} {package['version']}": [entry["id"] for entry in package["vulns"]]
        for package in packages
        if package.get("vulns")
    }
    return Audit(vulnerabilities, [each["name"] for each in packages if "skip_reason" in each], len(packages))


def format_audit(audit: Audit) -> str:
    """Return the lines that `make audit` prints."""
    lines = [f"{package}: {', '.join(ids)}" for package, ids in audit.vulnerabilities.items()]
    if audit.exit_code == EXIT_NOT_AUDITED:
        lines.append(
            f"NOT AUDITED: this package index has no vulnerability data for any of the {audit.pin_count} pins; "
            "run `make audit` where PyPI's JSON API can be reached"
        )
    elif audit.skipped:
        lines.append(f"not audited, because the package index has no data for them: {', '.join(audit.skipped)}")
    checked = audit.pin_count - len(audit.skipped)
    summary = f"{audit.pin_count} pins, {checked} checked, {len(audit.vulnerabilities)} with known vulnerabilities"
    return "\n".join([*lines, summary])


def run_pip_audit(pins: Sequence[Requirement]) -> Audit:
    """Install pip-audit below build/, because it is not a dependency, and run it on exactly these pins."""
    if not (INSTALL_FOLDER / "pip_audit").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(INSTALL_FOLDER), PIP_AUDIT], check=True)
    requirements = INSTALL_FOLDER / "pins.txt"
    requirements.write_text("".join(f"{pin.name}{pin.specifier}\n" for pin in pins), "utf-8")
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    script = f"import sys; sys.path.insert(0, {str(INSTALL_FOLDER)!r}); from pip_audit._cli import audit; audit()"
    command = [sys.executable, "-c", script, "--requirement", str(requirements), *options]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if not completed.stdout:
        raise SystemExit(f"pip-audit printed no report:\n{completed.stderr[-2000:]}")
    return parse_report(json.loads(completed.stdout))


def main() -> int:
    """Run the audit, print it, and return its exit code."""
    audit = run_pip_audit(parse_pins((ROOT / "constraints.txt").read_text("utf-8")))
    sys.stdout.write(format_audit(audit) + "\n")
    return audit.exit_code


if __name__ == "__main__":
    sys.exit(main())
