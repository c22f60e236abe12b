#!/usr/bin/python3
"""Throughput over commits, a panel a series: a dot a run, a line a level, an arrow where it changed."""

import textwrap
from pathlib import Path

import command
import style
from matplotlib import pyplot, ticker

from lab import history
from lab.command import Parser
from lab.place import ROOT
from lab.wording import amount

PANELS_MAX = 12
COLUMNS = 2
TITLE_MAX = 66  # characters in a line
DOT, LEVEL, SLOWER, FASTER = "#999999", "#000000", "#D55E00", "#0072B2"


def draw(found, threshold, out):
    for series in found.series:
        history.find_changes(series, threshold)
    # The largest changes first.
    ranked = sorted(found.series, key=lambda s: -max((abs(change.ratio - 1) for change in s.changes), default=0))
    drawn = ranked[:PANELS_MAX]
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    figure, panels = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 2.2 * rows + 0.5), squeeze=False, sharex=True)
    for series, panel in zip(drawn, panels.flat):
        draw_series(panel, series, found.commits)
    for panel in panels.flat[len(drawn) :]:
        panel.set_visible(False)
    label_commits(panels, found.commits, len(drawn), columns)
    return style.finish(figure, [], caption(found, drawn, threshold), out)


def draw_series(panel, series, commits):
    places = [commits.index(commit) for commit in series.commits]
    for place, rates in zip(places, series.rates):
        panel.plot([place] * len(rates), rates, ".", color=DOT, markersize=4, zorder=2)
    edges = [0, *(change.at for change in series.changes), len(places)]
    levels = history.levels_of(series.medians(), edges[1:-1])
    for level, begin, end in zip(levels, edges, edges[1:]):
        panel.plot([places[begin] - 0.4, places[end - 1] + 0.4], [level] * 2, color=LEVEL, linewidth=1.6, zorder=3)
    top = max(max(rates) for rates in series.rates)
    panel.set_ylim(0, 1.3 * top)
    for change in series.changes:
        colour = SLOWER if change.ratio < 1 else FASTER
        panel.axvline(places[change.at] - 0.5, color=colour, linewidth=1, linestyle="--", zorder=1)
        panel.annotate(
            f"{series.commits[change.at][:8]} {change.ratio - 1:+.0%}",
            (places[change.at] - 0.5, 1.28 * top),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=7,
            color=colour,
            va="top",
        )
    panel.set_title(textwrap.fill(series.title, TITLE_MAX), fontsize=7.5)
    panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: amount(value) if value else "0"))


def label_commits(panels, commits, drawn, columns):
    step = max(1, -(-len(commits) // 12))
    ticks = range(0, len(commits), step)
    for i, panel in enumerate(panels.flat[:drawn]):
        panel.set_xlim(-0.6, len(commits) - 0.4)
        panel.set_xticks(ticks, [commits[tick][:8] for tick in ticks], rotation=60, ha="right", fontsize=6.5)
        panel.tick_params(labelbottom=i >= drawn - columns)


def caption(found, drawn, threshold):
    left_out = len(found.series) - len(drawn)
    machine = found.machine
    return [
        f"A dot: one run, operations per second. A line: the median between changes. Commits {found.order}. "
        f"Marked: changes of more than {threshold:.0%}, p at most {history.ALPHA} a series (E-divisive, "
        f"{history.PERMUTATIONS} permutations), at the first commit of the new level."
        + (f" {left_out} more series are not drawn; those that change most are." if left_out else ""),
        f"{machine['cpu_model']}, {machine['processing_units']} processing units.",
    ]


def main():
    parser = Parser(prog="history.py", description=__doc__)
    parser.add_argument("results", metavar="DIR", help="results of many commits, as scripts/history reads them")
    parser.add_argument("--threshold", type=float, default=3, metavar="PERCENT", help="changes that are marked (3)")
    parser.add_argument("--repository", default=ROOT, type=Path, metavar="DIR", help="whose order the commits have (this one)")

    def drawn(arguments):
        found = history.read(arguments.results, arguments.repository)
        return draw(found, arguments.threshold / 100, arguments.out)

    command.report("history", parser, drawn)


if __name__ == "__main__":
    main()
