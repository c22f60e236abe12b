"""The figures of a report, as data that charts.js draws: axes, and series of points [x, y, low, high, hollow]."""

import functools
import itertools
import json
import math
from collections import defaultdict

from lab import panels
from lab.algorithms import SHARES_OF
from lab.looks import look
from lab.statistics import Spread

THREADS = {"title": "threads", "scale": "log2"}
PERCENTILE = {"title": "percentile", "scale": "percentile"}
SUMMARY = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))
CURVE_POINTS_MAX = 120  # of a percentile curve
TIME_POINTS_MAX = 600  # of a line over time


def number(value):
    """The value where it is one that a figure can have; else None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else None


def get(document, *path):
    """What stands there; None where a step is absent: optional fields are unknown then."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def is_disturbed(repetition):
    return bool(get(repetition, "activity", "disturbed"))


def repetitions(group, algorithm, threads):
    return [r for run in group.runs[algorithm, threads].values() for r in run["repetitions"]]


def of_group(group, title):
    """Every figure of one panel that its results allow, and lines that say what is absent."""
    found, absent = [], []
    for make, what in (
        (throughput, "throughput"),
        (shares_of_controls, None),
        (latency_curves, "commit latency: these runs commit nothing"),
        (boundary_lag, "boundary lag"),
        (over_time, "series over time"),
        (latency_over_time, "latency over time: no `series` in these results"),
    ):
        made = make(group)
        found += [{"panel": title, **one} for one in made if one["series"]]
        if what and not any(one["series"] for one in made):
            absent.append(f"Absent: {what}.")
    return found, absent


def _series(group, value):
    """A line an algorithm over threads; value(algorithm, threads) is a Spread or None."""
    made = []
    for algorithm in group.algorithms():
        points = []
        for threads in group.threads(algorithm):
            spread = value(algorithm, threads)
            if spread is not None:
                hollow = any(map(is_disturbed, repetitions(group, algorithm, threads)))
                points.append([threads, spread.median, spread.q1, spread.q3, hollow])
        if points:
            made.append({**_looks(group, algorithm), "points": points})
    return made


def _looks(group, algorithm):
    return looks(group.known, algorithm, group.algorithms())


def looks(known, algorithm, among):
    """The name and the look of an algorithm's line."""
    seen = look(algorithm, among)
    return {"name": known.title(algorithm), "colour": seen.colour, "marker": seen.marker, "line": seen.line}


def throughput(group):
    note = "Median of all windows; bars: first to third quartile."
    series = _series(group, group.throughput)
    return [figure("Throughput", THREADS, {"title": group.unit, "scale": "linear"}, series, note)]


def shares_of_controls(group):
    """Of each control that was measured beside the algorithms."""
    made = []
    for name, control in SHARES_OF.items():
        note = f"Each window over the median of {name} in the same repetition; bars: quartiles."
        series = _series(group, functools.partial(group.share_of, control))
        made.append(figure(f"Share of {name}", THREADS, {"title": f"share of {name}", "scale": "linear"}, series, note))
    return made


def boundary_lag(group):
    def spread(algorithm, threads):
        values = [number(get(r, "boundary_lag_bytes", "p50")) for r in repetitions(group, algorithm, threads)]
        values = [value for value in values if value is not None]
        return Spread.of(values) if values else None

    note = "Bytes reserved beyond the boundary: each repetition's median, and quartiles over repetitions. 0 stands at 1."
    return [figure("Boundary lag", THREADS, {"title": "bytes", "scale": "log"}, _series(group, spread), note)]


def latency_curves(group):
    """A figure a number of threads: percentile curves of merged distributions, else of the summary's percentiles."""
    made = []
    for threads in group.threads():
        series, summaries = [], []
        for algorithm in group.algorithms():
            if (algorithm, threads) not in group.runs:
                continue
            of_point = repetitions(group, algorithm, threads)
            points = _curve(of_point)
            if not points:
                points = _summary_curve(of_point)
                summaries += [group.known.title(algorithm)] if points else []
            if points:
                series.append({**_looks(group, algorithm), "points": points})
        note = "From the intended start under a fixed load, else from the call of commit."
        if summaries:
            note += " Four percentiles only, medians over repetitions, since these results hold no distribution: " + ", ".join(summaries) + "."
        made.append(figure(f"Commit latency, {_threads(threads)}", PERCENTILE, {"title": "us", "scale": "log"}, series, note))
    return made


def _curve(of_point):
    """[[share at or below, us, ...]] of all distributions together, thinned; nothing where one lacks it."""
    merged = defaultdict(int)
    for repetition in of_point:
        buckets = get(repetition, "distributions", "commit_latency", "buckets")
        if not isinstance(buckets, list):
            return []
        for upper, count in buckets:
            merged[upper] += count
    total = sum(merged.values())
    if not total:
        return []
    uppers = sorted(merged)
    shares = [below / total for below in itertools.accumulate(merged[upper] for upper in uppers)]
    points = [[min(share, 1 - 0.5 / total), upper / 1000, None, None, False] for share, upper in zip(shares, uppers)]
    step = -(-len(points) // CURVE_POINTS_MAX)
    return points[: -1 : step] + points[-1:]


def _summary_curve(of_point):
    points = []
    for key, share in SUMMARY:
        values = [number(get(r, "commit_latency_us", key)) for r in of_point]
        values = [value for value in values if value is not None]
        if values:
            spread = Spread.of(values)
            points.append([share, spread.median, spread.q1, spread.q3, any(map(is_disturbed, of_point))])
    return points


def over_time(group):
    """Of the largest number of threads; every repetition is a line of its own, one behind the other in time."""

    def values(repetition):
        found = _column(repetition, "operations") or [(w["seconds"], w["operations"]) for w in repetition["windows"]]
        return [(seconds, None if count is None else count / seconds) for seconds, count in found]

    return [_time_figure(group, "Over time", {"title": group.unit, "scale": "linear"}, values)]


def latency_over_time(group):
    def values(repetition):
        return _column(repetition, "commit_latency_p99_us")

    return [_time_figure(group, "Commit latency p99 over time", {"title": "us", "scale": "log"}, values)]


def _column(repetition, name):
    """[(seconds, value)] of each interval of the series; nothing where the result has no such column."""
    seconds, values = get(repetition, "series", "seconds"), get(repetition, "series", name)
    return list(zip(seconds, values)) if seconds and values else []


def _time_figure(group, title, y, values):
    threads = group.threads()[-1]
    series = []
    for algorithm in group.algorithms():
        points, start = [], 0.0
        for repetition in repetitions(group, algorithm, threads) if (algorithm, threads) in group.runs else []:
            for seconds, value in values(repetition):
                if value is not None:
                    points.append([round(start + seconds / 2, 4), value, None, None, is_disturbed(repetition)])
                start += seconds
            points.append([round(start, 4), None, None, None, False])  # a gap between repetitions
        if any(point[1] is not None for point in points):
            step = -(-len(points) // TIME_POINTS_MAX)
            series.append({**_looks(group, algorithm), "points": points[::step]})
    note = "Repetitions stand one behind the other; a gap lies between them. A point a window, or a tenth of a second where the result has `series`."
    return figure(f"{title}, {_threads(threads)}", {"title": "s", "scale": "linear"}, y, series, note)


def of_load(groups):
    """Latency against offered load: one figure of all groups that differ in nothing but load.rate."""
    families = defaultdict(list)
    for group in groups:
        if number(get(group.configuration, "load", "rate")):
            rest = {**group.configuration, "load": {k: v for k, v in group.configuration["load"].items() if k != "rate"}}
            families[json.dumps(rest, sort_keys=True)].append(group)
    return [_load_figure(family) for family in families.values() if len(family) > 1]


def _load_figure(family):
    lines = defaultdict(list)
    for group in family:
        for (algorithm, threads), runs in group.runs.items():
            of_point = [r for run in runs.values() for r in run["repetitions"]]
            values = [number(get(r, "commit_latency_us", "p99")) for r in of_point]
            values = [value for value in values if value is not None]
            if values:
                spread = Spread.of(values)
                hollow = any(get(r, "load", "saturated") or is_disturbed(r) for r in of_point)
                lines[algorithm, threads].append([group.configuration["load"]["rate"], spread.median, spread.q1, spread.q3, hollow])
    series = []
    for (algorithm, threads), points in sorted(lines.items()):
        looks = _looks(family[0], algorithm)
        series.append({**looks, "name": f"{looks['name']}, {_threads(threads)}", "points": sorted(points)})
    note = "p99, median and quartiles over repetitions. Hollow: saturated (the backlog only grew) or disturbed."
    made = figure("Latency against offered load", {"title": "offered, transactions/s", "scale": "log"}, {"title": "us", "scale": "log"}, series, note)
    return {"panel": panels.titles(family[:1])[0], **made}


def _threads(count):
    return f"{count} thread{'' if count == 1 else 's'}"


def figure(title, x, y, series, note):
    """As charts.js draws it."""
    for line in series:
        # Where it stands keeps its digits: 0.9999999 must not become 1, which has no place on an axis of percentiles.
        line["points"] = [[point[0], *map(_short, point[1:])] for point in line["points"]]
    if any(point[4] for line in series for point in line["points"]) and "Hollow" not in note:
        note += " Hollow: a disturbed repetition is behind the point."
    return {"title": title, "x": x, "y": y, "series": series, "note": note}


def _short(value):
    """Six digits are more than any figure shows, and a third of the bytes."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
