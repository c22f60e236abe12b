#!/usr/bin/python3
"""Counts the instructions that one append and one advance retire, of every log buffer, under valgrind's callgrind.

One worker. An append is reserve, the copy of 120 bytes and publish; an advance finds one such record. Each is the
difference between two counts of them, so that what is done once cancels; what is done now and then, as growing a
list, is spread over all. Needs scripts/setup.
"""

import argparse
import json
import re
import sys
import tempfile

from lab import benchmarks, command, place

MUSTER = place.ROOT / "build/release/bin/muster"
COUNTS = (1_000, 4_000)
COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")


def counted(algorithm, operation, count):
    with tempfile.TemporaryDirectory() as folder:
        _, said = benchmarks.output(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={folder}/callgrind.out",
                "--collect-atstart=no",
                "--toggle-collect=*counted_*",
                str(benchmarks.INSTRUCTIONS),
                algorithm,
                operation,
                str(count),
            ]
        )
    return int(COLLECTED.search(said)[1])


def instructions(algorithm, operation):
    less, more = (counted(algorithm, operation, count) for count in COUNTS)
    return round((more - less) / (COUNTS[1] - COUNTS[0]), 2)


def table(found):
    width = max(len(row["algorithm"]) for row in found) + 2
    lines = ["instructions retired".ljust(width) + f"{'append':>10}{'advance':>10}"]
    lines += [f"{row['algorithm']:<{width}}{row['append']:>10.1f}{row['advance']:>10.1f}" for row in found]
    return "\n".join(lines)


def main():
    parser = command.Parser(
        prog="instructions.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="FILE", type=command.out_file, help="write them there, as JSON")
    arguments = parser.parse_args()
    context = benchmarks.context("instructions.py")
    context["valgrind"] = benchmarks.output(["valgrind", "--version"])[0].strip()
    names = [algorithm["name"] for algorithm in json.loads(benchmarks.output([str(MUSTER), "list", "--json"])[0])]
    found = []
    for name in names:
        if sys.stderr.isatty():
            print(f"{name} ...", file=sys.stderr)
        found.append({"algorithm": name, **{of: instructions(name, of) for of in ("append", "advance")}})
    if arguments.out:
        benchmarks.write({"context": context, "instructions": found}, arguments.out)
    print(table(found))


if __name__ == "__main__":
    command.main("instructions", main)
