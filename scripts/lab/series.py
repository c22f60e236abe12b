"""Any key of a configuration against any metric: lines of points, for a figure."""

from dataclasses import dataclass

from lab.command import RequestError
from lab.measurements import METRICS
from lab.results import natural
from lab.statistics import Spread


@dataclass
class Series:
    """A line: at each x the spread over repetitions."""

    name: str
    points: list  # (x, Spread), in the order of x


@dataclass
class Chart:
    x: str
    by: str | None
    metric: str
    unit: str
    series: list
    numeric: bool  # whether every x is a number


def chart(side, x, y, by=None):
    """What the side measured of the metric `y`, against the key `x`, a line for each value of the key `by`.

    Every other key must have one value: what differs and is not drawn would be taken for noise."""
    if y not in METRICS:
        raise RequestError.of("--y", y, "one of " + ", ".join(METRICS))
    points = [(dict(point), metrics) for point, metrics in side.points.items()]
    points = [(keys, units[0], metrics[units[0]]) for keys, metrics in points if (units := [m for m in metrics if m[0] == y])]
    if not points:
        raise RequestError.of("--y", y, "a metric that these results have")
    units = sorted({unit for _, (_, unit), _ in points})
    if len(units) > 1:
        raise RequestError.of("--y", y, f"one unit, not {' and '.join(units)}; --where workload=NAME chooses")
    _check_key("--x", x, points)
    if by is not None:
        _check_key("--by", by, points)
    _refuse_hidden(points, {x, by})
    lines = {}
    for keys, _, values in points:
        lines.setdefault(_shown(keys.get(by)) if by else "", []).append((keys.get(x), Spread.of(values)))
    numeric = all(_is_number(keys.get(x)) for keys, _, _ in points)
    order = (lambda point: point[0]) if numeric else (lambda point: _shown(point[0]))
    series = [Series(name, sorted(of, key=order)) for name, of in sorted(lines.items(), key=lambda line: natural(line[0]))]
    return Chart(x, by, y, units[0], series, numeric)


def _check_key(option, key, points):
    if not any(key in keys for keys, _, _ in points):
        known = sorted({key for keys, _, _ in points for key in keys})
        raise RequestError.of(option, key, "a key that these results have: " + ", ".join(known))


def _refuse_hidden(points, drawn):
    names = dict.fromkeys(key for keys, _, _ in points for key in keys if key not in drawn)
    for key in names:
        values = {_shown(keys.get(key)) for keys, _, _ in points}
        if len(values) > 1:
            want = f"one value; --by {key} draws a line for each, --where {key}=VALUE chooses"
            raise RequestError.of(key, ", ".join(sorted(values, key=natural)), want)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value):
    return "not used" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

