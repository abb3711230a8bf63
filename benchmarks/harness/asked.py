"""What a user asked for on the command line, checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agents.errors import UserError
from benchmarks.harness.contenders import CONTENDERS, UnavailableError
from benchmarks.harness.running import RunError
from benchmarks.harness.workloads import WORKLOADS, most_on_embedded


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn what ends a measurement into a line for people."""
    try:
        yield
    except (RunError, UnavailableError) as error:
        raise UserError(str(error)) from error


def numbers(text: str) -> list[int]:
    """Return whole numbers, each at least 1, given as `1,2,4`."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{text!r}: expected whole numbers such as 1,2,4") from None
    if min(found) < 1:
        raise UserError(f"{text!r}: each must be at least 1")
    return found


def contender_names(given: str, workload: str) -> list[str]:
    """Return the contenders named, or all that do the workload."""
    if workload not in WORKLOADS:
        raise UserError(f"--workload {workload}: expected one of {', '.join(WORKLOADS)}")
    if not given:
        return [name for name, each in CONTENDERS.items() if workload in each.workloads]
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in CONTENDERS:
            raise UserError(f"no contender {name!r}: expected one of {', '.join(CONTENDERS)}")
    return names


def num_records(broker: str, workload: str, records: int) -> int:
    """Return how many records to load, within what the embedded broker keeps."""
    wanted = records or WORKLOADS[workload].num_records
    if broker != "embedded":
        return wanted
    most = most_on_embedded(WORKLOADS[workload])
    if records > most:
        raise UserError(
            f"--records {records}: the embedded broker keeps {most} of this workload's results: "
            "ask for fewer, or take --broker kafka"
        )
    return min(wanted, most)
