"""A sweep's matrix: which configurations are run, and in which order.

A matrix is JSON. scripts/README.md describes it; scripts/quickstart.json is one.
"""

import copy
import hashlib
import itertools
import json
import random
import re
from dataclasses import dataclass

from lab.command import RequestError

KEYS = ("base", "axes", "skip", "parts", "repetitions", "seed")
PART_KEYS = ("base", "axes", "skip")
POINTS_MAX = 8


@dataclass
class Machine:
    """What the words of an axis stand for here."""

    units: int
    algorithms: list  # as `muster list --json` has them


@dataclass
class Cell:
    """One run."""

    configuration: dict
    name: str  # of its result file
    repetition: int

    def measured_s(self):
        """Seconds that the run takes, loading and verification aside."""
        c = self.configuration
        return (c.get("warmup_s", 0.5) + c.get("window_s", 0.5) * c.get("windows", 5)) * c.get("repetitions", 1)


def read(path):
    """The document, its form checked."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file, object_pairs_hook=_each_key_once)
    except OSError as error:
        raise RequestError.of("matrix", str(path), f"a file that can be read ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RequestError.of("matrix", str(path), f"JSON ({error})") from error
    _check_keys("matrix", document, KEYS)
    _check_integer("repetitions", document.setdefault("repetitions", 1), 1)
    _check_integer("seed", document.setdefault("seed", 1), 0)
    parts = document.setdefault("parts", [{}])
    if not isinstance(parts, list) or not parts:
        raise RequestError.of("parts", parts, "a list of objects with " + ", ".join(PART_KEYS))
    _check_part("", {key: document[key] for key in PART_KEYS if key in document})
    for i, part in enumerate(parts):
        _check_keys(f"parts[{i}]", part, PART_KEYS)
        _check_part(f"parts[{i}].", part)
    return document


def cells(document, machine, directory=None):
    """Every run of the matrix in the order in which it is due.

    Repetitions are outermost, and at each point of the other axes all algorithms run one after the other, so that
    a machine that drifts hits all of them alike and each has its `bound` close by. Points and algorithms are
    shuffled, or the first would always be the one that finds the machine cold.
    """
    points = [_points(document, part, machine, directory) for part in document["parts"]]
    names = {}
    ordered = []
    for repetition in range(document["repetitions"]):
        shuffle = random.Random(document["seed"] * 1_000_003 + repetition).shuffle
        blocks = {}
        for configuration, axes in itertools.chain.from_iterable(points):
            others = [value for key, value in axes.items() if key != "algorithm"]
            block = json.dumps([configuration["workload"], others])
            cell = _cell(configuration, axes, repetition, document["seed"])
            blocks.setdefault(block, []).append(cell)
            if names.setdefault(cell.name, cell) is not cell:
                raise RequestError.of("parts", cell.configuration, "each configuration once")
        order = list(blocks.values())
        shuffle(order)
        for block in order:
            shuffle(block)
            ordered.extend(block)
    if not ordered:
        raise RequestError.of("skip", document.get("skip", []), "to leave at least one configuration")
    return ordered


def _each_key_once(pairs):
    seen = dict(pairs)
    if len(seen) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RequestError.of(twice, "twice", "each key once")
    return seen


def _check_keys(name, value, known):
    if not isinstance(value, dict):
        raise RequestError.of(name, value, "an object with " + ", ".join(known))
    for key in value:
        if key not in known:
            raise RequestError.of(key if name == "matrix" else f"{name}.{key}", value[key], "one of " + ", ".join(known))


def _check_integer(key, value, least):
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RequestError.of(key, value, f"an integer, {least} at least")


def _check_part(prefix, part):
    base, axes, skip = part.get("base", {}), part.get("axes", {}), part.get("skip", [])
    if not isinstance(base, dict):
        raise RequestError.of(prefix + "base", base, "an object: a configuration as muster run takes it")
    if "seed" in base:
        raise RequestError.of(prefix + "base.seed", base["seed"], "none: each repetition has its own, counted from the matrix's")
    if not isinstance(axes, dict):
        raise RequestError.of(prefix + "axes", axes, 'an object: dotted key to list of values, such as {"threads": [1, 2]}')
    for key, values in axes.items():
        if key == "seed":
            raise RequestError.of(prefix + "axes.seed", values, '"repetitions": each has its own seed')
        if isinstance(values, str):
            continue  # a word; what it means is _values' business
        if not isinstance(values, list) or not values:
            raise RequestError.of(f"{prefix}axes.{key}", values, "a list of values, one at least")
        if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
            raise RequestError.of(f"{prefix}axes.{key}", values, "each value once")
    if not isinstance(skip, list) or not all(isinstance(condition, dict) and condition for condition in skip):
        raise RequestError.of(
            prefix + "skip", skip, 'a list of conditions, such as [{"algorithm": ["null", "bound"], "workload": "ycsb"}]'
        )


def _values(key, values, machine):
    """An axis' values, its words replaced by what they stand for on this machine."""
    names = [algorithm["name"] for algorithm in machine.algorithms]
    if key == "algorithm":
        if values == "all":
            return names
        if values == "engine":
            return [a["name"] for a in machine.algorithms if not a["unsafe"] and not a["stalls_on_idle"]]
        for name in [values] if isinstance(values, str) else values:
            if name not in names:
                raise RequestError.of("axes.algorithm", name, '"all", "engine" or a list of: ' + ", ".join(names))
    if key == "threads" and values == "powers of two":
        powers = [1 << bit for bit in range(machine.units.bit_length())]
        return powers[:1] + powers[1:][-(POINTS_MAX - 1) :]
    if key == "threads" and values == "one and all":
        return sorted({1, machine.units})
    if key == "threads" and values == "all":
        return [machine.units]
    if isinstance(values, str):
        words = {"algorithm": '"all", "engine" or a list', "threads": '"powers of two", "one and all", "all" or a list'}
        raise RequestError.of(f"axes.{key}", values, words.get(key, "a list of values"))
    return values


def _merge(base, over):
    merged = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _get(configuration, key):
    for name in key.split("."):
        configuration = configuration.get(name) if isinstance(configuration, dict) else None
    return configuration


def _set(configuration, key, value):
    *sections, last = key.split(".")
    for name in sections:
        configuration = configuration.setdefault(name, {})
        if not isinstance(configuration, dict):
            raise RequestError.of(f"axes.{key}", value, f"base.{name} to be an object")
    configuration[last] = value


def _points(document, part, machine, directory):
    """The configurations of one part, each with its values on the axes."""
    base = _merge(document.get("base", {}), part.get("base", {}))
    axes = {**document.get("axes", {}), **part.get("axes", {})}
    skip = document.get("skip", []) + part.get("skip", [])
    values = {key: _values(key, axes[key], machine) for key in axes}
    points = []
    for combination in itertools.product(*values.values()):
        chosen = dict(zip(values, combination))
        configuration = copy.deepcopy(base)
        for key, value in chosen.items():
            _set(configuration, key, value)
        for key in ("workload", "algorithm"):
            if not isinstance(configuration.get(key), str):
                raise RequestError.of(f"base.{key}", configuration.get(key), "a name, here or as an axis")
        if configuration["workload"] == "ycsb" and directory is not None:
            _set(configuration, "engine.directory", str(directory))
        if not any(_matches(condition, configuration) for condition in skip):
            points.append((configuration, chosen))
    return points


def _matches(condition, configuration):
    return all(
        _get(configuration, key) in (wanted if isinstance(wanted, list) else [wanted])
        for key, wanted in condition.items()
    )


def _cell(configuration, axes, repetition, seed):
    configuration = {**configuration, "seed": seed + repetition}
    canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
    words = [configuration["workload"]]
    for key, value in axes.items():
        if key != "workload":
            words.append(value if isinstance(value, str) else key.split(".")[-1] + json.dumps(value))
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(words))[:100].strip("-")
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:10]
    return Cell(configuration, f"{slug}-r{repetition}-{digest}.json", repetition)
