#!/usr/bin/python3
"""Writes two tables anew: of algorithms in README.md, from `muster list --markdown`; of isolation levels in
engine/txn/levels.md, from `isolation_table`, which runs each schedule. Needs scripts/setup."""

from lab import benchmarks, command
from lab.place import ROOT

# Document, name of its table, command that prints it.
TABLES = (
    ("README.md", "algorithms", [benchmarks.MUSTER, "list", "--markdown"]),
    ("engine/txn/levels.md", "levels", [benchmarks.BIN / "isolation_table"]),
)


def rewrite(document, name, table):
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    path = ROOT / document
    head, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise command.RequestError(f"{document}: no table between {begin.strip()} and {end.strip()}: want both lines")
    command.write_text(head + begin + table + end + tail, path)


def main():
    command.Parser(prog="readme_table.py", description=__doc__).parse_args()
    for document, name, prints in TABLES:
        rewrite(document, name, benchmarks.output([str(word) for word in prints])[0])


if __name__ == "__main__":
    command.main("readme_table", main)
