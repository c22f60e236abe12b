#!/usr/bin/python3
"""What one advance costs: against the workers that are registered, and against the records outstanding."""

import benchmark_files
import style
from matplotlib import pyplot, ticker

from lab import results
from lab.algorithms import WITHOUT_LOG
from lab.benchmarks import CLOCK_NS


def draw_panel(axes, costs, algorithms, known):
    """Lines, named at their ends."""
    ends = []
    for position, algorithm in enumerate(algorithms):
        points = sorted((c for c in costs if c["algorithm"] == algorithm), key=lambda c: c["count"])
        if not points:
            continue
        look = style.look(algorithm, algorithms)
        shift = style.dodge(position, len(algorithms))
        low, middle, high = ([max(c[key], CLOCK_NS) for c in points] for key in ("q1", "ns", "q3"))
        axes.errorbar(
            [c["count"] * shift for c in points],
            middle,
            yerr=[[m - l for m, l in zip(middle, low)], [h - m for m, h in zip(middle, high)]],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            elinewidth=0.8,
            markersize=4.5,
            markeredgecolor=look.colour if look.marker in "x_" else "white",
            markeredgewidth=1.4 if look.marker in "x_" else 0.5,
            zorder=3 + position,
        )
        ends.append((points[-1]["count"] * shift, middle[-1], known.title(algorithm), look.colour))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    counts = sorted({c["count"] for c in costs})
    axes.set_xticks(counts)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.tick_params(axis="x", labelsize=8)
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:,.0f}"))
    axes.set_ylabel("nanoseconds")
    return ends


def draw(costs, context, out):
    algorithms = context["known"].in_order({c["algorithm"] for c in costs}.difference(WITHOUT_LOG))  # `null` is the clock
    figure, panels = pyplot.subplots(1, 2, figsize=(13, 4.2), sharey=True)
    behind = "records of 48 bytes outstanding behind an open one, of four workers"
    highest = max((c["q3"] for c in costs if c["algorithm"] in algorithms), default=0)
    panels[0].set_ylim(0.7 * CLOCK_NS, 1.5 * max(highest, 10 * CLOCK_NS))
    for axes, against, title, label in (
        (panels[0], "registered", "One advance against workers", "workers registered, two of them with a new record"),
        (panels[1], "outstanding", "One advance against records", behind),
    ):
        of_panel = [c for c in costs if c["against"] == against and c["algorithm"] in algorithms]
        if not of_panel:
            raise results.ResultError(f"holds nothing against {against}: want all of scripts/advance_benchmarks.py")
        ends = draw_panel(axes, of_panel, algorithms, context["known"])
        axes.set_title(title)
        axes.set_xlabel(label)
        style.label_ends(axes, ends)
    panels[1].set_ylabel("")
    panels[1].tick_params(labelleft=True)
    caption = [
        benchmark_files.count_line(costs, "Points")
        + ", less the clock's own time; bars: first to third quartile. What is below "
        f"{CLOCK_NS} ns, the clock's resolution, stands at {CLOCK_NS}. One thread does all, so that no cache line has to come from another "
        "unit. A line that is missing, or ends early: an algorithm that idle workers stall, or whose workers publish "
        "in turn or under a lock, or that so many records fill.",
        benchmark_files.machine_line(context),
    ]
    return style.finish(figure, panels, caption, out)


if __name__ == "__main__":
    benchmark_files.main("advance_cost", __doc__, "costs", draw)
