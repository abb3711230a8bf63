"""What the bench's commands share: options and their checks, the broker, printing results."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer

from agents.commands.terminal import print_table
from agents.errors import UserError

BrokerOption = Annotated[
    str,
    typer.Option(help="`embedded`, `kafka` (on the local JVM), or HOST:PORT of a running cluster."),
]
ContendersOption = Annotated[str, typer.Option(help="Names separated by commas.")]
PartitionsOption = Annotated[int, typer.Option(min=1, help="Of the input and the output.")]


@contextmanager
def errors_for_users() -> Iterator[None]:
    """Turn the errors that end a measurement into one-line user errors."""
    from benchmarks.harness.environments import UnavailableError
    from benchmarks.harness.running import RunError

    try:
        yield
    except (RunError, UnavailableError) as error:
        raise UserError(str(error)) from error


def parse_numbers(text: str, lowest: int = 1) -> list[int]:
    """Return the whole numbers of a list such as `1,2,4`, each at least `lowest`."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{text!r}: expected whole numbers such as 1,2,4") from None
    if min(numbers) < lowest:
        raise UserError(f"{text!r}: each must be at least {lowest}")
    return numbers


def contender_names(text: str, workload: str) -> list[str]:
    """Return the contenders that a list names; for an empty one all that do the workload."""
    from benchmarks.harness.contenders import CONTENDERS

    if not text:
        return [name for name, peer in CONTENDERS.items() if workload in peer.workloads]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CONTENDERS:
            raise UserError(f"no contender {name!r}: expected one of {', '.join(CONTENDERS)}")
    return names


def check_workload(name: str) -> None:
    """Raise a user error for a workload that does not exist."""
    from benchmarks.harness.workloads import WORKLOADS

    if name not in WORKLOADS:
        raise UserError(f"--workload {name}: expected one of {', '.join(WORKLOADS)}")


def num_records(broker: str, workload: str, records: int) -> int:
    """Return how many records to load: within what the embedded broker keeps."""
    from benchmarks.harness.workloads import WORKLOADS, most_on_embedded

    wanted = records or WORKLOADS[workload].num_records
    if broker != "embedded":
        return wanted
    most = most_on_embedded(WORKLOADS[workload])
    if records > most:
        raise UserError(
            f"--records {records}: the embedded broker keeps {most} of this workload's results: "
            "use fewer, or --broker kafka"
        )
    return min(wanted, most)


def report(line: str) -> None:
    """Print a line of progress on stderr: stdout has the results alone."""
    print(line, file=sys.stderr, flush=True)


def report_clocks(are_log_append_times: Sequence[bool]) -> None:
    """Warn if ages are not differences of the broker's timestamps."""
    if not all(are_log_append_times):
        report("ages are by the clients' timestamps, not the broker's: do not quote them")


def print_results(
    results: Sequence[Any], table: tuple[list[str], list[list[str]]], as_json: bool
) -> None:
    """Print results as a table, or as JSON for `--json`."""
    if as_json:
        typer.echo(msgspec.json.encode(results))
    else:
        print_table(*table)
