#!/usr/bin/python3
"""Prints the throughput of a folder of results: per algorithm and number of threads median, spread, share of bound."""

import argparse
import signal
import sys

from lab import results
from lab.wording import amount, title


def cell(group, algorithm, threads):
    if (algorithm, threads) not in group.runs:
        return ""
    spread = group.throughput(algorithm, threads)
    text = f"{amount(spread.median)} ±{spread.relative():.0%}"
    share = group.share_of_bound(algorithm, threads)
    return text if share is None else f"{text} {share.median:.2f}"


def table(group):
    threads = group.threads()
    rows = [["threads", *map(str, threads)]]
    rows += [[name, *(cell(group, name, t) for t in threads)] for name in group.algorithms()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="table.py", description=__doc__)
    parser.add_argument("results", metavar="RESULTS_DIR", help="folder that scripts/sweep.py wrote")
    directory = parser.parse_args(argv).results
    try:
        groups = results.groups(results.load_all(directory))
    except results.ResultError as error:
        print(f"table: {error}", file=sys.stderr)
        return 2
    for group in groups:
        share = ", share of bound" if group.threads("bound") else ""
        print(f"\n{title(group)}\n{group.unit}: median ± half the distance of the quartiles{share}")
        print(table(group))
    print()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # quiet where the reader has seen enough
    sys.exit(main())
