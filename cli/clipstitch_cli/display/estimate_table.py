"""An estimate for people: one row for duration, size, tasks, requests and cost."""

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clipstitch_cli.context import CommandContext
from clipstitch_cli.costs.estimates import Estimate
from clipstitch_cli.costs.prices import NOTES
from clipstitch_cli.display.process_text import format_ms


def write_estimate(estimate: Estimate, command: CommandContext) -> None:
    """Write an estimate."""
    requests, levels = estimate.requests, "level" if estimate.levels == 1 else "levels"
    kinds = (
        f"{requests.get} GET, {requests.head} HEAD, {requests.listing} list, {requests.put} PUT, {requests.post} POST"
    )
    processed = format_ms(estimate.processed_s * 1000)
    events = f"{requests.events} events, {requests.notifications} notifications from IMM"
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("duration", format_ms(estimate.duration_s * 1000))
    table.add_row("size", f"about {_format_bytes(estimate.size.size)}, at {estimate.size.assumes}")
    table.add_row("tasks", f"{estimate.tasks} in {estimate.levels} {levels}, {processed} of audio")
    table.add_row("OSS", f"{requests.oss} requests: {kinds}")
    table.add_row("SMQ", f"{requests.smq} requests: {events}")
    table.add_row("cost", _total(estimate))
    for price, amount in ((cost.price, cost.amount) for cost in estimate.costs):
        if amount is not None:
            table.add_row("", f"{price.item}: {amount:.6f} {estimate.currency} ({price.source}, {price.dated})")
    table.add_row("", f"not included: {', '.join(estimate.not_included)}")
    unknown = {cost.price.name: cost.price.item for cost in estimate.costs if cost.amount is None}
    for name, note in NOTES.items():
        if name in unknown:
            table.add_row("", Text(f"{unknown[name]}: {note}", "dim"))
    command.write_line(("Estimate", "bold"), (", if nothing fails", "dim"))
    command.out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _total(estimate: Estimate) -> str:
    if estimate.total is None:
        return "unknown: the table of prices has none of them; supply your own with --prices"
    return f"about {estimate.total:.6f} {estimate.currency}"


def _format_bytes(size: int) -> str:
    """Return a size in words.

    >>> _format_bytes(900), _format_bytes(57_600_000)
    ('900 bytes', '57.6 MB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
