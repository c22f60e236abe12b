#!/usr/bin/python3
"""A figure of scripts/reproduce: its recipe's panels, median and quartiles over repetitions."""

import textwrap
from pathlib import Path

import style  # first: it finds scripts/ and sets matplotlib up
import benchmark_files
import command
import plot
from matplotlib import pyplot, ticker

from lab import recipes
from lab.algorithms import Algorithms
from lab.command import Parser
from lab.measures import Measure
from lab.results import natural
from lab.series import Chart, Point, Series
from lab.statistics import Spread
from lab.wording import amount, two_digits

BAR = "#0072B2"
ROW_MAX = 3  # panels side by side
LABEL_MAX = 44  # characters of an axis' title in a line
NAMES = {"btree": "B+ tree", "lsm": "LSM tree", "size_tiered": "size-tiered"}
PARTS = ("#999999", "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#009E73")  # colours of what a bar is made of


def chart_of(panel, table):
    """The panel's lines: a point of a line is the spread over repetitions."""
    lines = {}
    for point, of in table.values.items():
        keys = dict(point)
        if panel["x"] in keys:
            name = words([(key, keys.get(key)) for key in panel["by"]])
            kinds = sorted(table.disturbed.get(point, ()))
            lines.setdefault(name, []).append(Point(keys[panel["x"]], Spread.of(list(of.values())), kinds))
    series = [Series(name, sorted(lines[name], key=lambda point: point.x)) for name in sorted(lines, key=natural)]
    return Chart(panel["x"], None, Measure(panel["y"], table.unit), series, True)


def words(keys):
    """A line's name: an algorithm by its own name, so that the figure gives it its colour."""
    said = []
    if ("engine.table", "btree") in keys:  # which knows no memtable
        keys = [(key, value) for key, value in keys if not key.startswith("lsm.")]
    for key, value in keys:
        if key in ("algorithm", "engine.policy", "engine.table", "lsm.compaction"):
            said.append(NAMES.get(value, str(value)))
        elif isinstance(value, bool):
            said += [key.split(".")[-1].replace("_", " ")] if value else []
        elif key.endswith("_bytes") and isinstance(value, int):
            said.append(f"{key.split('.')[-1].removesuffix('_bytes').replace('_', ' ')} {binary(value)}")
        else:
            name = key.removesuffix(".placement").split(".")[-1]
            said.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(said)


def binary(count):
    """So many bytes in the largest unit of which they are a whole number."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count % 1024 or count == 0 or unit == "GiB":
            return f"{count}\N{NO-BREAK SPACE}{unit}"
        count //= 1024


def _rank(value):
    """A list of units sorts among the names of placements."""
    return str(value) if isinstance(value, tuple) else value


def draw_bars(axes, panel, table, steps):
    """Draws a bar a point: steps in their order, the first on top, each with its factor over the one before; other points in
    the order of their keys, the largest first."""
    of_steps = panel["x"] == recipes.STEP
    points = sorted(map(dict, table.values), key=lambda point: [_rank(point[key]) for key in [panel["x"], *panel["by"]]], reverse=not of_steps)
    before = None
    for y, point in zip(range(len(points), 0, -1), points):
        spread = Spread.of(list(table.of(point).values()))
        name = step_name(point[recipes.STEP], steps) if of_steps else words([(key, point[key]) for key in panel["by"]])
        hollow = bool(table.disturbed.get(tuple(sorted(point.items()))))
        if table.parts:
            draw_stack(axes, y, tuple(sorted(point.items())), table.parts)
        else:
            axes.barh(y, spread.median, color="white" if hollow else BAR, edgecolor=BAR, height=0.62, alpha=0.85, zorder=2)
        ends = [[spread.median - spread.q1], [spread.q3 - spread.median]]
        axes.errorbar([spread.median], [y], xerr=ends, color="#222222", marker="", elinewidth=0.9, label=f"_{name}", zorder=3)
        factor = f"   \N{MULTIPLICATION SIGN}{two_digits(spread.median / before)}" if before else ""
        place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 7.5}
        axes.annotate(amount(spread.median) + factor, (max(spread.q3, spread.median), y), annotation_clip=False, **place)
        before = spread.median if of_steps else None
        point["name"] = name
    axes.set_yticks(range(len(points), 0, -1), [point["name"] for point in points], fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.set_xscale("log" if "x" in panel.get("log", "") else "linear")
    axes.margins(x=0.15)
    prefixed = ticker.EngFormatter(sep="\N{THIN SPACE}")
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: prefixed(x) if x >= 1000 else f"{x:g}"))
    axes.set_xlabel(", ".join(part for part in (table.title, table.unit) if part))
    axes.set_title(panel.get("title", ""), fontweight="normal", fontsize=8, color="#555555")


def draw_stack(axes, y, point, parts):
    """Draws the medians of the parts one behind the other; the legend names each once."""
    begin = 0.0
    for colour, part in zip(PARTS, parts):
        width = Spread.of(list(part.values[point].values())).median
        named = any(label == part.title for label in axes.get_legend_handles_labels()[1])
        axes.barh(y, width, left=begin, color=colour, height=0.62, alpha=0.85, zorder=2, label=f"_{part.title}" if named else part.title)
        begin += width


def step_name(number, steps):
    return f"{number}. {steps[number - 1][0]}"


def height_of(recipe, tables):
    """In inches: bars want a line each."""
    bars = [len(tables[panel["name"]].values) for panel in recipe.panels if panel.get("bars")]
    return max([3.6] * (len(bars) < len(recipe.panels)) + [0.9 + 0.3 * count for count in bars])


def draw(recipe, folder, out):
    tables, found, benchmarks = recipe.tables(folder)
    count = len(recipe.panels)
    rows = 1 if count <= ROW_MAX else 2
    columns = -(-count // rows)
    size = (6.2 * columns + (2 if recipe.steps else 0), rows * height_of(recipe, tables))
    figure, all_axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    for axes in all_axes.flat[count:]:
        axes.remove()
    known = Algorithms.of_results(found) if found else Algorithms.of_list(benchmarks.get("algorithms", []))
    drawn, kinds = [], set()
    for axes, panel in zip(all_axes.flat, recipe.panels):
        table = tables[panel["name"]]
        if panel.get("bars"):
            draw_bars(axes, panel, table, recipe.steps)
            kinds |= {kind for of in table.disturbed.values() for kind in of}
            drawn.append((axes, []))
            continue
        chart, log = chart_of(panel, table), panel.get("log", "")
        ends = plot.draw_lines(axes, chart, None if is_bent(chart) else log)
        axes.set_xlabel(panel["x"])
        axes.set_ylabel(textwrap.fill(", ".join(part for part in (table.title, table.unit) if part), LABEL_MAX))
        axes.set_title(panel.get("title", ""), fontweight="normal", fontsize=8, color="#555555")
        scale(axes, chart, log)
        drawn.append((axes, ends))
        kinds |= set(chart.disturbed())
    figure.suptitle(f"{recipe.number}. {recipe.title}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.tight_layout()
    for axes, ends in drawn:
        if ends:
            style.label_ends(axes, ends)
    repetitions = sorted({len(of) for table in tables.values() for of in table.values.values()})
    counts = " to ".join(str(n) for n in sorted({repetitions[0], repetitions[-1]}))
    caption = [
        f"Source: {recipe.source}. Published: {recipe.published}",
        f"Here: {recipe.differs} Points: median of {counts} interleaved repetitions; bars: first to third quartile.",
        *style.hollow_lines(sorted(kinds)),
        style.machine_line(found) + "." if found else benchmark_files.machine_line({**benchmarks["context"], "known": known}),
    ]
    return style.finish(figure, [axes for axes, _ in drawn], caption, out)


def is_bent(chart):
    """Whether x begins at 0 and spans orders of magnitude: its axis is logarithmic but for the first step."""
    xs = chart.xs()
    return xs[0] <= 0 and len(xs) > 2 and xs[-1] > 20 * xs[1]


def scale(axes, chart, log):
    """As plot.py's, but a 0 stays on a logarithmic axis: it is linear below the least value above 0."""
    xs = chart.xs()
    plot.scale_x(axes, chart, log if xs[0] > 0 else "")
    if is_bent(chart):
        axes.set_xscale("symlog", linthresh=xs[1], linscale=0.5)
        axes.set_xlim(-0.3 * xs[1], 1.5 * xs[-1])
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    values = [value for line in chart.series for point in line.points for value in (point.spread.q1, point.spread.q3)]
    if "y" in log and min(values) <= 0:
        least = min(value for value in values if value > 0)
        axes.set_yscale("symlog", linthresh=least, linscale=0.4)
        axes.set_ylim(bottom=-0.3 * least)
        axes.yaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    else:
        plot.scale_y(axes, chart, log)


def main():
    parser = Parser(prog="reproduction.py", description=__doc__)
    parser.add_argument("recipe", metavar="FIGURE", help="of scripts/figures: its number or name")
    parser.add_argument("results", metavar="DIR", type=Path, help="the --out of scripts/reproduce")

    def drawn(arguments):
        (recipe,) = recipes.chosen(recipes.load(), [arguments.recipe])
        return draw(recipe, arguments.results, arguments.out)

    command.report("reproduction", parser, drawn)


if __name__ == "__main__":
    main()
