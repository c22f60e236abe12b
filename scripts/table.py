#!/usr/bin/python3
"""Prints the throughput of a folder of results: per algorithm and number of threads median, spread, share of bound."""

from lab import command, results
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


def main():
    parser = command.Parser(prog="table.py", description=__doc__)
    parser.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or file that it packed")
    for group in results.groups(results.load_all(parser.parse_args().results)):
        share = ", share of bound" if group.threads("bound") else ""
        print(f"\n{title(group)}\n{group.unit}: median ± half the distance of the quartiles{share}")
        print(table(group))
    print()


if __name__ == "__main__":
    command.main("table", main)
