"""Recipes of figures, scripts/figures/N.json: what is run, what is drawn, what was published, what is claimed.

scripts/figures/README.md describes the form. A recipe is data: matrices are scripts/sweep.py's, filters muster_bench's.
"""

import copy
import difflib
import json
from dataclasses import dataclass

from lab import claims, matrix, measurements, results
from lab.claims import Table
from lab.command import RequestError
from lab.place import ROOT
from lab.runs import flat

FOLDER = ROOT / "scripts/figures"


@dataclass(frozen=True)
class Preset:
    """How long each figure is measured."""

    repetitions: int  # 6 at least, or no claim has an interval
    base: dict  # of every run
    benchmark_repetitions: int


PRESETS = {
    "smoke": Preset(9, {"warmup_s": 0.05, "window_s": 0.1, "windows": 2}, 9),
    "hour": Preset(15, {"warmup_s": 0.2, "window_s": 0.25, "windows": 3}, 20),
    "full": Preset(10, {"warmup_s": 2, "window_s": 10, "windows": 3}, 50),  # runs of 30 s, ten of each, as Aether's
}

MEASURES = {  # what a panel may draw: title, unit (None: the result's), and how a repetition says it
    "throughput": ("throughput", None, lambda result, repetition: repetition["throughput"]["median"]),
    "bandwidth": ("bandwidth", "bytes/s", lambda result, repetition: repetition["bytes_per_s"]["median"]),
    "lag": ("boundary lag p50", "bytes", lambda result, repetition: repetition["boundary_lag_bytes"]["p50"]),
    "lag_p99": ("boundary lag p99", "bytes", lambda result, repetition: repetition["boundary_lag_bytes"]["p99"]),
    "idle_share": ("idle share of the units used", "%", lambda result, repetition: _idle_share(result, repetition)),
    "hit_share": ("operations that read no page from a file", "%", lambda result, repetition: _hit_share(result, repetition)),
    "retracted_share": ("begins of readers that were taken back", "%", lambda _, repetition: _retracted_share(repetition)),
    "latency": ("commit latency p50", "us", lambda result, repetition: repetition["commit_latency_us"]["p50"]),
    "latency_p99": ("commit latency p99", "us", lambda result, repetition: repetition["commit_latency_us"]["p99"]),
    "latency_p999": ("commit latency p99.9", "us", lambda result, repetition: repetition["commit_latency_us"]["p999"]),
    "abort_share": ("tries that were rolled back", "%", lambda _, repetition: _abort_share(repetition)),
    # Of a benchmark: the field of its entry.
    "advance_time": ("time of an advance", "ns", "real_time"),
    "records_time": ("time of 10,000 records", "ms", "real_time"),
    "lost": ("finished transactions that a crash takes back", "transactions", "lost"),
}
KEYS = {"figure", "name", "title", "source", "published", "differs", "sweep", "steps", "benchmarks", "repetition_s"}
KEYS |= {"presets", "panels", "claims", "unsupported"}
PANEL_KEYS = {"name", "title", "y", "x", "by", "where", "over", "log", "bars"}
STEP = "step"  # the key that stands for those that the steps set


class Recipe:
    def __init__(self, path):
        self.path = path
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError.of("recipe", str(path), f"a file of JSON ({error})") from error
        _check(document, path.name)
        self.number, self.name = str(document["figure"]), document["name"]
        self.title, self.source, self.published = document["title"], document["source"], document["published"]
        self.differs = document.get("differs", "")
        self.unsupported = document.get("unsupported")  # what Muster lacks for it
        self.filter = document.get("benchmarks")
        self.repetition_s = document.get("repetition_s")  # of all its benchmarks; None: as PRESETS has it
        self.steps = _steps(document.get("steps", []))
        self.panels, self.claims = document.get("panels", []), document.get("claims", [])
        self._sweep, self._presets = document.get("sweep"), document.get("presets", {})

    def matrix(self, preset):
        """What scripts/sweep.py runs for it; None where it is benchmarks alone."""
        if self._sweep is None:
            return None
        document = copy.deepcopy(self._sweep)
        document["repetitions"] = PRESETS[preset].repetitions
        document["base"] = {**document.get("base", {}), **PRESETS[preset].base}
        if self.steps:
            document["parts"] = [{"base": _nested(document["base"], settings)} for _, settings in self.steps]
        document.setdefault("axes", {}).update(self._presets.get(preset, {}).get("axes", {}))
        return matrix.checked(document)

    def sweep_folder(self, out):
        """Where its results are in a folder of scripts/reproduce."""
        return out / f"figure-{self.number}"

    def benchmarks_file(self, out):
        return out / f"figure-{self.number}-benchmarks/benchmarks.json"

    def tables(self, out):
        """{panel's name: Table} of what was measured, and the results and benchmarks themselves."""
        found = results.load_all(self.sweep_folder(out)) if self._sweep is not None else []
        document = _benchmarks(self.benchmarks_file(out)) if self.filter else None
        made = {}
        for panel in self.panels:
            from_benchmark = isinstance(MEASURES[panel["y"]][2], str)
            table = of_benchmarks(document, panel) if from_benchmark else of_results(found, panel, self.steps)
            if not table.values:
                raise RequestError.of(f"{self.path.name}: panel", panel["name"], "points that the recipe measures")
            made[panel["name"]] = table
        return made, found, document

    def judged(self, tables, machine):
        """Its claims with verdicts."""
        first = self.panels[0]["name"]
        return [claims.judge(claim, tables[claim.get("panel", first)], machine) for claim in self.claims]


def load():
    """All recipes, {number: Recipe}, in their order."""
    found = [Recipe(path) for path in FOLDER.glob("*.json")]
    return {recipe.number: recipe for recipe in sorted(found, key=lambda recipe: int(recipe.number))}


def chosen(recipes, words):
    """The recipes that a user named, by number or name; `all` are those that can be run."""
    if words == ["all"]:
        return [recipe for recipe in recipes.values() if not recipe.unsupported]
    by_word = {word: recipe for recipe in recipes.values() for word in (recipe.number, recipe.name)}
    for word in words:
        if word not in by_word:
            near = difflib.get_close_matches(word, by_word, n=1, cutoff=0)[0]
            raise RequestError.of("FIGURE", word, f"one that `reproduce list` names; the nearest is {near}")
        if by_word[word].unsupported:
            raise RequestError.of("FIGURE", word, f"one that can be made; this needs {by_word[word].unsupported}, which Muster lacks")
    return list(dict.fromkeys(by_word[word] for word in words))


def _steps(steps):
    """[(label, all that is set by then)]: each step changes some settings of the one before."""
    found, settings = [], {}
    for step in steps:
        settings = {**settings, **step["set"]}
        found.append((step["label"], settings))
    return found


def _nested(base, settings):
    """The configuration with these dotted keys in it."""
    found = copy.deepcopy(base)
    for key, value in settings.items():
        *sections, name = key.split(".")
        section = found
        for one in sections:
            section = section.setdefault(one, {})
        section[name] = value
    return found


def _step_for_settings(configuration, steps):
    """A flat configuration with the step's number in the place of what the steps set."""
    for number, (_, settings) in enumerate(steps, 1):
        if all(configuration.get(key) == value for key, value in settings.items()):
            return {STEP: number} | {key: value for key, value in configuration.items() if key not in settings}
    return configuration


def of_results(found, panel, steps=()):
    title, unit, value = MEASURES[panel["y"]]
    unit = unit if unit is not None else found[0]["throughput"]["unit"] if found else ""
    table = Table(title, unit, {})
    for result in found:
        configuration = dict(flat(results.without_place(result["configuration"])))
        seed, point = configuration.pop("seed"), _point(_step_for_settings(configuration, steps))
        at_point, kinds = table.values.setdefault(point, {}), table.disturbed.setdefault(point, set())
        for number, repetition in enumerate(result["repetitions"]):
            measured = value(result, repetition)
            if measured is not None:
                at_point[seed, number] = measured
        kinds.update(line.partition(":")[0] for lines in results.disturbances(result) for line in lines)
    return _shaped(table, panel)


def of_benchmarks(document, panel):
    """Benchmarks of one family are drawn against one of their arguments: those that lack it belong to another panel."""
    title, unit, field = MEASURES[panel["y"]]
    values = {}
    for entry in document["benchmarks"]:
        point = measurements.configuration_of(entry.get("run_name", entry["name"]))
        if panel["x"] in point and field in entry and not entry.get("error_occurred"):
            values.setdefault(_point(point), {})[0, entry.get("repetition_index", 0)] = entry[field]
    return _shaped(Table(title, unit, values), panel)


def _shaped(table, panel):
    """What the panel's `where` leaves, and `over` divides."""
    for key, wanted in panel.get("where", {}).items():
        wanted = wanted if isinstance(wanted, list) else [wanted]
        table.values = {point: of for point, of in table.values.items() if dict(point).get(key) in wanted}
    table.values = {point: of for point, of in table.values.items() if of}
    for key, (upper, lower) in panel.get("over", {}).items():
        divided, disturbed = {}, {}
        for point, of in table.values.items():
            others = dict(point)
            if others.pop(key) == upper:
                below = _point({**others, key: lower})
                ratios = {i: value / table.values[below][i] for i, value in of.items() if table.values.get(below, {}).get(i)}
                if ratios:
                    divided[_point(others)] = ratios
                    disturbed[_point(others)] = table.disturbed.get(point, set()) | table.disturbed.get(below, set())
        table.values, table.disturbed, table.title, table.unit = divided, disturbed, f"ratio of {table.title}", ""
    return table


def _point(configuration):
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in configuration.items()))


def _idle_share(result, repetition):
    """Of the processing units that the run was pinned to; None where the kernel did not say how long its threads ran."""
    busy_ns = ((repetition.get("activity") or {}).get("software") or {}).get("task_clock_ns")
    placement = result["placement"]
    units = {worker["asked"] for worker in placement["workers"]} | {(placement["flusher"] or {}).get("asked")}
    used = len(units - {None})
    if busy_ns is None or not used:
        return None
    seconds = sum(window["seconds"] for window in repetition["windows"])
    return 100 * max(0.0, 1 - busy_ns / 1e9 / seconds / used)


def _hit_share(result, repetition):
    """An operation that reads two pages counts twice; None where it is not known."""
    misses = (repetition.get("buffers") or {}).get("misses")
    operations = sum(window["operations"] for window in repetition["windows"])
    operations *= result["configuration"].get("ycsb", {}).get("operations", 1)
    return None if misses is None or not operations else 100 * max(0.0, 1 - misses / operations)


def _retracted_share(repetition):
    begins = repetition.get("begins") or {}
    ended = sum(begins.values())
    return 100 * begins["retracted"] / ended if ended else None


def _abort_share(repetition):
    counts = repetition["transactions"]
    tries = counts["committed"] + counts["aborted"]
    return 100 * counts["aborted"] / tries if tries else None


def _benchmarks(path):
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document["benchmarks"], document["context"]  # noqa: B018  both are used
        return document
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError.of("benchmarks", str(path), f"what scripts/reproduce wrote ({error})") from error


def _check(document, name):
    missing = {"figure", "name", "title", "source", "published"} - set(document)
    unknown = set(document) - KEYS
    if missing or unknown:
        raise RequestError.of(name, sorted(missing | unknown), "figure, name, title, source, published, and only " + ", ".join(sorted(KEYS)))
    if "unsupported" in document:
        return
    settings = [settings for _, settings in _steps(document.get("steps", []))]
    if any(one in settings[:place] for place, one in enumerate(settings)):
        raise RequestError.of(f"{name}: steps", len(settings), "each to differ from all before")
    first, *later = [step.get("set", {}) for step in document.get("steps", [])] or [{}]
    unset = sorted({key for step in later for key in step} - set(first))
    if unset:
        raise RequestError.of(f"{name}: steps", unset, "the first step to set what a later one changes")
    panels = document.get("panels", [])
    if not panels or not ("sweep" in document or "benchmarks" in document):
        raise RequestError.of(name, "panels", "one at least, and a sweep or benchmarks to draw")
    for panel in panels:
        if set(panel) - PANEL_KEYS or panel.get("y") not in MEASURES or not {"name", "x", "by"} <= set(panel):
            raise RequestError.of(f"{name}: panel", panel, "name, x, by, and y one of " + ", ".join(MEASURES))
    for number, claim in enumerate(document.get("claims", [])):
        claims.check(claim, f"{name}: claims[{number}]")
        if claim.get("panel", panels[0]["name"]) not in {panel["name"] for panel in panels}:
            raise RequestError.of(f"{name}: claims[{number}].panel", claim["panel"], "a panel's name")
