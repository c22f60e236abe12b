#!/usr/bin/python3
"""The quickstart's figure: append throughput as a share of bound, and durable YCSB over client counts."""

import command
import style
from matplotlib import pyplot, ticker
from lab.wording import title

from lab import results


def draw_append(axes, group, units):
    if not group.threads("bound"):
        raise results.ResultError("no run of bound: its share cannot be drawn")
    style.draw_series(axes, group, group.share_of_bound)
    style.threads_axis(axes, group.threads(), units, "threads")
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.set_ylabel("append throughput as a share of bound")
    style.panel_title(axes, title(group))


def draw_ycsb(axes, group, units):
    style.draw_series(axes, group, group.throughput)
    style.threads_axis(axes, group.threads(), units, "clients, each a thread")
    style.throughput_axis(axes, group.unit)
    style.panel_title(axes, title(group))


def draw(found, groups, out):
    append = results.one_group(groups, "append", "the folder")
    ycsb = results.one_group(groups, "ycsb", "the folder")
    units = found[0]["machine"]["processing_units"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 3.9))
    draw_append(left, append, units)
    draw_ycsb(right, ycsb, units)
    caption = [
        style.windows_line([append, ycsb]),
        "Left: each window over the median of bound (fetch-add and copy, no tracking) in the same repetition. "
        "Right: with few clients every algorithm waits for the disk alike; what tells them apart is many clients. "
        "Shaded: more threads than processing units.",
        style.machine_line(found) + ".",
    ]
    return style.finish(figure, [left, right], caption, out)


if __name__ == "__main__":
    command.main("quickstart", __doc__, draw)
