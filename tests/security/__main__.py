"""`python -m tests.security`: print the number of attacks by entry point and kind. Makes no attack."""

import sys

from tests.security.attacks import ATTACK_CASES, ENTRY_POINTS
from tests.security.test_forged_notifications import FORGED
from tests.security.test_hostile_manifests import BOMBS, FORBIDDEN, NAMES
from tests.security.test_hostile_names import LITERAL, REFUSED, VERSIONS
from tests.security.test_malformed_requests import DATES, MALFORMED, NUMBERS, POLICIES, SERVICES


def main() -> None:
    """Print two Markdown tables."""
    attacks = {name: sum(one == name for one, _ in ATTACK_CASES) for name in ENTRY_POINTS}
    rows = [(name, count, 1, len(ENTRY_POINTS) - 1) for name, count in attacks.items()]
    rows.append(("total", len(ATTACK_CASES), len(rows), len(rows) * (len(rows) - 1)))
    lines = [
        "| entry point | invalid credentials | replays | credentials of other entry points |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    malformed = 11 * len(DATES) + 2 * len(NUMBERS) + len(POLICIES) + len(SERVICES) * sum(map(len, MALFORMED.values()))
    counts = {
        "malformed requests, dates, numbers and policies": malformed,
        "object keys that look like paths": (len(LITERAL) + len(REFUSED)) * len(VERSIONS),
        "names in manifests, each as clip, output and manifest": len(NAMES),
        "manifests that ask for what the operator forbids": len(FORBIDDEN),
        "manifests that exhaust resources": len(BOMBS),
        "forged completion notifications": len(FORGED),
    }
    lines += ["", "| attack | count |", "| --- | --- |", *(f"| {name} | {count} |" for name, count in counts.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
