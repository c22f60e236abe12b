"""One side of a comparison: what a folder of results, a packed sweep or a benchmarks' file measured.

A point is a configuration without its seed and without places (folders); a value stands for one repetition, never for
a window. What cannot be used is skipped and named.
"""

import functools
import json
import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from lab import machine, results
from lab.place import ROOT
from lab.results import PACKED, ResultError

KEYS = ROOT / "results/keys.json"  # what `muster keys --json` prints
MACHINE = (*machine.MACHINE, "cores", "governor", "turbo", "smt", "file_system")  # the last change what one can do


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    better: str  # "more" or "less"


METRICS = {
    metric.key: metric
    for metric in (
        Metric("throughput", "throughput", "more"),
        Metric("time", "time", "less"),  # of a benchmark that has no throughput
        Metric("commit_latency_p50", "commit latency p50", "less"),
        Metric("commit_latency_p99", "commit latency p99", "less"),
        Metric("commit_latency_p999", "commit latency p99.9", "less"),
        Metric("boundary_lag", "boundary lag p50", "less"),
        Metric("bytes_per_commit", "bytes a commit", "less"),
        Metric("syncs_per_commit", "syncs a commit", "less"),
    )
}


@dataclass
class Side:
    """Everything that was measured on one side."""

    place: str
    kind: str = "results of muster run"
    group_by: str = "machine"
    points: dict = field(default_factory=dict)  # point -> {(metric's key, unit): [a value a repetition]}
    facts: dict = field(default_factory=lambda: defaultdict(dict))  # machine.KEY, muster.KEY, placement -> {value: first file}
    skipped: list = field(default_factory=list)  # a line each
    files: int = 0
    found: dict = field(default_factory=dict)  # what a repetition's document holds -> its file, to find copies

    def add(self, name, point, where, build, repetitions, fingerprint, host=None):
        """One document. `repetitions` are dictionaries (metric's key, unit) -> value, each checked."""
        if fingerprint in self.found:
            raise ResultError(f"{name}: the same measurement as {self.found[fingerprint]}: want each once")
        known = {  # what is null is unknown, or of no meaning here; a set, so that a list is found before anything is kept
            (f"{kind}.{key}{f' of {host}' if host and kind == 'machine' else ''}", document[key])
            for kind, keys, document in (("machine", MACHINE, where), ("muster", machine.BUILD, build))
            for key in keys
            if document.get(key) is not None and not (self.group_by == "model" and key == "host_id")
        }
        for fact, value in sorted(known, key=lambda pair: pair[0]):
            self.facts[fact].setdefault(value, name)
        self.found[fingerprint] = name
        series = self.points.setdefault(point, {})
        for values in repetitions:
            for metric, value in values.items():
                series.setdefault(metric, []).append(value)
        self.files += 1

    def only(self, fact):
        """The one value, or None where it is unknown."""
        return next(iter(self.facts[fact]), None) if fact in self.facts else None


def read(place, group_by="machine"):
    """The Side that a path stands for, or ResultError where it holds nothing to compare. group_by as results.load_all()."""
    side = Side(str(place), group_by=group_by)
    for name, document in _documents(Path(place)):
        try:
            if isinstance(document, ResultError):
                raise document
            if "benchmarks" in document:
                side.kind = "benchmarks"
                _add_benchmarks(side, name, document)
            else:
                _add_result(side, name, document)
        except ResultError as error:
            side.skipped.append(str(error))
        except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
            side.skipped.append(f"{name}: not a whole result: {type(error).__name__} {error}")
    if not side.files:
        reason = f"; the first: {side.skipped[0]}" if side.skipped else ""
        raise ResultError(f"{place}: holds nothing that can be compared{reason}")
    return side


def of_results(found, name):
    """The Side of results that have been read already."""
    side = Side(str(name))
    for result in found:
        _add_result(side, str(name), result)
    return side


def _documents(place):
    if place.is_dir() or place.name.endswith(PACKED):
        return results.documents(place)
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{place}: {error.strerror}: want a folder of results, a packed sweep, or a file") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{place}: not JSON: {error}") from error
    if not (isinstance(document, dict) and isinstance(document.get("benchmarks"), list)):
        results.check_used(document, place)
    return [(place.name, document)]


def _add_result(side, name, document):
    host = None
    if side.group_by == "host":
        host, document = machine.host_of(document), machine.with_host(document)
    unit = document["throughput"]["unit"]
    repetitions = [of_repetition(name, repetition, unit) for repetition in document["repetitions"]]
    point = point_of(document["configuration"])
    measured = (document["configuration"]["seed"], document.get("time"), *(tuple(r.items()) for r in repetitions))
    side.add(name, point, document["machine"], document["muster"], repetitions, (point, measured), host)


def of_repetition(name, repetition, unit):
    """(metric's key, unit) -> value; nothing for what the repetition does not have."""

    def number(*path):
        value = repetition
        for step in path:
            if value is None:
                return None
            value = value.get(step)
        return None if value is None else _checked(name, ".".join(path), value)

    rates = [window["operations"] / window["seconds"] for window in repetition["windows"]]  # lab.results has checked them
    values = {("throughput", unit): statistics.median(rates)}
    for percentile in ("p50", "p99", "p999"):
        values[f"commit_latency_{percentile}", "us"] = number("commit_latency_us", percentile)
    values["boundary_lag", "bytes"] = number("boundary_lag_bytes", "p50")
    commits = number("transactions", "committed")
    if commits:
        for what in ("bytes", "syncs"):
            total = number("log", what)
            values[f"{what}_per_commit", what] = None if total is None else total / commits
    return {metric: value for metric, value in values.items() if value is not None}


def _checked(name, key, value):
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ResultError(f"{name}: {key} = {value}: want a number, 0 or more")
    return value


def _add_benchmarks(side, name, document):
    context = document["context"]
    repetitions = defaultdict(list)
    for entry in document["benchmarks"]:
        if entry.get("run_type", "iteration") == "iteration" and not entry.get("error_occurred"):
            repetitions[entry.get("run_name", entry["name"])].append(_of_benchmark(name, entry))
    if not repetitions:
        raise ResultError(f"{name}: holds no repetition of a benchmark: want more than aggregates")
    known = {key: value for key, value in context.items() if value != "null"}  # as Google's library writes strings only
    if "placement" in known:  # a sentence for all of them, no key of each
        side.facts["placement"].setdefault(known["placement"], name)
    for run_name, values in repetitions.items():
        side.add(name, point_of(configuration_of(run_name)), known, known, values, (name, run_name))
    side.files = 1


def _of_benchmark(name, entry):
    """The lag where it is measured; else throughput; else time."""
    for key, metric in (
        ("lag_p50", ("boundary_lag", "bytes")),
        ("bytes_per_second", ("throughput", "bytes/s")),
        ("items_per_second", ("throughput", "items/s")),
        ("real_time", ("time", entry["time_unit"])),
    ):
        if key in entry:
            return {metric: _checked(name, f"{entry['name']}: {key}", entry[key])}
    raise ResultError(f"{name}: {entry['name']}: has none of lag_p50, bytes_per_second, items_per_second, real_time")


# How Google's library measures, which it puts into a name.
HOW = ("iterations", "min_time", "repeats", "real_time", "manual_time", "process_time")


def configuration_of(run_name):
    """append/mutex/bytes:120/threads:2: the first two words are what and of whom, the rest keys."""
    family, *rest = run_name.split("/")
    configuration = {"benchmark": family}
    if rest:
        configuration["algorithm"] = rest.pop(0)
    for word in rest:
        key, colon, value = word.partition(":")
        if key not in HOW:
            configuration[key] = int(value) if value.isdecimal() else value if colon else True
    return configuration


@functools.cache
def keys():
    """Of a configuration: name, default, whether it is a place, ..."""
    return json.loads(KEYS.read_text(encoding="utf-8"))


@functools.cache
def _ignored():
    return {"seed"} | {key["name"] for key in keys() if key["place"]}


def point_of(configuration):
    """A configuration as something that can be looked up: sorted (dotted key, value) without what is ignored."""
    settings = {}
    _flatten(configuration, "", settings)
    for key in _ignored():
        settings.pop(key, None)
    return tuple(sorted(settings.items()))


def _flatten(section, prefix, into):
    for key, value in section.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{key}.", into)
        else:
            into[prefix + key] = value_of(value)


def value_of(value):
    """As something that can be looked up."""
    return tuple(value) if isinstance(value, list) else value
