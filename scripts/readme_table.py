#!/usr/bin/python3
"""Writes the table of algorithms in README.md anew, from `muster list --markdown`. Needs scripts/setup."""

from lab import benchmarks, command
from lab.place import ROOT

BEGIN, END = "<!-- algorithms -->\n", "<!-- /algorithms -->\n"


def main():
    command.Parser(prog="readme_table.py", description=__doc__).parse_args()
    table = benchmarks.output([str(benchmarks.MUSTER), "list", "--markdown"])[0]
    readme = ROOT / "README.md"
    head, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise command.RequestError(f"README.md: no table between {BEGIN.strip()} and {END.strip()}: want both lines")
    command.write_text(head + BEGIN + table + END + tail, readme)


if __name__ == "__main__":
    command.main("readme_table", main)
