#!/usr/bin/python3
"""Throughput against threads, one line an algorithm; one panel a configuration."""

import command
import style
from matplotlib import pyplot

from lab import panels, results

PANELS_MAX = 24
LABELS = 1.7  # inches on a panel's right


def draw(found, groups, arguments):
    if len(groups) > PANELS_MAX:
        keys = ", ".join(panels.differing(groups))
        raise results.ResultError(
            f"{len(groups)} configurations that differ in {keys}: want {PANELS_MAX} at most; --where KEY=VALUE chooses"
        )
    columns = 1 if len(groups) == 1 else 2
    rows = -(-len(groups) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=((4.4 + LABELS) * columns, 3.4 * rows), squeeze=False)
    axes = list(axes.flat)
    for unused in axes[len(groups) :]:
        unused.set_visible(False)
    for panel, group, title in zip(axes, groups, panels.titles(groups)):
        ends = style.draw_series(panel, group, group.throughput)
        style.threads_axis(panel, group.threads(), units_of(group), "threads")
        style.throughput_axis(panel, group.unit)
        style.panel_title(panel, title)
        style.label_ends(panel, ends)
    caption = [style.windows_line(groups), *style.disturbed_lines(groups), style.machine_line(found) + "."]
    return style.finish(figure, axes[: len(groups)], caption, arguments.out)


def units_of(group):
    """The least of its hosts."""
    return min(run["machine"]["processing_units"] for runs in group.runs.values() for run in runs.values())


if __name__ == "__main__":
    command.main("throughput", __doc__, draw)
