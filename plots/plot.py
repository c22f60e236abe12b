#!/usr/bin/python3
"""Any key of a configuration against any measure: median and quartiles over repetitions, a line a value of --by.

A measure is one of METRICS, or any number of a result by its place: commit_latency_us.p95, waits.lock.ns,
activity.context_switches.involuntary. One that is not there is refused with a list of those that are.
"""

import argparse

import style  # first: it finds scripts/ and sets matplotlib up
import command
from matplotlib import colormaps, colors, pyplot, ticker

from lab import panels, results, series
from lab.command import Parser, RequestError
from lab.measurements import METRICS

LINES_MAX = 20
TICKS_APART = 0.07  # of the axis: so close, two numbers of an x do not touch


def parser():
    about = __doc__.replace("METRICS", ", ".join(METRICS))
    found = Parser(prog="plot.py", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or a packed one")
    found.add_argument("--x", metavar="KEY", required=True, help="a configuration's key, as muster keys lists them")
    found.add_argument("--y", metavar="MEASURE", required=True, help="such as throughput or waits.lock.ns")
    found.add_argument("--by", metavar="KEY", help="a line for each value of this key")
    found.add_argument("--log", choices=("x", "y", "xy"), default="", help="logarithmic axes")
    panels.add_where(found)
    return found


def draw(arguments):
    found = panels.read(arguments)
    chart = series.chart(found, arguments.results, arguments.x, arguments.y, arguments.by)
    if len(chart.series) > LINES_MAX:
        raise RequestError.of("--by", arguments.by, f"at most {LINES_MAX} lines, not {len(chart.series)}; --where chooses")
    figure, axes = pyplot.subplots(figsize=(6.6, 3.8))
    ends = draw_lines(axes, chart, arguments.log)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.measure.title)
    scale_x(axes, chart, arguments.log)
    scale_y(axes, chart, arguments.log)
    if chart.by:
        style.label_ends(axes, ends)
    head = ([f"by {chart.by}"] if chart.by else []) + arguments.where
    axes.set_title(", ".join(head), fontweight="normal", fontsize=8, color="#555555")
    repetitions = {point.spread.count for line in chart.series for point in line.points}
    counts = " to ".join(str(n) for n in sorted({min(repetitions), max(repetitions)}))
    caption = [f"Points: median of {counts} repetition{'' if counts == '1' else 's'}; bars: first to third quartile."]
    caption += [*style.hollow_lines(chart.disturbed()), style.machine_line(found) + "."]
    return style.finish(figure, [axes], caption, arguments.out)


def draw_lines(axes, chart, log):
    """Returns the ends of the lines, to be named."""
    places = {} if chart.numeric else {x: i for i, x in enumerate(dict.fromkeys(p.x for s in chart.series for p in s.points))}
    names = [line.name for line in chart.series]
    apart = stand_apart(chart, log, len(places))
    ends = []
    for position, line in enumerate(chart.series):
        look = look_of(line.name, names)
        xs = [apart(places.get(point.x, point.x), position) for point in line.points]
        spreads = [point.spread for point in line.points]
        drawn = axes.errorbar(
            xs,
            [s.median for s in spreads],
            yerr=[[s.median - s.q1 for s in spreads], [s.q3 - s.median for s in spreads]],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line if chart.numeric else "none",
            elinewidth=0.9,
            label=f"_{line.name}",  # for the CSV; names stand at the ends
            zorder=3 + position,
            clip_on=False,  # a point at 0 is whole
        )
        style.EXACT[drawn[0]] = [point.x if chart.numeric else series.shown(point.x) for point in line.points]
        hollow = [(x, point.spread.median) for x, point in zip(xs, line.points) if point.disturbed]
        style.draw_hollow(axes, hollow, look, 3 + position)
        ends.append((xs[-1], spreads[-1].median, line.name, look.colour))
    if places:
        axes.set_xticks(list(places.values()), [series.shown(x) for x in places], rotation=0)
        if len(places) > 5:
            pyplot.setp(axes.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
        axes.margins(x=0.1)
    return ends


def stand_apart(chart, log, places):
    """Where a line's point at x is drawn: lines stand a little apart, so that equal ones do not hide each other."""
    count = len(chart.series)
    if log is None:  # an axis on which no distance looks alike everywhere
        return lambda x, position: x
    if "x" in log and chart.numeric:
        return lambda x, position: x * style.dodge(position, count)
    width = places - 1 if places else chart.xs()[-1] - chart.xs()[0]
    step = min(0.006, 0.04 / count) * (width or 1)
    return lambda x, position: x + (position - (count - 1) / 2) * step


def look_of(name, names):
    """An algorithm's own; other values go along a range of colours."""
    if all(other in style.LOOKS for other in names):
        return style.look(name, names)
    place = names.index(name)
    colour = colors.to_hex(colormaps[style.HEAT](0.85 * place / max(1, len(names) - 1)))
    return style.Look(colour, "osD^vP"[place % 6])


def scale_x(axes, chart, log):
    """Ticks at the numbers that were measured where they have room, else at whole ones where all are whole."""
    if not chart.numeric:
        return
    xs = chart.xs()
    if "x" in log:
        if xs[0] <= 0:
            raise RequestError.of("--log", log, f"{chart.x} above 0 everywhere")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    if "x" in log or all(b - a > TICKS_APART * (xs[-1] - xs[0]) for a, b in zip(xs, xs[1:])):
        axes.set_xticks(xs)
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=all(float(x).is_integer() for x in xs)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))


def scale_y(axes, chart, log):
    spreads = [point.spread for line in chart.series for point in line.points]
    if "y" in log:
        if min(spread.median for spread in spreads) <= 0:
            raise RequestError.of("--log", log, f"{chart.measure.key} above 0 everywhere")
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    else:
        axes.set_ylim(0, 1.08 * max(spread.q3 for spread in spreads) or 1)  # room for the highest bar's end
    prefixed = ticker.EngFormatter(sep="\N{THIN SPACE}")
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: prefixed(y) if y >= 1000 else f"{y:g}"))


if __name__ == "__main__":
    command.report("plot", parser(), draw)
