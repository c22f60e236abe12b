#!/usr/bin/python3
"""How far behind the boundary is that an advance finds: a row an algorithm or variant, alone and beside idle workers."""

import benchmark_files
import style
from matplotlib import pyplot, ticker

from lab import results
from lab.algorithms import WITHOUT_LOG
from lab.statistics import Spread

RECORD = 120  # bytes


def title(name, known):
    algorithm, _, variant = name.partition(":")
    words = known.title(algorithm)
    return f"{words}: {variant.replace('_', ' ')}" if variant else words


def rows_of(lags, known):
    """Variants behind what they are of, in the order of all figures."""
    names = {lag["algorithm"] for lag in lags if lag["algorithm"].split(":")[0] not in WITHOUT_LOG}
    algorithms = known.in_order({name.split(":")[0] for name in names})
    return sorted(names, key=lambda name: (algorithms.index(name.split(":")[0]), name))


def draw_points(axes, points, key, **look):
    """`points` are (height, lag)."""
    low, middle, high = ([max(lag[key][what], RECORD) for _, lag in points] for what in ("q1", "median", "q3"))
    axes.errorbar(
        middle,
        [height for height, _ in points],
        xerr=[[m - l for m, l in zip(middle, low)], [h - m for m, h in zip(middle, high)]],
        linestyle="",
        elinewidth=0.8,
        **look,
    )


def draw(lags, context, out):
    names = rows_of(lags, context["known"])
    if not names:
        raise results.ResultError("holds no algorithm beside null: want those to compare")
    counts = sorted({lag["idle"] for lag in lags})
    figure, axes = pyplot.subplots(figsize=(7.6, 0.9 + 0.26 * len(names)))
    for place, (count, colour, marker) in enumerate(zip(counts, ("#0072B2", "#D55E00"), "os")):
        shift = 0.24 * (place - (len(counts) - 1) / 2)
        of_count = [lag for lag in lags if lag["idle"] == count and lag["algorithm"] in names]
        points = [(names.index(lag["algorithm"]) + shift, lag) for lag in of_count]
        look = {"color": colour, "marker": marker}
        draw_points(axes, points, "p99", **look, markerfacecolor="white", label=f"{count} idle: one advance in a hundred")
        draw_points(axes, points, "p50", **look, label=f"{count} idle workers beside it")
        found = Spread.of([lag["found"]["median"] for lag in of_count]).median
        axes.axvline(found, color=colour, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(left=0.7 * RECORD)
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    axes.set_yticks(range(len(names)), [title(name, context["known"]) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("bytes reserved above the boundary when the advance returns")
    axes.set_title("Lag behind a worker that appends 120-byte records")
    caption = [
        "Full points: of thousands of advances the median; hollow ones: the 99th percentile. "
        + benchmark_files.count_line(lags, "Of each")
        + f"; bars: first to third quartile. What is less than a record stands at one, {RECORD} bytes; where only the "
        "full one is seen, both do. Dotted: what an advance finds on average, the median of all: who is there is one "
        "advance late. A ring has 16 MiB: who is there is held back by idle workers for ever. Behind a colon: a variant "
        "that is safe, too.",
        benchmark_files.machine_line(context),
    ]
    return style.finish(figure, [axes], caption, out)


if __name__ == "__main__":
    benchmark_files.main("lag", __doc__, "lags", draw)
