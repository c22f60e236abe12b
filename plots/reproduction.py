#!/usr/bin/python3
"""A figure of scripts/reproduce: its recipe's panels, median and quartiles over repetitions."""

import style  # first: it finds scripts/ and sets matplotlib up
import benchmark_files
import command
import plot
from matplotlib import pyplot, ticker
from pathlib import Path

from lab import recipes
from lab.algorithms import Algorithms
from lab.command import Parser
from lab.results import natural
from lab.series import Chart, Series
from lab.statistics import Spread

def chart_of(panel, table, known):
    """The panel's lines: a point of a line is the spread over repetitions."""
    lines = {}
    for point, of in table.values.items():
        keys = dict(point)
        if panel["x"] in keys:
            name = tuple((key, keys.get(key)) for key in panel["by"])
            lines.setdefault(name, []).append((keys[panel["x"]], Spread.of(list(of.values()))))
    named = {words(name, known): sorted(points, key=lambda point: point[0]) for name, points in lines.items()}
    order = sorted(named, key=natural)
    return Chart(panel["x"], ", ".join(panel["by"]), panel["y"], table.unit, [Series(name, named[name]) for name in order], True)


def words(name, known):
    """A line's name: algorithms by their own name, so that the figure gives them their colour."""
    said = []
    for key, value in name:
        if key in ("algorithm", "engine.policy"):
            said.append(str(value))
        elif isinstance(value, bool):
            said += [key.split(".")[-1].replace("_", " ")] if value else []
        else:
            said.append(f"{key.split('.')[-1].replace('_', ' ')} {value}")
    return ", ".join(said)


def draw(recipe, folder, out):
    tables, found, benchmarks = recipe.tables(folder)
    figure, all_axes = pyplot.subplots(1, len(recipe.panels), figsize=(6.2 * len(recipe.panels), 3.6), squeeze=False)
    known = Algorithms.of_results(found) if found else Algorithms.of_list(benchmarks.get("algorithms", []))
    drawn = []
    for axes, panel in zip(all_axes[0], recipe.panels):
        table = tables[panel["name"]]
        chart = chart_of(panel, table, known)
        ends = plot.draw_lines(axes, chart)
        axes.set_xlabel(panel["x"])
        axes.set_ylabel(", ".join(part for part in (table.title, table.unit) if part))
        scale(axes, chart, panel.get("log", ""))
        drawn.append((axes, ends))
    figure.suptitle(f"{recipe.number}. {recipe.title}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.tight_layout()
    for axes, ends in drawn:
        style.label_ends(axes, ends)
    repetitions = sorted({len(of) for table in tables.values() for of in table.values.values()})
    counts = " to ".join(str(n) for n in sorted({repetitions[0], repetitions[-1]}))
    caption = [
        f"Source: {recipe.source}. Published: {recipe.published}",
        f"Here: {recipe.differs} Points: median of {counts} interleaved repetitions; bars: first to third quartile.",
        style.machine_line(found) + "." if found else benchmark_files.machine_line({**benchmarks["context"], "known": known}),
    ]
    return style.finish(figure, [axes for axes, _ in drawn], caption, out)


def scale(axes, chart, log):
    """As plot.py's, but a 0 stays on a logarithmic axis: it is linear below the least value above 0."""
    xs = sorted({x for line in chart.series for x, _ in line.points})
    ys = [value for line in chart.series for _, of in line.points for value in (of.q1, of.median, of.q3)]
    plot.scale(axes, chart, log.replace("x", "") if xs[0] <= 0 else log)
    if "y" in log and min(ys) <= 0:
        least = min(value for value in ys if value > 0)
        axes.set_yscale("symlog", linthresh=least, linscale=0.4)
        axes.set_ylim(bottom=-0.3 * least)
        axes.yaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    if xs[0] <= 0 and len(xs) > 1 and xs[-1] > 20 * xs[1]:
        axes.set_xscale("symlog", linthresh=xs[1], linscale=0.5)
        axes.set_xlim(-0.3 * xs[1], 1.5 * xs[-1])
    if "x" not in log or xs[0] <= 0:
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.xaxis.set_minor_locator(ticker.NullLocator())


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
