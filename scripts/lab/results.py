"""Reads the results of `muster run`: one JSON document a run, as results/schema.json describes it."""

import functools
import gzip
import io
import json
import math
import re
import statistics
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from lab import fields, machine
from lab.algorithms import Algorithms
from lab.command import RequestError, write_bytes
from lab.fields import SCHEMA
from lab.statistics import Spread

VERSION = 1  # of documents that this reads
PACKED = ".jsonl.gz"


class ResultError(RequestError):
    """A result, or a folder of them, that cannot be used."""


@functools.cache
def validator(path=SCHEMA):
    import jsonschema  # here: whoever only reads does not wait for it

    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(document, name):
    """Raises ResultError with the place of the first thing that does not fit the schema."""
    misfit = first_misfit(document)
    if misfit:
        raise ResultError(f"{name}: {misfit}")


def first_misfit(document, schema=SCHEMA):
    """The place of the first thing that does not fit, and what is wrong with it; None where all fits."""
    if validator(schema).is_valid(document):
        return None
    from jsonschema.exceptions import best_match

    found = best_match(validator(schema).iter_errors(document))
    place = ".".join(str(step) for step in found.absolute_path) or "the document"
    message = " ".join(found.message.split())
    return f"{place}: {message[:200] + '...' if len(message) > 200 else message}"


def check_version(document, name):
    """A result, and of a version that this reads."""
    version = document.get("schema") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ResultError(f"{name}: schema = {version}: want {VERSION} at most; a later Muster wrote it")
    if version != VERSION:
        raise ResultError(f"{name}: not a result of muster run: want one of schema {VERSION}")


def check_used(document, name):
    """What every reader needs, and no more: a version that it knows and the fields below. Others may be absent; those
    that are there and known have their type."""
    check_version(document, name)
    for path, kind in _USED.items():
        value = document
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ResultError(f"{name}: {path} = {json.dumps(value)[:80]}: want {_WANT[kind]}")
    for r, repetition in enumerate(document["repetitions"]):
        windows = repetition.get("windows") if isinstance(repetition, dict) else None
        if not isinstance(windows, list) or not windows:
            raise ResultError(f"{name}: repetitions.{r}.windows = {json.dumps(windows)[:80]}: want a list, not empty")
        for w, window in enumerate(windows):
            for key, least in (("seconds", math.ulp(0)), ("operations", 0)):
                value = window.get(key) if isinstance(window, dict) else None
                if not isinstance(value, (int, float)) or not least <= value < math.inf:
                    place = f"repetitions.{r}.windows.{w}.{key}"
                    raise ResultError(f"{name}: {place} = {json.dumps(value)[:80]}: want a number, {'above 0' if least else '0 or more'}")
    found = fields.wrong(document)
    if found:
        place, value, want = found
        raise ResultError(f"{name}: {place} = {json.dumps(value)[:80]}: want {want}")


_USED = {
    "muster.git_commit": str,
    "machine.processing_units": int,
    "configuration.workload": str,
    "configuration.algorithm": str,
    "configuration.threads": int,
    "configuration.seed": int,
    "throughput.unit": str,
    "repetitions": list,
}
_WANT = {str: "text", int: "an integer", list: "a list"}


def load(path):
    """One result, the fields checked that readers use."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not a result: {error}") from error
    check_used(document, path)
    return document


def documents(place):
    """(name, document or ResultError) of each result in a folder, or in a packed file (`sweep.py pack`)."""
    place = Path(place)
    if place.is_dir():
        paths = sorted(path for path in place.glob("*.json") if not path.name.startswith("."))
        if not paths:
            raise ResultError(f"{place}: holds no results: scripts/sweep.py writes them")
        for path in paths:
            try:
                yield path.name, load(path)
            except ResultError as error:
                yield path.name, error
    elif place.name.endswith(PACKED):
        yield from _packed(place)
    else:
        raise ResultError(f"{place}: want a folder with results of scripts/sweep.py, or a file *{PACKED} that it packed")


def _packed(path):
    """A line a result: {"name": ..., "result": ...}."""
    count = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for count, line in enumerate(file, 1):
                name = f"{path}, line {count}"
                try:
                    entry = json.loads(line)
                    name, document = entry["name"], entry["result"]
                    check_used(document, name)
                except (ValueError, RecursionError, KeyError, TypeError) as error:
                    yield name, ResultError(f"{name}: not a result: {error}")
                except ResultError as error:
                    yield name, error
                else:
                    yield name, document
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        if count == 0:
            raise ResultError(f"{path}: not a packed sweep: {error}") from error
        yield path.name, ResultError(f"{path}: damaged behind line {count}: {error}")
    if count == 0:
        raise ResultError(f"{path}: holds no results")


def load_all(place, group_by="machine"):
    """Every result of a folder or a packed file, all from one build and one machine, or ResultError.

    group_by = "host": of any machines; the host counts as a key of the configuration. "model": of hosts that are alike,
    which count as one."""
    found = []
    for _, document in documents(place):
        if isinstance(document, ResultError):
            raise document
        found.append(document)
    for result in found:
        different = machine.difference(found[0], result, ("build", group_by))
        if different:
            what, key, one, other = different
            want = "one" if what == "build" else machine.want(one_key=key)
            raise ResultError(f"{place}: holds results of more than one {what}: {key} {one} and {other}; want {want}")
    return [machine.with_host(result) for result in found] if group_by == "host" else found


def pack(place, out):
    """Writes one compressed file of a folder's results, each checked against the whole schema; returns how many.

    The same results are the same bytes. A line a result: {"name": ..., "result": ...}.
    """
    lines = []
    for name, document in documents(place):
        if isinstance(document, ResultError):
            raise document
        check(document, name)
        lines.append(json.dumps({"name": name, "result": document}, separators=(",", ":"), ensure_ascii=False) + "\n")
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write("".join(lines).encode("utf-8"))
    write_bytes(packed.getvalue(), out)
    return len(lines)


def without_place(configuration):
    """Where a database lies is no part of what is measured; results name it that were written before that was said."""
    engine = configuration.get("engine")
    if not isinstance(engine, dict) or "directory" not in engine:
        return configuration
    return {**configuration, "engine": {key: value for key, value in engine.items() if key != "directory"}}


def rates(result):
    """Operations per second of each window."""
    return [w["operations"] / w["seconds"] for r in result["repetitions"] for w in r["windows"]]


def disturbances(result):
    """A list of lines a repetition: what disturbed it beyond the executable's limits; none where that is unknown."""
    return [(repetition.get("activity") or {}).get("disturbed") or [] for repetition in result["repetitions"]]


@dataclass
class Group:
    """Runs that differ in nothing but algorithm, threads and seed: one panel of a figure."""

    configuration: dict  # what they share
    unit: str
    known: Algorithms = field(default_factory=Algorithms)
    runs: dict = field(default_factory=dict)  # (algorithm, threads) -> {seed: result}
    title: str | None = None  # as the executable calls them; results from before it did have none

    def algorithms(self):
        return self.known.in_order({algorithm for algorithm, _ in self.runs})

    def threads(self, algorithm=None):
        return sorted({t for a, t in self.runs if algorithm in (None, a)})

    def throughput(self, algorithm, threads):
        """Over all windows of all repetitions."""
        return Spread.of([rate for run in self.runs[algorithm, threads].values() for rate in rates(run)])

    def share_of_bound(self, algorithm, threads):
        return self.share_of("bound", algorithm, threads)

    def share_of(self, control, algorithm, threads):
        """Each window over the control's median in the same repetition; None where the control was not measured."""
        shares = []
        for seed, run in self.runs[algorithm, threads].items():
            beside = self.runs.get((control, threads), {}).get(seed)
            if beside is not None:
                median = statistics.median(rates(beside))
                shares += [rate / median for rate in rates(run) if median > 0]
        return Spread.of(shares) if shares else None

    def disturbed(self, algorithm, threads):
        """What disturbed repetitions behind this point: the kinds, each once; empty where nothing is known to have."""
        runs = self.runs[algorithm, threads].values()
        return sorted({line.partition(":")[0] for run in runs for lines in disturbances(run) for line in lines})

    def windows(self):
        """The least and the largest number of windows behind a point."""
        counts = [sum(len(rates(run)) for run in runs.values()) for runs in self.runs.values()]
        return min(counts), max(counts)


def groups(results):
    """The results sorted into Groups, append before ycsb."""
    known = Algorithms.of_results(results)
    found = {}
    for result in results:
        configuration = without_place(result["configuration"])
        shared = {k: v for k, v in configuration.items() if k not in ("algorithm", "threads", "seed")}
        group = Group(shared, result["throughput"]["unit"], known, title=result.get("title"))
        group = found.setdefault(json.dumps(shared, sort_keys=True), group)
        point = (configuration["algorithm"], configuration["threads"])
        runs = group.runs.setdefault(point, {})
        if configuration["seed"] in runs:
            raise ResultError(f"{point[0]}, {point[1]} threads, seed {configuration['seed']}: two results; want one")
        runs[configuration["seed"]] = result
    return [found[key] for key in sorted(found, key=lambda k: (found[k].configuration["workload"], natural(k)))]


def natural(text):
    """A key of order in which 48 comes before 120."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", text)]
