"""Reads the results of `muster run`: one JSON document a run, as results/schema.json describes it."""

import functools
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema

SCHEMA = Path(__file__).resolve().parent.parent / "results" / "schema.json"

# Names and titles in the order of tables and figures: that of `muster list`, as a test holds.
TITLES = {
    "null": "Null",
    "bound": "Bound (unsafe)",
    "mutex": "Mutex",
    "decoupled": "Decoupled fill",
    "consolidation": "Consolidation array",
    "consolidation_decoupled": "Consolidation, decoupled",
    "consolidation_delegated": "Consolidation, delegated",
    "wiredtiger_slots": "WiredTiger slots",
    "postgres_insert_locks": "PostgreSQL insertion locks",
    "mysql_link_buf": "MySQL link buffer",
    "eleda": "Eleda",
    "border_collie_naive": "Border-Collie, naive",
    "border_collie": "Border-Collie",
    "ermia_released": "ERMIA, as released",
    "ermia": "ERMIA, mended",
    "fasterlog_epoch": "FasterLog epochs",
}


def in_order(algorithms):
    """As TITLES has them; strangers behind."""
    known = list(TITLES)
    return sorted(algorithms, key=lambda name: (known.index(name) if name in known else len(known), name))


class ResultError(Exception):
    """A result, or a folder of them, that cannot be used: one line."""


@functools.cache
def validator():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(document, name):
    """Raises ResultError with the place of the first thing that does not fit the schema."""
    found = jsonschema.exceptions.best_match(validator().iter_errors(document))
    if found is not None:
        place = ".".join(str(step) for step in found.absolute_path) or "the document"
        message = " ".join(found.message.split())
        if len(message) > 200:
            message = message[:200] + "..."
        raise ResultError(f"{name}: {place}: {message}")


def load(path):
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ResultError(f"{path}: not a result: {error}") from error
    check(document, path)
    return document


def load_all(directory):
    """Every result of a folder, all from one machine and one build, or ResultError."""
    directory = Path(directory)
    if not directory.is_dir():
        raise ResultError(f"{directory}: want a folder with results of scripts/sweep.py")
    paths = sorted(path for path in directory.glob("*.json") if not path.name.startswith("."))
    if not paths:
        raise ResultError(f"{directory}: holds no results: scripts/sweep.py writes them")
    results = [load(path) for path in paths]
    for what, of in _SAME.items():
        kinds = sorted({str(of(result)) for result in results})
        if len(kinds) > 1:
            raise ResultError(f"{directory}: holds results of more than one {what}: {kinds[0]} and {kinds[1]}; want one")
    return results


_SAME = {
    "commit": lambda r: r["muster"]["git_commit"],
    "build": lambda r: [r["muster"][key] for key in ("compiler", "flags", "build_type", "allocator", "sanitizer")],
    "machine": lambda r: [r["machine"][key] for key in ("cpu_model", "processing_units", "numa_nodes", "kernel")],
}


@dataclass
class Spread:
    """Median and quartiles, interpolated as the harness does it."""

    median: float
    q1: float
    q3: float
    count: int

    @classmethod
    def of(cls, values):
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q1, q3, len(values))

    def relative(self):
        """Half the distance of the quartiles as a share of the median."""
        return (self.q3 - self.q1) / 2 / self.median if self.median else 0.0


def two_digits(share):
    """Two that count."""
    return f"{share:.2f}" if share >= 0.1 or share == 0 else f"{share:.2g}"


def rates(result):
    """Operations per second of each window."""
    return [w["operations"] / w["seconds"] for r in result["repetitions"] for w in r["windows"]]


@dataclass
class Group:
    """Runs that differ in nothing but algorithm, threads and seed: one panel of a figure."""

    configuration: dict  # what they share
    unit: str
    runs: dict = field(default_factory=dict)  # (algorithm, threads) -> {seed: result}

    def algorithms(self):
        return in_order({algorithm for algorithm, _ in self.runs})

    def threads(self, algorithm=None):
        return sorted({t for a, t in self.runs if algorithm in (None, a)})

    def throughput(self, algorithm, threads):
        """Over all windows of all repetitions."""
        return Spread.of([rate for run in self.runs[algorithm, threads].values() for rate in rates(run)])

    def share_of_bound(self, algorithm, threads):
        """Each window over the median of `bound` in the same repetition; None where there is no such `bound`."""
        shares = []
        for seed, run in self.runs[algorithm, threads].items():
            bound = self.runs.get(("bound", threads), {}).get(seed)
            if bound is not None:
                median = statistics.median(rates(bound))
                shares += [rate / median for rate in rates(run) if median > 0]
        return Spread.of(shares) if shares else None

    def windows(self):
        """The least and the largest number of windows behind a point."""
        counts = [sum(len(rates(run)) for run in runs.values()) for runs in self.runs.values()]
        return min(counts), max(counts)


def groups(results):
    """The results sorted into Groups, append before ycsb."""
    found = {}
    for result in results:
        configuration = result["configuration"]
        shared = {k: v for k, v in configuration.items() if k not in ("algorithm", "threads", "seed")}
        group = found.setdefault(json.dumps(shared, sort_keys=True), Group(shared, result["throughput"]["unit"]))
        point = (configuration["algorithm"], configuration["threads"])
        runs = group.runs.setdefault(point, {})
        if configuration["seed"] in runs:
            raise ResultError(f"{point[0]}, {point[1]} threads, seed {configuration['seed']}: two results; want one")
        runs[configuration["seed"]] = result
    return [found[key] for key in sorted(found, key=lambda k: (found[k].configuration["workload"], k))]


def one_group(all_groups, workload, directory):
    """The only group of a workload, for what draws one panel of it."""
    of_workload = [group for group in all_groups if group.configuration["workload"] == workload]
    if len(of_workload) != 1:
        raise ResultError(
            f"{directory}: holds {len(of_workload)} configurations of {workload} that differ in more than algorithm "
            "and threads: want one"
        )
    return of_workload[0]
