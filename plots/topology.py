#!/usr/bin/python3
"""A machine, and where a policy puts threads on it: a box a NUMA node, a row a last-level cache, a cell a processing unit."""

import json
import math

import command
import style
from matplotlib import cm, colors, patches, pyplot

from lab import results
from lab.command import Parser, RequestError, positive

POLICIES = ("compact", "scatter", "smt_last", "cache")
ACROSS = 16  # cells in a row
CELL, GAP, HEAD = 1.0, 0.6, 1.1
INCHES = 0.3  # a cell
NUMBERS_MAX = 300  # units whose cells hold numbers
FREE = "#EEEEEE"
FLUSHER = "#D55E00"
PNG_DPI = 120


def read(path):
    """What `muster topology --json` wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            machine = json.load(file)
        known = {unit["number"] for unit in machine["units"]}
        whole = all(sorted(machine[policy]) == sorted(known) for policy in POLICIES)
        fine = whole and known and all({"number", "memory_bytes", "distances"} <= node.keys() for node in machine["nodes"])
    except OSError as error:
        raise results.ResultError(f"topology = {path}: {error.strerror}; want a file that can be read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise results.ResultError(f"topology = {path}: {error}; want what `muster topology --json` writes") from error
    if not fine:
        raise results.ResultError(f"topology = {path}: want what `muster topology --json` writes")
    return machine


def rows_of(machine, node):
    """The cells of a node: a list of units a row, and each cache begins a new one."""
    caches = {}
    for unit in machine["units"]:
        if unit["node"] == node["number"]:
            caches.setdefault(unit["cache"], []).append(unit)
    rows = []
    for units in caches.values():
        units.sort(key=lambda unit: (unit["core"], unit["sibling"]))
        rows += [units[i : i + ACROSS] for i in range(0, len(units), ACROSS)]
    return rows


def title_of(node):
    memory = node["memory_bytes"] / 2**30
    distances = " ".join(map(str, node["distances"]))
    return f"node {node['number']}" + (f", {memory:,.0f} GiB" if memory else "") + f", distances {distances}"


def draw_node(axes, machine, node, corner, places):
    """Places: unit -> the worker's place in the policy's order, or "flusher". Returns the box's height."""
    x, y = corner
    rows = rows_of(machine, node)
    height = HEAD + max(1, len(rows)) * CELL + 0.2
    frame = {"facecolor": "white", "edgecolor": "#555555", "linewidth": 0.8}
    axes.add_patch(patches.Rectangle((x - 0.2, y - height), ACROSS * CELL + 0.4, height, **frame))
    axes.text(x, y - 0.55, title_of(node), fontsize=6.5, va="center")
    if not rows:
        axes.text(x, y - HEAD - CELL / 2, "no units", fontsize=6.5, va="center", color="#777777")
    spectrum = colors.Normalize(0, max([1, *(place for place in places.values() if place != "flusher")]))
    for row, units in enumerate(rows):
        for column, unit in enumerate(units):
            place = places.get(unit["number"])
            colour = FREE if place is None else FLUSHER if place == "flusher" else cm.get_cmap(style.HEAT)(spectrum(place))
            at = (x + column * CELL, y - HEAD - (row + 1) * CELL)
            axes.add_patch(patches.Rectangle(at, CELL * 0.94, CELL * 0.9, facecolor=colour, edgecolor="none"))
            if len(machine["units"]) <= NUMBERS_MAX:
                dark = place is not None and place != "flusher" and spectrum(place) < 0.6
                axes.text(at[0] + 0.47, at[1] + 0.45, unit["number"], fontsize=5, ha="center", va="center", color="white" if dark else "black")
    return height


def places_of(machine, policy, threads):
    order = machine[policy]
    places = {unit: place for place, unit in enumerate(order[:threads])}
    if threads < len(order):
        places[order[threads]] = "flusher"
    return places


def draw(machine, policy, threads, out):
    places = places_of(machine, policy, threads)
    nodes = machine["nodes"]
    columns = 1 if len(nodes) == 1 else 2
    lines = math.ceil(len(nodes) / columns)
    heights = [max(HEAD + max(1, len(rows_of(machine, n))) * CELL + 0.2 for n in nodes[i * columns : (i + 1) * columns]) for i in range(lines)]
    width, height = columns * (ACROSS * CELL + 0.4 + GAP), sum(heights) + lines * GAP + 1.6
    figure = pyplot.figure(figsize=(width * INCHES, height * INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-0.4, width - 0.2)
    axes.set_ylim(-height, 0.2)
    axes.axis("off")
    y = 0.0
    for line in range(lines):
        for column, node in enumerate(nodes[line * columns : (line + 1) * columns]):
            draw_node(axes, machine, node, (column * (ACROSS * CELL + 0.4 + GAP), y), places)
        y -= heights[line] + GAP
    flusher = "orange: the flusher" if threads < len(machine[policy]) else "the flusher shares the last worker's unit"
    words = f"{policy}, {threads} of {len(machine['units'])} units: dark is handed out first, grey is free, {flusher}"
    axes.text(0, y - 0.4, words, fontsize=7, color="#555555", va="center")
    with pyplot.rc_context({"savefig.dpi": PNG_DPI}):
        return style.save(figure, out)


def checked(arguments):
    machine = read(arguments.topology)
    units = len(machine["units"])
    threads = arguments.threads or units
    if threads > units:
        raise RequestError.of("--threads", threads, f"1 to {units}, the units of {arguments.topology}")
    return draw(machine, arguments.policy, threads, arguments.out)


def main():
    parser = Parser(prog="topology.py", description=__doc__)
    parser.add_argument("topology", metavar="TOPOLOGY.json", help="what `muster topology --json` wrote, of this machine or another")
    parser.add_argument("--policy", choices=POLICIES, default="compact", help="that hands the units out")
    parser.add_argument("--threads", metavar="N", type=positive(int), help="workers; all units if not given")
    command.report("topology", parser, checked)


if __name__ == "__main__":
    main()
