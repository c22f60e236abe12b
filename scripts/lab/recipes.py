"""Recipes of figures, scripts/figures/N.json: what is run, what is drawn, what was published, what is claimed.

scripts/figures/README.md describes the form. A recipe is data: matrices are scripts/sweep.py's, filters muster_bench's.
"""

import copy
import difflib
import json
import statistics
from dataclasses import dataclass

from lab import claims, matrix, measurements, results
from lab.claims import BEST, WORST, Table
from lab.command import RequestError
from lab.place import ROOT
from lab.recipe_measures import MEASURES, TIME, OverTime
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

KEYS = {"figure", "name", "title", "source", "published", "differs", "sweep", "steps", "benchmarks", "repetition_s"}
KEYS |= {"presets", "panels", "claims", "unsupported"}
PANEL_KEYS = {"name", "title", "y", "x", "by", "where", "over", "log", "bars", "stack"}
PRESET_KEYS = {"base", "axes", "repetitions"}
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
        own = self._presets.get(preset, {})
        document["repetitions"] = own.get("repetitions", PRESETS[preset].repetitions)
        document["base"] = {**document.get("base", {}), **PRESETS[preset].base, **own.get("base", {})}
        if self.steps:
            document["parts"] = [{"base": _nested(document["base"], settings)} for _, settings in self.steps]
        document.setdefault("axes", {}).update(own.get("axes", {}))
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
            table.parts = [of_results(found, {**panel, "y": part}, self.steps) for part in panel.get("stack", [])]
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
        kinds.update(line.partition(":")[0] for lines in results.disturbances(result) for line in lines)
        for number, repetition in enumerate(result["repetitions"]):
            if isinstance(value, OverTime):
                for seconds, measured in value.values(repetition):
                    moment = _point({**dict(point), TIME: seconds})
                    table.values.setdefault(moment, {})[seed, number] = measured
                    table.disturbed[moment] = kinds
                continue
            measured = value(result, repetition)
            if measured is not None:
                at_point[seed, number] = measured
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
        _divide(table, key, upper, lower)
    return table


def _divide(table, key, upper, lower):
    """Puts in the place of the table's points the ratios of those with the one value of the key to those with the other."""
    groups = {}
    for point in table.values:
        others = dict(point)
        value = others.pop(key)
        groups.setdefault(_point(others), {})[value] = point
    divided, disturbed = {}, {}
    for others, points in groups.items():
        named = {}
        if {upper, lower} & {BEST, WORST}:
            ranked = sorted(points, key=lambda value: statistics.median(table.values[points[value]].values()))
            named = {BEST: ranked[-1], WORST: ranked[0]}
        pair = [points.get(named.get(value, value)) for value in (upper, lower)]
        if None in pair:
            continue
        over, under = (table.values[point] for point in pair)
        ratios = {i: value / under[i] for i, value in over.items() if under.get(i)}
        if ratios:
            divided[others] = ratios
            disturbed[others] = set().union(*(table.disturbed.get(point, ()) for point in pair))
    table.values, table.disturbed, table.title, table.unit = divided, disturbed, f"ratio of {table.title}", ""


def _point(configuration):
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in configuration.items()))


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
    for preset, own in document.get("presets", {}).items():
        if preset not in PRESETS or set(own) - PRESET_KEYS:
            raise RequestError.of(f"{name}: presets", preset, ", ".join(PRESETS) + ", and of each only " + ", ".join(sorted(PRESET_KEYS)))
    panels = document.get("panels", [])
    if not panels or not ("sweep" in document or "benchmarks" in document):
        raise RequestError.of(name, "panels", "one at least, and a sweep or benchmarks to draw")
    for panel in panels:
        if set(panel.get("stack", [])) - set(MEASURES):
            raise RequestError.of(f"{name}: panel {panel['name']}: stack", panel["stack"], "some of " + ", ".join(MEASURES))
        if set(panel) - PANEL_KEYS or panel.get("y") not in MEASURES or not {"name", "x", "by"} <= set(panel):
            raise RequestError.of(f"{name}: panel", panel, "name, x, by, and y one of " + ", ".join(MEASURES))
    for number, claim in enumerate(document.get("claims", [])):
        claims.check(claim, f"{name}: claims[{number}]")
        if claim.get("panel", panels[0]["name"]) not in {panel["name"] for panel in panels}:
            raise RequestError.of(f"{name}: claims[{number}].panel", claim["panel"], "a panel's name")
