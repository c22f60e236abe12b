#!/usr/bin/python3
"""Any key of a configuration against any metric: median and quartiles over repetitions, a line a value of --by."""

import style  # first: it finds scripts/ and sets matplotlib up
import command
from matplotlib import colormaps, colors, pyplot, ticker

from lab import measurements, panels, results, series
from lab.command import Parser, RequestError
from lab.measurements import METRICS

LINES_MAX = 20


def parser():
    found = Parser(prog="plot.py", description=__doc__)
    found.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or a packed one")
    found.add_argument("--x", metavar="KEY", required=True, help="a configuration's key, as muster keys lists them")
    found.add_argument("--y", metavar="METRIC", required=True, help=", ".join(METRICS))
    found.add_argument("--by", metavar="KEY", help="a line for each value of this key")
    found.add_argument("--log", choices=("x", "y", "xy"), default="", help="logarithmic axes")
    panels.add_where(found)
    return found


def draw(arguments):
    found = panels.chosen(results.load_all(arguments.results), arguments.where)
    chart = series.chart(measurements.of_results(found, arguments.results), arguments.x, arguments.y, arguments.by)
    if len(chart.series) > LINES_MAX:
        raise RequestError.of("--by", arguments.by, f"at most {LINES_MAX} lines, not {len(chart.series)}; --where chooses")
    figure, axes = pyplot.subplots(figsize=(6.6, 3.8))
    ends = draw_lines(axes, chart)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(f"{METRICS[chart.metric].title}, {chart.unit}")
    scale(axes, chart, arguments.log)
    if chart.by:
        style.label_ends(axes, ends)
    head = ([f"by {chart.by}"] if chart.by else []) + arguments.where
    axes.set_title(", ".join(head), fontweight="normal", fontsize=8, color="#555555")
    repetitions = {spread.count for line in chart.series for _, spread in line.points}
    counts = " to ".join(str(n) for n in sorted({min(repetitions), max(repetitions)}))
    caption = [f"Points: median of {counts} repetitions; bars: first to third quartile.", style.machine_line(found) + "."]
    return style.finish(figure, [axes], caption, arguments.out)


def draw_lines(axes, chart):
    """Returns the ends of the lines, to be named."""
    places = {} if chart.numeric else {x: i for i, x in enumerate(dict.fromkeys(x for s in chart.series for x, _ in s.points))}
    names = [line.name for line in chart.series]
    ends = []
    for position, line in enumerate(chart.series):
        look = look_of(line.name, names)
        xs = [places.get(x, x) for x, _ in line.points]
        spreads = [spread for _, spread in line.points]
        axes.errorbar(
            xs,
            [s.median for s in spreads],
            yerr=[[s.median - s.q1 for s in spreads], [s.q3 - s.median for s in spreads]],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line if chart.numeric else "none",
            elinewidth=0.9,
            label=f"_{line.name}",  # for the CSV; names stand at the ends
            zorder=3 + position,
        )
        ends.append((xs[-1], spreads[-1].median, line.name, look.colour))
    if places:
        axes.set_xticks(list(places.values()), [str(x) for x in places], rotation=0)
        if len(places) > 5:
            pyplot.setp(axes.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
        axes.margins(x=0.1)
    return ends


def look_of(name, names):
    """An algorithm's own; other values go along a range of colours."""
    if all(other in style.LOOKS for other in names):
        return style.look(name, names)
    place = names.index(name)
    colour = colors.to_hex(colormaps[style.HEAT](0.85 * place / max(1, len(names) - 1)))
    return style.Look(colour, "osD^vP"[place % 6])


def scale(axes, chart, log):
    if "x" in log and chart.numeric:
        xs = sorted({x for line in chart.series for x, _ in line.points})
        if xs[0] <= 0:
            raise RequestError.of("--log", log, f"{chart.x} above 0 everywhere")
        axes.set_xscale("log", base=2)
        axes.set_xticks(xs)
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    if "y" in log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))


if __name__ == "__main__":
    command.report("plot", parser(), draw)
