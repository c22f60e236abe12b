#!/usr/bin/python3
"""What `muster calibrate` measured of a machine, beside published measurements of others.

Transfers of a line between units as heat maps; contended additions against threads; transfers by distance; what
copying and single operations cost. Grey is published (results/published), colour is this machine.
"""

import style  # first: it finds scripts/ and sets matplotlib up
import command
import numpy
from matplotlib import pyplot, ticker

from lab import calibration
from lab.command import Parser

COLOURS = ("#0072B2", "#D55E00")
GREY = "#9a9a9a"
MATRICES = {
    "handoff": "Handed on, half a round trip",
    "modified": "Load of a line that was written",
    "shared": "Load of a line that was only read",
}
CELLS_WITH_NUMBERS_MAX = 12
COSTS = {"pause": "pause", "fetch_add": "fetch-add", "compare_exchange": "compare-exchange", "clock": "clock", "wake_up": "wake-up"}


def draw(arguments):
    document = calibration.load(arguments.machine)
    published = calibration.published() if not arguments.alone else {"fetch_add": [], "line_transfer": []}
    figure, axes = pyplot.subplots(2, 3, figsize=(12.5, 7.0))
    for panel, (kind, title) in zip(axes[0], MATRICES.items()):
        draw_matrix(figure, panel, document, kind, title)
    draw_fetch_add(axes[1][0], document, published["fetch_add"])
    draw_distances(axes[1][1], document, published["line_transfer"])
    draw_costs(axes[1][2], document)
    caption = [
        "Matrices: the row had the line, the column has it next; medians. Curves and points: median and quartiles of this "
        "machine. Grey: published, sources in results/published/series.json. Copying: bytes copied, each read and written once.",
        style.machine_line([{**document, "configuration": {}}]) + ".",
    ]
    return style.finish(figure, list(axes.flat), caption, arguments.out)


def draw_matrix(figure, panel, document, kind, title):
    panel.set_title(title)
    panel.grid(False)
    matrix = document["line_transfer_ns"][kind]
    if matrix is None or len(matrix) < 2:
        panel.set_axis_off()
        panel.text(0.5, 0.5, "not measured here", transform=panel.transAxes, ha="center", color="#777777")
        return
    cells = numpy.array(calibration.medians(matrix), dtype=float)  # NaN on the diagonal
    # From 0, so that cells that are nearly alike look alike.
    shown = panel.imshow(cells, cmap=style.HEAT, interpolation="nearest", vmin=0)
    bar = figure.colorbar(shown, ax=panel, fraction=0.046, pad=0.03)
    bar.set_label("ns", fontsize=8)
    bar.outline.set_visible(False)
    names = [str(unit["number"]) for unit in document["units"]]
    places = ticks(len(names))
    panel.set_xticks(places, [names[place] for place in places], fontsize=7)
    panel.set_yticks(places, [names[place] for place in places], fontsize=7)
    panel.set_xlabel("to unit")
    panel.set_ylabel("from unit")
    nodes = [unit["node"] for unit in document["units"]]
    for place in range(1, len(nodes)):
        if nodes[place] != nodes[place - 1]:
            for line in (panel.axhline, panel.axvline):
                line(place - 0.5, color="white", linewidth=1.2, gid=style.ORNAMENT)
    if len(cells) <= CELLS_WITH_NUMBERS_MAX:
        middle = numpy.nanmax(cells) / 2
        for (row, column), value in numpy.ndenumerate(cells):
            if not numpy.isnan(value):
                words = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
                panel.text(column, row, words, ha="center", va="center", fontsize=7, color="white" if value < middle else "black")


def ticks(count):
    """Places, 8 at most."""
    step = -(-count // 8)
    return list(range(0, count, step))


def draw_fetch_add(panel, document, published):
    ends = []
    for series in published:
        xs, ys = zip(*series["points"])
        panel.plot(xs, ys, color=GREY, linewidth=0.9, marker=".", markersize=3, label=f"_{series['machine']}")
        ends.append((xs[-1], ys[-1], series["machine"], "#777777"))
    for series, colour in zip(document["fetch_add"], COLOURS):
        xs = [point["threads"] for point in series["points"]]
        spreads = [point["operations_per_s"] for point in series["points"]]
        ys = [spread["median"] for spread in spreads]
        bars = [[s["median"] - s["q1"] for s in spreads], [s["q3"] - s["median"] for s in spreads]]
        panel.errorbar(xs, ys, yerr=bars, color=colour, marker="o", label=f"_{series['placement']}", zorder=5)
        ends.append((xs[-1], ys[-1], f"here, {series['placement']}" if len(document["fetch_add"]) > 1 else "here", colour))
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    panel.yaxis.set_minor_formatter(ticker.NullFormatter())
    panel.set_xlabel("threads")
    panel.set_ylabel("additions per second, all threads")
    panel.set_title("Fetch-add on one line")
    style.label_ends(panel, ends)


def draw_distances(panel, document, published):
    places = {name: place for place, name in enumerate(calibration.DISTANCES)}
    for place, source in enumerate(published):
        shift = (place - (len(published) - 1) / 2) * 0.09
        known = [(places[name] + shift, value) for name, value in source["ns"].items() if value is not None]
        panel.plot(*zip(*known), linestyle="", marker=".", color=GREY, label=f"_{source['machine']}")
    for name, values in calibration.by_distance(document).items():
        low, middle, high = min(values), calibration.middle(values), max(values)
        panel.errorbar(
            places[name], middle, yerr=[[middle - low], [high - middle]], color=COLOURS[0], marker="D", label=f"_here, {name}", zorder=5
        )
        words = {"xytext": (8, 0), "textcoords": "offset points", "fontsize": 8, "va": "center", "color": COLOURS[0]}
        panel.annotate(f"here {middle:.0f}", (places[name], middle), **words)
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    panel.yaxis.set_minor_formatter(ticker.NullFormatter())
    panel.set_xticks(list(places.values()), [name.replace(" ", "\n") for name in calibration.DISTANCES.values()], fontsize=8)
    panel.set_xlim(-0.6, len(places) - 0.2)
    panel.set_ylabel("half a round trip, ns")
    panel.set_title("A line between two units")


def draw_costs(panel, document):
    """A table, for what is looked up here is a number. Small: quartiles, of copying the least and the largest."""
    panel.set_axis_off()
    panel.set_title("What operations cost", x=-0.25)
    costs = document["costs_ns"]
    rows = [(title, time(costs[key]["median"]), f"{time(costs[key]['q1'])} to {time(costs[key]['q3'])}") for key, title in COSTS.items()]
    cores = [core["own_node"] for core in document["copy_bytes_per_s"]["cores"] if core["own_node"]]
    if cores:
        medians = sorted(spread["median"] for spread in cores)
        rows.append(("copying, one core", gigabytes(calibration.middle(medians)), between(medians)))
    near, far = [], []
    for i, row in enumerate(calibration.medians(document["copy_bytes_per_s"]["nodes"])):
        for j, value in enumerate(row):
            if value is not None:
                (near if i == j else far).append(value)
    for title, values in (("copying, a node's cores", near), ("copying, across nodes", far)):
        if values:
            rows.append((title, gigabytes(calibration.middle(values)), between(values)))
    for place, (title, median, ends) in enumerate(rows):
        y = 0.94 - place * 0.115
        panel.text(-0.25, y, title, transform=panel.transAxes, fontsize=9, va="center")
        panel.text(0.80, y, median, transform=panel.transAxes, fontsize=9, va="center", ha="right", fontweight="bold", color=COLOURS[0])
        panel.text(0.85, y, ends, transform=panel.transAxes, fontsize=7.5, va="center", color="#555555")


def time(ns):
    if ns >= 10_000:
        return f"{ns / 1000:,.0f} µs"
    return f"{ns:,.0f} ns" if ns >= 100 else f"{ns:.1f} ns"


def gigabytes(rate):
    return f"{rate / 1e9:.1f} GB/s"


def between(rates):
    return f"{min(rates) / 1e9:.1f} to {max(rates) / 1e9:.1f}" if len(rates) > 1 else ""


def main():
    parser = Parser(prog="machine.py", description=__doc__)
    parser.add_argument("machine", metavar="machine.json", help="what muster calibrate wrote")
    parser.add_argument("--alone", action="store_true", help="without the published series")
    command.report("machine", parser, draw)


if __name__ == "__main__":
    main()
