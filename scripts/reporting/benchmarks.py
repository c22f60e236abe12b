"""Figures of a file of muster_bench, whatever it measured: a line an algorithm, against the number that varies most."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from lab.algorithms import SHARES_OF
from lab.measurements import METRICS
from lab.measures import is_number
from lab.statistics import Spread
from reporting.figures import figure, looks

FEW = 8  # a number that grows by less than this factor has a linear axis


@dataclass
class Cell:
    """One benchmark of one algorithm."""

    algorithm: str
    keys: dict  # the numbers in its name, and what else
    values: list  # one a repetition


def of_file(side, known):
    """The figures; none where no number varies: the table has what there is. `known` is what the file says of algorithms."""
    made = []
    for (family, metric, unit, _), cells in _families(side).items():
        x = _varying(cells)
        if x is None:
            continue
        for fixed, of_panel in _panels(cells, x).items():
            name = f"{family}, {METRICS[metric].title} against {x}{fixed}"
            y = {"title": unit, "scale": "linear" if metric == "throughput" else "log", "least": 1 if metric == "boundary_lag" else 0.01}
            made.append(_figure(name, x, y, known, of_panel, [cell.values for cell in of_panel]))
            for title, control in SHARES_OF.items() if metric == "throughput" else ():
                if shares := _shares(of_panel, x, control):
                    y = {"title": f"share of {title}", "scale": "linear"}
                    made.append(_figure(f"{family}, share of {title} against {x}{fixed}", x, y, known, of_panel, shares))
    return [{"panel": side.place.rpartition("/")[2], **one} for one in made]


def _families(side):
    """Benchmarks of one kind, metric and set of keys together."""
    found = defaultdict(list)
    for point, series in side.points.items():
        keys = dict(point)
        family, algorithm = keys.pop("benchmark"), keys.pop("algorithm", None)
        for (metric, unit), values in series.items():
            found[family, metric, unit, tuple(sorted(keys))].append(Cell(algorithm or family, keys, values))
    return found


def _varying(cells):
    """The key that has most values, all of them numbers."""
    values = {key: {cell.keys[key] for cell in cells} for key in cells[0].keys}
    counts = {key: len(of) for key, of in values.items() if len(of) > 1 and all(map(is_number, of))}
    return max(counts, key=counts.get, default=None)


def _panels(cells, x):
    """What the other keys are, in words -> the cells that have it."""
    found = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell.keys[x]):
        found["".join(f", {key} {value}" for key, value in cell.keys.items() if key != x)].append(cell)
    return found


def _shares(cells, x, control):
    """Each value over the control's median at the same x; None for a cell where there is none."""
    beside = {cell.keys[x]: statistics.median(cell.values) for cell in cells if cell.algorithm == control}
    return beside and [[v / beside[cell.keys[x]] for v in cell.values] if beside.get(cell.keys[x]) else None for cell in cells]


def _figure(title, x, y, known, cells, values_of):
    points, counts = defaultdict(list), set()
    for cell, values in zip(cells, values_of):
        if values:
            spread = Spread.of(values)
            points[cell.algorithm].append([cell.keys[x], spread.median, spread.q1, spread.q3, False])
            counts.add(spread.count)
    series = [{**looks(known, name, list(points)), "points": points[name]} for name in known.in_order(points)]
    xs = [cell.keys[x] for cell in cells]
    scale = "log2" if min(xs) > 0 and max(xs) >= FEW * min(xs) else "linear"
    number = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    return figure(title, {"title": x, "scale": scale}, y, series, f"Median of {number} repetition{'' if number == '1' else 's'}; bars: first to third quartile.")
