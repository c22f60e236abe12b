"""Any key of a configuration against any measure of a repetition: lines of points, for a figure."""

import difflib
import json
from dataclasses import dataclass

from lab import measurements, measures
from lab.command import RequestError
from lab.measures import is_number
from lab.results import ResultError, disturbances, natural
from lab.statistics import Spread


@dataclass
class Point:
    x: object
    spread: Spread  # over repetitions
    disturbed: list  # what disturbed one of them: the kinds


@dataclass
class Series:
    """A line."""

    name: str
    points: list  # in the order of x


@dataclass
class Chart:
    x: str
    by: str | None
    measure: measures.Measure
    series: list
    numeric: bool  # whether every x is a number

    def xs(self):
        return sorted({point.x for line in self.series for point in line.points})

    def disturbed(self):
        return sorted({kind for line in self.series for point in line.points for kind in point.disturbed})


def chart(found, name, x, y, by=None):
    """What results of `name` hold of the measure `y`, against the key `x`, a line for each value of the key `by`.

    Every other key must have one value: what differs and is not drawn would be taken for noise."""
    points = _points(found, name)
    measure = _measure(y, points)
    points = [(dict(point), repetitions) for point, repetitions in points.items()]
    points = [(keys, of) for keys, of in points if any(measure in values for values, _ in of)]
    for option, key in (("--x", x), ("--by", by)):
        if key is not None:
            _check_key(option, key, points)
    _refuse_hidden(points, {x, by})
    lines = {}
    for keys, repetitions in points:
        values = [values[measure] for values, _ in repetitions if measure in values]
        kinds = sorted({line.partition(":")[0] for _, lines_of in repetitions for line in lines_of})
        lines.setdefault(shown(keys.get(by)) if by else "", []).append(Point(keys.get(x), Spread.of(values), kinds))
    numeric = all(is_number(keys.get(x)) for keys, _ in points)
    order = (lambda point: point.x) if numeric else (lambda point: natural(shown(point.x)))
    series = [Series(line, sorted(of, key=order)) for line, of in sorted(lines.items(), key=lambda line: natural(line[0]))]
    return Chart(x, by, measure, series, numeric)


def _points(found, name):
    """Point of a configuration -> a pair a repetition: its measures, and lines of what disturbed it."""
    points, seen = {}, set()
    for result in found:
        point = measurements.point_of(result["configuration"])
        fingerprint = (point, result["configuration"]["seed"], result.get("time"), json.dumps(result["repetitions"]))
        if fingerprint in seen:
            raise ResultError(f"{name}: holds a measurement twice: {result.get('title') or point}: want each once")
        seen.add(fingerprint)
        for repetition, disturbed in zip(result["repetitions"], disturbances(result)):
            points.setdefault(point, []).append((measures.of_repetition(name, result, repetition), disturbed))
    return points


def _measure(y, points):
    """The one of that name."""
    known = dict.fromkeys(measure for repetitions in points.values() for values, _ in repetitions for measure in values)
    named = sorted((measure for measure in known if measure.key == y), key=lambda measure: measure.unit)
    if not named:
        names = list(dict.fromkeys(measure.key for measure in known))
        near = difflib.get_close_matches(y, names, n=2)
        nearest = f" (the nearest: {', '.join(near)})" if near else ""
        raise RequestError.of("--y", y, f"a measure that these results have{nearest}: " + ", ".join(names))
    if len(named) > 1:
        units = " and ".join(measure.unit for measure in named)
        raise RequestError.of("--y", y, f"one unit, not {units}; --where workload=NAME chooses")
    return named[0]


def _check_key(option, key, points):
    if not any(key in keys for keys, _ in points):
        known = sorted({key for keys, _ in points for key in keys})
        raise RequestError.of(option, key, "a key that these results have: " + ", ".join(known))


def _refuse_hidden(points, drawn):
    names = dict.fromkeys(key for keys, _ in points for key in keys if key not in drawn)
    for key in names:
        values = {shown(keys.get(key)) for keys, _ in points}
        if len(values) > 1:
            want = f"one value; --by {key} draws a line for each, --where {key}=VALUE chooses"
            raise RequestError.of(key, ", ".join(sorted(values, key=natural)), want)


def shown(value):
    """A value of a key, in words."""
    return "not used" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
