#!/usr/bin/python3
"""Throughput against threads, one line an algorithm; one panel a configuration."""

import command
import style
from matplotlib import pyplot
from lab.wording import title

from lab import results

PANELS_MAX = 6


def draw(groups, all_results, out):
    if len(groups) > PANELS_MAX:
        raise results.ResultError(
            f"{len(groups)} configurations that differ in more than algorithm and threads: want {PANELS_MAX} at most"
        )
    columns = 1 if len(groups) == 1 else 2
    rows = -(-len(groups) // columns)
    figure, panels = pyplot.subplots(rows, columns, figsize=(5.4 * columns, 3.4 * rows), squeeze=False)
    panels = list(panels.flat)
    for unused in panels[len(groups) :]:
        unused.set_visible(False)
    units = all_results[0]["machine"]["processing_units"]
    for panel, group in zip(panels, groups):
        style.draw_series(panel, group, group.throughput)
        style.threads_axis(panel, group.threads(), units, "threads")
        style.throughput_axis(panel, group.unit)
        style.panel_title(panel, title(group))
    caption = [style.windows_line(groups), style.machine_line(all_results) + "."]
    return style.finish(figure, panels[: len(groups)], caption, out)


if __name__ == "__main__":
    command.main("throughput", __doc__, lambda found, groups, out: draw(groups, found, out))
