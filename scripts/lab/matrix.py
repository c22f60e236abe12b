"""A sweep's matrix: which configurations are run, and in which order.

A matrix is JSON. scripts/matrix.md describes it; scripts/quickstart.json is one. What a configuration may hold is the
executable's business: every point is shown to `muster check` before the first one runs.
"""

import copy
import decimal
import hashlib
import itertools
import json
import math
import random
import re
from dataclasses import dataclass

from lab import results
from lab.command import MachineError, RequestError
from lab.runs import TEMPORARY, flat

KEYS = ("base", "axes", "zip", "skip", "parts", "repetitions", "seed")
PART_KEYS = ("base", "axes", "zip", "skip")
THREADS_MAX = 8  # values of "powers of two"
NODE_KEYS = {"placement", "flusher.placement", "memory.ring", "memory.workers", "memory.buffers", "memory.locks"}
PAGES = ("small", "transparent", "huge")
SMALLEST = {"workload": "append", "algorithm": "null"}  # a run that needs nothing but the pages of its ring
DIGITS_MAX = 40  # of an integer; more is a mistake, and Python takes long over them
DEPTH_MAX = 20
SEED_END = 1 << 64
PLACE = "engine.directory"


@dataclass(eq=False)
class Point:
    """What is run once a repetition."""

    configuration: dict  # as the matrix spells it, the seed aside
    effective: dict  # all of it, as the executable fills it in; two points are equal where this is
    axes: dict

    def measured_s(self):
        """Seconds that a run takes, loading and verification aside."""
        e = self.effective
        return (e["warmup_s"] + e["window_s"] * e["windows"]) * e["repetitions"]

    def title(self):
        """Workload and axes in words that may stand in a file's name."""
        words = [self.configuration["workload"]]
        for key, value in self.axes.items():
            if key != "workload":
                words.append(value if isinstance(value, str) else key.split(".")[-1] + json.dumps(value))
        return re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(words))[:100].strip("-.")

    def __str__(self):
        others = (f"{key} = {json.dumps(value)}" for key, value in self.axes.items() if key != "workload")
        return ", ".join([self.configuration["workload"], *others])


@dataclass
class Cell:
    """One run."""

    point: Point
    repetition: int
    seed: int

    @property
    def configuration(self):
        return {**self.point.configuration, "seed": self.seed}

    @property
    def effective(self):
        return {**self.point.effective, "seed": self.seed}

    @property
    def name(self):
        """Of its result file: the axes for people, and what the run is for the rest."""
        digest = hashlib.sha256(canonical(self.effective).encode()).hexdigest()[:10]
        return f"{self.point.title()}-r{self.repetition}-{digest}.json"


def canonical(configuration):
    """Text that is equal where configurations are; where a database lies is a place and no part of it."""
    return json.dumps(results.without_place(configuration), sort_keys=True, separators=(",", ":"))


def read(path):
    """The document, its form checked."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # with or without a byte-order mark
            document = json.load(file, object_pairs_hook=_each_key_once, parse_int=_integer)
    except OSError as error:
        raise RequestError.of("matrix", str(path), f"a file that can be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError.of("matrix", str(path), f"JSON in UTF-8 ({error})") from error
    except RecursionError as error:
        raise RequestError.of("matrix", str(path), f"JSON with at most {DEPTH_MAX} brackets inside each other") from error
    return checked(document)


def checked(document):
    """A matrix whose form is right, its defaults filled in."""
    _check_values("", document)
    _check_keys("matrix", document, KEYS)
    repetitions = document.setdefault("repetitions", 1)
    _check_integer("repetitions", repetitions, 1, SEED_END - 1)
    _check_integer("seed", document.setdefault("seed", 1), 0, SEED_END - repetitions)
    parts = document.setdefault("parts", [{}])
    if not isinstance(parts, list) or not parts:
        raise RequestError.of("parts", parts, "a list of objects with " + ", ".join(PART_KEYS))
    _check_part("", {key: document[key] for key in PART_KEYS if key in document})
    for i, part in enumerate(parts):
        _check_keys(f"parts[{i}]", part, PART_KEYS)
        _check_part(f"parts[{i}].", part)
    return document


def narrowed(document, chosen, listed):
    """The matrix with the chosen algorithms in the place of its own: of a list the first, and with "all" `bound`. What is
    chosen is run, so that no condition leaves an algorithm out. `listed` is what `muster list --json` says."""
    names = {about["name"] for about in listed}
    for name in chosen:
        if name not in names:
            raise RequestError.of("--algorithms", name, "some of " + ", ".join(about["name"] for about in listed))
    engine = {about["name"] for about in listed if not about["unsafe"] and not about["stalls_on_idle"]}
    usable = [name for name in chosen if name in engine]
    words = {"all": list(dict.fromkeys([*chosen, "bound"])), "engine": usable}
    for part in [document, *document["parts"]]:
        axes = part.get("axes", {})
        if "algorithm" in axes:
            asked = axes["algorithm"]
            axes["algorithm"] = words[asked] if asked in ("all", "engine") else usable[:1]
        part["skip"] = [condition for condition in part.get("skip", []) if "algorithm" not in condition]
    document["parts"] = [part for part in document["parts"] if part.get("axes", {}).get("algorithm") != []]
    return document


def size(document, muster):
    """How many runs it has at most: before `skip`, and without making them."""
    return document["repetitions"] * sum(
        math.prod(map(len, _steps(document, part, muster))) for part in document["parts"]
    )


def points(document, muster, directory=None):
    """Every point once, each accepted by the executable."""
    found = spelled_points(document, muster, directory)
    _check_points(found, muster)
    return list({canonical(point.effective): point for point in reversed(found)}.values())[::-1]  # the first of equal ones


def spelled_points(document, muster, directory=None):
    """Every point as the matrix spells it; whether an executable accepts it, and what is effective, is not known yet."""
    axes = [part.get("axes", {}) for part in (document, *document["parts"])]
    by_machine = {key for of_one in axes for key, values in of_one.items() if isinstance(values, str)}

    def skips_of(place, part):
        return [_Skip(f"{place}skip[{i}]", one, muster, by_machine) for i, one in enumerate(part.get("skip", []))]

    shared = skips_of("", document)
    skips, found = list(shared), []
    for number, part in enumerate(document["parts"]):
        own = skips_of(f"parts[{number}].", part)
        skips += own
        found += _points(document, part, muster, directory, shared + own)
    for skip in skips:
        skip.refuse_unused()
    if not found:
        raise RequestError.of("skip", document.get("skip", []), "to leave at least one configuration")
    return found


def cells(document, of_points):
    """Every run of the matrix in the order in which it is due.

    Repetitions are outermost, and at each point of the other axes all algorithms run one after the other, so that
    a machine that drifts hits all of them alike and each has its `bound` close by. Points and algorithms are
    shuffled, or the first would always be the one that finds the machine cold.
    """
    blocks = {}
    for point in of_points:
        blocks.setdefault(canonical({**point.effective, "algorithm": None}), []).append(point)
    ordered = []
    for repetition in range(document["repetitions"]):
        shuffle = random.Random(document["seed"] * 1_000_003 + repetition).shuffle
        order = [list(block) for block in blocks.values()]
        shuffle(order)
        for block in order:
            shuffle(block)
            ordered += [Cell(point, repetition, document["seed"] + repetition) for point in block]
    return ordered


def _integer(text):
    """What is too long for an integer is kept as it stands, for _check_values to name."""
    return int(text) if len(text) <= DIGITS_MAX else decimal.Decimal(text)


def _each_key_once(pairs):
    seen = dict(pairs)
    if len(seen) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RequestError.of(twice, "twice", "each key once")
    return seen


def _check_values(place, value, depth=0):
    """Refuses what JSON's grammar, or Python's reading of it, lets through."""
    if depth > DEPTH_MAX:
        raise RequestError.of(place.split(".")[0].split("[")[0] or "matrix", "nested too deep", f"at most {DEPTH_MAX} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_values(f"{place}.{key}" if place else key, item, depth + 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_values(f"{place}[{i}]", item, depth + 1)
    elif isinstance(value, decimal.Decimal):
        raise RequestError.of(place, str(value), f"a number of at most {DIGITS_MAX} digits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise RequestError.of(place, value, "a finite number")


def _check_keys(name, value, known):
    if not isinstance(value, dict):
        raise RequestError.of(name, value, "an object with " + ", ".join(known))
    for key in value:
        if key not in known:
            raise RequestError.of(key if name == "matrix" else f"{name}.{key}", value[key], "one of " + ", ".join(known))


def _check_integer(key, value, least, most):
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError.of(key, value, f"an integer, {least} at least and {most} at most")


def _check_part(prefix, part):
    base, axes, skip = part.get("base", {}), part.get("axes", {}), part.get("skip", [])
    if not isinstance(base, dict):
        raise RequestError.of(prefix + "base", base, "an object: a configuration as muster run takes it")
    if "seed" in base:
        raise RequestError.of(prefix + "base.seed", base["seed"], "none: each repetition has its own, counted from the matrix's")
    _check_lists(prefix + "axes", axes)
    for key, values in axes.items():
        if not isinstance(values, str) and len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
            raise RequestError.of(f"{prefix}axes.{key}", values, "each value once")
    together = part.get("zip", {})
    _check_lists(prefix + "zip", together)
    for key, values in together.items():
        first = next(iter(together.values()))
        if isinstance(values, str):
            raise RequestError.of(f"{prefix}zip.{key}", values, "a list: how long a word's list is depends on the machine")
        if len(values) != len(first):
            raise RequestError.of(f"{prefix}zip.{key}", values, f"{len(first)} values, as many as {next(iter(together))} has")
    if not isinstance(skip, list) or not all(isinstance(condition, dict) and condition for condition in skip):
        raise RequestError.of(
            prefix + "skip", skip, 'a list of conditions, such as [{"algorithm": ["null", "bound"], "workload": "ycsb"}]'
        )


def _check_lists(name, lists):
    if not isinstance(lists, dict):
        raise RequestError.of(name, lists, 'an object: dotted key to list of values, such as {"threads": [1, 2]}')
    for key, values in lists.items():
        if key == "seed":
            raise RequestError.of(f"{name}.seed", values, '"repetitions": each has its own seed')
        if isinstance(values, str):
            continue  # a word; what it means is _values' business
        if not isinstance(values, list) or not values:
            raise RequestError.of(f"{name}.{key}", values, "a list of values, one at least")


def _names(muster):
    return [algorithm["name"] for algorithm in muster.algorithms]


def values_of(key, values, muster):
    """An axis' values; words give way to what they stand for on this machine."""
    if key == "algorithm":
        if values == "all":
            return _names(muster)
        if values == "engine":
            return [a["name"] for a in muster.algorithms if not a["unsafe"] and not a["stalls_on_idle"]]
        for name in [values] if isinstance(values, str) else values:
            if name not in _names(muster):
                raise RequestError.of("axes.algorithm", name, '"all", "engine" or a list of: ' + ", ".join(_names(muster)))
    if key == "threads" and values == "powers of two":
        powers = [1 << bit for bit in range(muster.units.bit_length())]
        return powers[:1] + powers[1:][-(THREADS_MAX - 1) :]
    if key == "threads" and values == "one and all":
        return sorted({1, muster.units})
    if key == "threads" and values == "all":
        return [muster.units]
    if key == "threads" and values == "one node":
        return [max(1, sum(unit["node"] == muster.near_node for unit in muster.topology["units"]) - 1)]
    if key == "log_buffer.pages" and values == "granted":
        return [pages for pages in PAGES if muster.check([{**SMALLEST, "log_buffer": {"pages": pages}}])[0]["ok"]]
    if key in NODE_KEYS and isinstance(values, list):
        words = {"near": f"node:{muster.near_node}", "far": muster.far_node if muster.far_node is None else f"node:{muster.far_node}"}
        if key == "placement":
            words["siblings"] = muster.siblings
        places = [(value, words.get(value, value) if isinstance(value, str) else value) for value in values]
        return [place for value, place in places if place is not None or value is None]
    if isinstance(values, str):
        words = {"algorithm": '"all", "engine" or a list', "threads": '"powers of two", "one and all", "one node", "all" or a list',
                 "log_buffer.pages": '"granted" or a list'}
        raise RequestError.of(f"axes.{key}", values, words.get(key, "a list of values"))
    return values


def _steps(document, part, muster):
    """A list for each axis, and one for all that `zip` holds, of what is set together: {key: value}. Every combination of
    one of each list is a point."""
    axes = {**document.get("axes", {}), **part.get("axes", {})}
    steps = [[{key: value} for value in values_of(key, values, muster)] for key, values in axes.items()]
    together = part.get("zip", document.get("zip", {}))
    for key, values in together.items():
        if key in axes:
            raise RequestError.of(f"zip.{key}", values, "a key that is no axis as well")
        values_of(key, values, muster)  # refuses a name that is not one
    if together:
        steps.append([dict(zip(together, values)) for values in zip(*together.values())])
    return steps


def _merge(base, over):
    merged = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _set(configuration, key, value):
    *sections, last = key.split(".")
    for name in sections:
        configuration = configuration.setdefault(name, {})
        if not isinstance(configuration, dict):
            raise RequestError.of(f"axes.{key}", value, f"base.{name} to be an object")
    configuration[last] = value


def _points(document, part, muster, directory, skips):
    """The points of one part that no condition leaves out; what is effective of them is not known yet."""
    base = _merge(document.get("base", {}), part.get("base", {}))
    found = []
    for combination in itertools.product(*_steps(document, part, muster)):
        chosen = {key: value for step in combination for key, value in step.items()}
        configuration = copy.deepcopy(base)
        for key, value in chosen.items():
            _set(configuration, key, value)
        for key in ("workload", "algorithm"):
            if not isinstance(configuration.get(key), str):
                raise RequestError.of(f"base.{key}", configuration.get(key), "a name, here or as an axis")
        if directory is not None and configuration["workload"] in muster.keys[PLACE]["workloads"]:
            _set(configuration, PLACE, str(directory))
        if not any([skip.matches(configuration) for skip in skips]):  # each notes what it matches
            found.append(Point(configuration, {}, chosen))
    return found


class _Skip:
    """A condition. A key that a point does not spell out has its default."""

    def __init__(self, name, condition, muster, by_machine):
        self.name, self.condition, self.muster = name, condition, muster
        self.by_machine = by_machine  # keys whose values a word stands for: on this machine some may be missing
        self.wanted = {key: wanted if isinstance(wanted, list) else [wanted] for key, wanted in condition.items()}
        self.used = False
        self.met = {key: [False] * len(wanted) for key, wanted in self.wanted.items()}
        for key, wanted in self.wanted.items():
            if key not in muster.keys or key == "seed":
                raise RequestError.of(f"{name}.{key}", condition[key], f"a key that `{muster.path.name} keys` lists, not seed")
            for value in wanted:
                if key == "algorithm" and value not in _names(muster):
                    raise RequestError.of(f"{name}.algorithm", value, "one of: " + ", ".join(_names(muster)))

    def matches(self, configuration):
        spelled = dict(flat(configuration))
        whole = True
        for key, wanted in self.wanted.items():
            value = spelled.get(key, self.muster.keys[key]["default"])
            hits = [_equal(value, one) for one in wanted]
            self.met[key] = [a or b for a, b in zip(self.met[key], hits)]
            whole = whole and any(hits)
        self.used = self.used or whole
        return whole

    def refuse_unused(self):
        for key, wanted in self.wanted.items():
            for value, met in zip(wanted, self.met[key]):
                if not met and key not in self.by_machine:
                    raise RequestError.of(f"{self.name}.{key}", value, "a value that a point of the matrix has")
        if not self.used and not self.by_machine & set(self.wanted):
            raise RequestError.of(self.name, self.condition, "a condition that a point of the matrix meets")


def _equal(one, other):
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _check_points(found, muster):
    """Shows all to the executable, which fills in what is effective."""
    refused = []
    for point, answer in zip(found, muster.check([point.configuration for point in found])):
        if answer["ok"]:
            point.effective = {key: value for key, value in answer["configuration"].items() if key != "seed"}
        elif answer["exit_code"] != TEMPORARY:
            refused.append((point, answer))
    if refused:
        point, answer = min(refused, key=lambda one: one[1]["exit_code"])  # first what the matrix is to blame for
        some = f"{len(refused)} of {len(found)} points are refused, the first: " if len(found) > 1 else ""
        kind = RequestError if answer["exit_code"] == RequestError.code else MachineError
        raise kind(f"{some}{' '.join(answer['error'].split())} [{point}]" if some else " ".join(answer["error"].split()))
