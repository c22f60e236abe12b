#!/usr/bin/python3
"""Compares the workloads as `muster run` drives them with the same operations in a bare loop: what the harness costs.

Of `append` the bare loop is the benchmark append/ over the same log buffer, with the same record size, threads, drainer
and placement; of YCSB (A, uniform, a million records, log.device memory, pipelined, one worker) one over the same kind
of session, which verifies and times nothing. All repetitions of all of them are measured in one random order, for about
0.1 s each. Printed are the rates in millions a second as median and quartiles, the ratio of the medians, and what an
operation costs more, in ns of one worker. `null` does nothing, so that its row is the harness alone. Needs scripts/setup.
"""

import argparse
import re

from lab import benchmarks, command

from lab.statistics import Spread

WORKLOAD = re.compile(r"workload/(?P<what>append/\w+|ycsb)(/bytes:(?P<bytes>\d+)/workers:(?P<workers>\d+))?/iterations:1/manual_time")
BARE = re.compile(r"(?P<what>append/\w+)/bytes:(?P<bytes>\d+)/real_time/threads:(?P<workers>\d+)|bare/(?P<engine>ycsb)/.*")
SECONDS = 0.1


def point(match):
    groups = match.groupdict()
    return (groups["what"] or groups["engine"], int(groups["bytes"] or 0), int(groups["workers"] or 1))


def costs(document):
    """A list for the document: one entry a workload, record size and number of workers that was measured both ways."""
    rates = {}
    for entry in document["benchmarks"]:
        for side, pattern in (("workload", WORKLOAD), ("bare", BARE)):
            if match := pattern.fullmatch(entry["run_name"]):
                rates.setdefault(point(match), {}).setdefault(side, []).append(entry["items_per_second"])
    found = []
    for (what, size, workers), sides in sorted(rates.items(), key=lambda item: item[0][1:]):
        if len(sides) != 2:
            continue
        spreads = {side: Spread.of(values) for side, values in sides.items()}
        rounded = {
            side: {"median": round(s.median), "q1": round(s.q1), "q3": round(s.q3), "repetitions": s.count}
            for side, s in spreads.items()
        }
        ns = {side: workers / spread.median * 1e9 for side, spread in spreads.items()}
        found.append(
            {
                "what": what,
                "bytes": size,
                "workers": workers,
                **rounded,
                "ratio": round(spreads["workload"].median / spreads["bare"].median, 4),
                "ns": round(ns["workload"] - ns["bare"], 2),
            }
        )
    return found


def table(found):
    width = max((len(cost["what"]) for cost in found), default=0) + 2
    lines = [f"{'':{width}}{'bytes':>6}{'workers':>9}{'bare, millions/s':>22}{'workload':>22}{'ratio':>8}{'ns more':>9}"]
    for cost in found:
        sides = [[cost[side][key] / 1e6 for key in ("median", "q1", "q3")] for side in ("bare", "workload")]
        cells = "".join(f"{f'{median:.2f} {q1:.2f}-{q3:.2f}':>22}" for median, q1, q3 in sides)
        size = cost["bytes"] or ""
        lines.append(
            f"{cost['what']:{width}}{size:>6}{cost['workers']:>9}{cells}{cost['ratio']:>8.3f}{cost['ns']:>9.2f}"
        )
    return "\n".join(lines)


def main():
    parser = command.Parser(
        prog="harness_cost.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="FILE", type=command.out_file, help="write the benchmarks' JSON there, with the costs")
    parser.add_argument("--repetitions", type=command.positive(int), default=9, help="of each (9)")
    parser.add_argument(
        "--filter",
        default="(append/[a-z_]+/bytes:(120|1024)|workload|bare)/",
        help="a regular expression over the benchmarks' names (all that have both sides)",
    )
    arguments = parser.parse_args()
    names = benchmarks.listed(arguments.filter)
    document = benchmarks.run(names, arguments.filter, arguments.repetitions, SECONDS)
    document["costs"] = costs(document)
    if not document["costs"]:
        raise command.RequestError(f"--filter = {arguments.filter}: want one that matches a workload and its bare loop")
    document["context"]["command"] = command.command_line("harness_cost.py")
    if arguments.out:
        benchmarks.write(document, arguments.out)
    print(table(document["costs"]))


if __name__ == "__main__":
    command.main("harness_cost", main)
