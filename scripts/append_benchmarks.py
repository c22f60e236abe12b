#!/usr/bin/python3
"""Runs the append benchmarks of every log buffer interleaved, and prints each one's shares of `bound` and of copying.

One run: all repetitions of all benchmarks in random order. A share is that of bytes/s in the median of `bound` at the
same record size and number of threads: the median over the repetitions and their quartiles, `bound`'s own around 1.
Where `copy_rotating` is measured, the limit of what the machine copies, shares of that likewise: "share of copy".
8 threads are measured also where there are fewer processing units: oversubscribed. Algorithms that take a lock are
measured with others, NAME:LOCK, where --filter asks for them. Needs scripts/setup.
"""

import argparse
import re
import statistics
import sys

from lab import benchmarks, command

from lab.statistics import Spread
from lab.wording import two_digits

NAME = re.compile(r"append/(?P<algorithm>\w+(:\w+)?)/bytes:(?P<bytes>\d+)/real_time/threads:(?P<threads>\d+)")


def leave_out_short(document, seconds):
    """The library fixes a benchmark's iterations in one short trial; one that was interrupted spoils all of it.

    Such benchmarks are named in the document and have no share; the others are worth their time.
    """
    short = {}
    for entry in document["benchmarks"]:
        measured = entry["iterations"] * entry["real_time"] / 1e9
        if seconds >= 0.01 and measured < seconds / 20:  # less is to try things out
            short[entry["run_name"]] = round(measured, 6)
    document["benchmarks"] = [entry for entry in document["benchmarks"] if entry["run_name"] not in short]
    document["too_short_s"] = short
    for name, measured in short.items():
        print(f"append_benchmarks: {name}: {measured:.1g} s measured where {seconds} were asked for: left out", file=sys.stderr)


def shares(document):
    """A list for the document: one entry an algorithm, record size and number of threads."""
    rates = {}
    for entry in document["benchmarks"]:
        match = NAME.fullmatch(entry["run_name"])
        point = (match["algorithm"], int(match["bytes"]), int(match["threads"]))
        rates.setdefault(point, []).append(entry["bytes_per_second"])
    found = []
    for (algorithm, size, threads), values in rates.items():
        of = {control: rates.get((control, size, threads)) for control in ("bound", "copy_rotating")}
        if of["bound"] is None:  # it was too short
            continue
        found.append(
            {
                "algorithm": algorithm,
                "bytes": size,
                "threads": threads,
                **share(values, of["bound"]),
                "repetitions": len(values),
                "bytes_per_second": round(statistics.median(values)),
                **({"copy": share(values, of["copy_rotating"])} if of["copy_rotating"] else {}),
            }
        )
    return found


def share(values, control):
    """Of the control's median."""
    spread = Spread.of([value / statistics.median(control) for value in values])
    return {key: round(getattr(spread, key), 6) for key in ("median", "q1", "q3")}


def tables(found, units):
    """Of shares of `bound`, and of copying where that was measured."""
    of_copy = [{**one, **one["copy"]} for one in found if "copy" in one]
    parts = [table(found, units), table(of_copy, units, "copy (copy_rotating)") if of_copy else ""]
    return "\n\n".join(filter(None, parts))


def table(found, units, control="bound"):
    """A block a number of threads, a row an algorithm, a column a record size."""
    sizes = sorted({share["bytes"] for share in found})
    names = list(dict.fromkeys(share["algorithm"] for share in found))
    width = max(map(len, names), default=0) + 2
    cells = {}
    for s in found:
        median, q1, q3 = (two_digits(s[key]) for key in ("median", "q1", "q3"))
        cells[s["threads"], s["algorithm"], s["bytes"]] = f"{median} {q1}-{q3}"
    column = max(map(len, cells.values()), default=0) + 2
    lines = [f"share of {control} in bytes/s: median, first and third quartile"]
    for threads in sorted({share["threads"] for share in found}):
        over = f", oversubscribed: {units} processing units" if threads > units else ""
        lines += ["", f"{threads} thread{'' if threads == 1 else 's'}{over}"]
        lines.append("bytes".ljust(width) + "".join(f"{size:>{column}}" for size in sizes))
        for name in names:
            row = "".join(f"{cells.get((threads, name, size), ''):>{column}}" for size in sizes)
            lines.append((name.ljust(width) + row).rstrip())
    return "\n".join(lines)


def main():
    parser = command.Parser(
        prog="append_benchmarks.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="FILE", type=command.out_file, help="write the benchmarks' JSON there, with the shares")
    parser.add_argument("--repetitions", type=command.positive(int), default=9, help="of each benchmark (9)")
    parser.add_argument("--seconds", type=command.positive(float), default=0.1, help="of one, at least (0.1)")
    parser.add_argument("--filter", default="append/[a-z_]+/", help="a regular expression over the benchmarks' names")
    arguments = parser.parse_args()
    names = benchmarks.listed(arguments.filter)
    if not all(NAME.fullmatch(name) for name in names):
        raise command.RequestError(f"--filter = {arguments.filter}: want one that matches names of append/ only")
    points = {NAME.fullmatch(name).group("bytes", "threads") for name in names}
    if not points <= {NAME.fullmatch(name).group("bytes", "threads") for name in names if "append/bound/" in name}:
        raise command.RequestError(f"--filter = {arguments.filter}: want one that matches bound at each point, too")
    if sys.stderr.isatty():  # the library says nothing before the end; it measures about twice the least time
        minutes = len(names) * arguments.repetitions * arguments.seconds * 2 / 60
        print(f"{len(names)} benchmarks, {arguments.repetitions} times each: about {minutes:.0f} min", file=sys.stderr)
    document = benchmarks.run(names, arguments.filter, arguments.repetitions, arguments.seconds)
    leave_out_short(document, arguments.seconds)
    document["context"]["command"] = command.command_line("append_benchmarks.py")
    document["shares"] = shares(document)
    if arguments.out:
        benchmarks.write(document, arguments.out)
    print(tables(document["shares"], int(document["context"]["processing_units"])))


if __name__ == "__main__":
    command.main("append_benchmarks", main)
