"""`python -m tests.security`: how much is tried at which door, as a table for docs/reliability.md. Tries nothing."""

import sys

from tests.security.break_ins import DOORS, WAYS
from tests.security.test_authors import BOMBS, FORBIDDEN, NAMES
from tests.security.test_faults import DATES, NUMBERS, ODD, PLACES, POLICIES
from tests.security.test_forgers import FORGED
from tests.security.test_names import LITERAL, REFUSED, VERSIONS


def main() -> None:
    """Print the table."""
    rows = [(door, sum(one == door for one, _ in WAYS), 1, len(DOORS) - 1) for door in DOORS]
    rows.append(("together", *(sum(row[column] for row in rows) for column in (1, 2, 3))))
    lines = ["| door | wrong proofs | replays | proofs from other doors |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    odd = 11 * len(DATES) + 2 * len(NUMBERS) + len(POLICIES) + len(PLACES) * sum(map(len, ODD.values()))
    counts = {
        "requests that are hardly any, and odd dates, numbers and policies": odd,
        "object keys that try to be paths": (len(LITERAL) + len(REFUSED)) * len(VERSIONS),
        "names in manifests, each as clip, output and manifest": len(NAMES),
        "manifests for what the operator does not allow": len(FORBIDDEN),
        "bombs": len(BOMBS),
        "forged successes": len(FORGED),
    }
    lines += ["", "| tried | how many |", "| --- | --- |", *(f"| {name} | {count} |" for name, count in counts.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
