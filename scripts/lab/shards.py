"""Divides a sweep's runs among servers: shard i of n.

The same matrix gives the same shards; no run is in two of them, and every run is in one. What is compared with each
other stays on one server as far as there is enough to divide: a point with all its algorithms and repetitions, else one
repetition of it, else a run.
"""

import hashlib
import math
import re
from dataclasses import dataclass

from lab import matrix
from lab.command import RequestError


@dataclass(frozen=True)
class Shard:
    number: int  # from 1
    count: int

    @classmethod
    def parse(cls, text):
        """`i/n`, as an option has it."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise RequestError.of("--shard", text, "i/n, such as 2/3: i from 1 to n")
        return cls(number, count)

    def __str__(self):
        return f"{self.number}/{self.count}"

    @property
    def word(self):
        """For a file's name."""
        return f"{self.number}-of-{self.count}"


def points(cells):
    """How many there are to divide: those that differ in the algorithm alone are one."""
    return len({_point(cell) for cell in cells})


def for_tasks(cells, points_a_task):
    """How many shards have so many points each."""
    return math.ceil(points(cells) / points_a_task)


def divided(cells, count, run_s):
    """`count` lists of cells, each in the order of `cells`; run_s(cell) is how long it takes. The longest unit goes first
    to the shard with the least to do, so that all end at about the same time."""
    for unit in (_point, _repetition, id):
        units = {}
        for place, cell in enumerate(cells):
            units.setdefault(unit(cell), []).append(place)
        if len(units) >= count:
            break
    seconds = {key: sum(run_s(cells[place]) for place in places) for key, places in units.items()}
    loads, chosen = [0.0] * count, [[] for _ in range(count)]
    for key in sorted(units, key=lambda key: (-round(seconds[key], 6), units[key][0])):
        least = loads.index(min(loads))
        loads[least] += seconds[key]
        chosen[least] += units[key]
    return [[cells[place] for place in sorted(places)] for places in chosen]


def fingerprint(cells):
    """The same for the same runs."""
    return hashlib.sha256("\n".join(sorted(cell.name for cell in cells)).encode("utf-8")).hexdigest()[:16]


def _point(cell):
    return matrix.canonical({**cell.effective, "algorithm": None, "seed": None})


def _repetition(cell):
    return _point(cell), cell.repetition
