#!/usr/bin/python3
"""Prints the throughput of results: per algorithm and number of threads median, spread, shares of bound and of copy_rotating."""

from lab import command, panels, results
from lab.algorithms import SHARES_OF
from lab.wording import amount, two_digits


def cell(group, algorithm, threads):
    if (algorithm, threads) not in group.runs:
        return ""
    spread = group.throughput(algorithm, threads)
    text = f"{amount(spread.median)} ±{spread.relative():.0%}" + (" noisy" if panels.is_noisy(spread) else "")
    text += " disturbed" if group.disturbed(algorithm, threads) else ""
    shares = [group.share_of(control, algorithm, threads) for control in SHARES_OF.values()]
    return " ".join([text, *(two_digits(share.median) for share in shares if share)])


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
    panels.add_where(parser)
    arguments = parser.parse_args()
    groups = results.groups(panels.read(arguments))
    notes = {
        "noisy": f"; noisy: that is more than {panels.NOISY:.0%}",
        "disturbed": "; disturbed: so was a repetition, as activity.disturbed in its result says",
    }
    for title, group in zip(panels.titles(groups), groups):
        share = "".join(f", share of {control}" for control in SHARES_OF.values() if group.threads(control))
        body = table(group)
        said = "".join(note for word, note in notes.items() if word in body)
        print(f"\n{title}\n{group.unit}: median ± half the distance of the quartiles{share}{said}")
        print(body)
    print()


if __name__ == "__main__":
    command.main("table", main)
