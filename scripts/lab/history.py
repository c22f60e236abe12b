"""Throughput over many commits, and where it changed.

A series is one configuration; its values are one a commit, the median of that commit's runs. Change points are found
by E-divisive (Matteson and James, JASA 109, 2014): the split whose sides are farthest apart in energy distance is a
change where few orders of the same values have one as far, and then each side is looked at alike.
"""

import copy
import itertools
import json
import math
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy

from lab import measurements, panels, results
from lab.place import ROOT

ALPHA = 0.01  # of series without a change, one in a hundred shows one
PERMUTATIONS = 999
LEAST = 2  # values on each side of a change
# So many commits let a change in their middle be significant: the same two sides have 2 of C(n, n/2) orders.
ENOUGH = next(n for n in itertools.count(2 * LEAST) if 2 / math.comb(n, n // 2) <= ALPHA)


@dataclass
class Change:
    at: int  # the first commit of the new level, as an index into the series
    p: float
    ratio: float  # median from here to the next change over the median since the last


@dataclass
class Series:
    title: str
    commits: list
    rates: list  # of each commit: one value a run
    changes: list = field(default_factory=list)

    def medians(self):
        return [statistics.median(rates) for rates in self.rates]


@dataclass
class History:
    commits: list  # all of them, oldest first
    order: str  # what orders them
    series: list
    machine: dict
    skipped: list = field(default_factory=list)  # a line for each document that cannot be used


def read(folder, repository=ROOT):
    """Every result below a folder: loose, in folders of their own, in packed files."""
    documents, skipped = [], []
    for place in _places(Path(folder)):
        for name, document in results.documents(place):
            if isinstance(document, results.ResultError):
                skipped.append(str(document))
            elif not _is_commit(document["muster"]["git_commit"]):
                commit = document["muster"]["git_commit"]
                skipped.append(f"{name}: commit = {commit}: want one without changes, which has a place among others")
            else:
                documents.append(_completed(document))
    if not documents:
        raise results.ResultError(f"{folder}: holds no results of a commit" + (f"; {skipped[0]}" if skipped else ""))
    machine = _one_machine(folder, documents)
    commits, order = _ordered(documents, repository)
    return History(commits, order, _series(documents, commits), machine, skipped)


def _places(folder):
    """What results.documents() reads."""
    if not folder.is_dir():
        return [folder]
    within = sorted(path for path in folder.iterdir() if path.is_dir() or path.name.endswith(results.PACKED))
    found = [path for path in within if path.is_file() or any(path.glob("*.json"))]
    return found + ([folder] if any(folder.glob("*.json")) or not found else [])


def _is_commit(name):
    return len(name) == 40 and all(c in "0123456789abcdef" for c in name)


def _one_machine(folder, documents):
    keys = ("host_id", "cpu_model", "processing_units")
    kinds = {json.dumps([document["machine"].get(key) for key in keys]) for document in documents}
    if len(kinds) > 1:
        first, second = sorted(kinds)[:2]
        raise results.ResultError(f"{folder}: holds results of more than one machine: {first} and {second}; want one")
    return documents[0]["machine"]


def _ordered(documents, repository):
    """The commits as git has them; where it does not know one, as they were first measured."""
    first = {}
    for document in sorted(documents, key=lambda d: d["time"]):
        first.setdefault(document["muster"]["git_commit"], len(first))
    known = _commits_of(repository, first)
    place = {commit: i for i, commit in enumerate(known)}
    if all(commit in place for commit in first):
        return sorted(first, key=place.get), "as git has them"
    return list(first), "as they were measured: git does not know all of them"


def _commits_of(repository, wanted):
    """All that lead to the wanted ones, parents first; none where one is unknown."""
    command = ["git", "-C", str(repository), "rev-list", "--topo-order", "--reverse", *wanted, "--"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return []


def _series(documents, commits):
    groups, rates = {}, {}  # of a shared configuration; of one, algorithm and threads: {commit: a value a run}
    for commit in commits:
        for group in results.groups([d for d in documents if d["muster"]["git_commit"] == commit]):
            shared = json.dumps(group.configuration, sort_keys=True)
            groups.setdefault(shared, group)
            for (algorithm, threads), runs in group.runs.items():
                of_commit = [statistics.median(results.rates(run)) for run in runs.values()]
                rates.setdefault((shared, algorithm, threads), {})[commit] = of_commit
    titles = dict(zip(groups, panels.titles(list(groups.values()))))
    found = []
    for (shared, algorithm, threads), of_commits in rates.items():
        name = f"{algorithm}, {threads} thread{'s' if threads > 1 else ''}, {titles[shared]}"
        found.append(Series(name, list(of_commits), list(of_commits.values())))
    return sorted(found, key=lambda series: series.title)


def _completed(document):
    """With the default of each key that its executable did not have yet: its series goes on when a key is added."""
    configuration = copy.deepcopy(results.without_place(document["configuration"]))
    for key in measurements.keys():
        if configuration["workload"] in key["workloads"] and not (key["required"] or key["place"]):
            *sections, name = key["name"].split(".")
            section = configuration
            for part in sections:
                section = section.setdefault(part, {})
            section.setdefault(name, key["default"])
    return {**document, "configuration": configuration}


def find_changes(series, threshold, seed=1):
    """Fills in the changes that exceed the threshold."""
    medians = series.medians()
    found = change_points(medians, seed)
    while True:
        levels = levels_of(medians, [at for at, _ in found])
        changes = [Change(at, p, levels[i + 1] / levels[i]) for i, (at, p) in enumerate(found)]
        small = [change for change in changes if abs(change.ratio - 1) <= threshold]
        if not small:
            series.changes = changes
            return
        least = min(small, key=lambda change: abs(change.ratio - 1))
        found = [(at, p) for at, p in found if at != least.at]  # its sides are one level; the others' are seen anew


def levels_of(values, changes):
    """The medians between changes."""
    edges = [0, *changes, len(values)]
    return [statistics.median(values[a:b]) for a, b in zip(edges, edges[1:])]


def change_points(values, seed=1):
    """[(index where a new level begins, p)], in order."""
    values = numpy.asarray(values, dtype=float)
    random = numpy.random.default_rng(seed)
    found, parts = [], [(0, len(values))]
    while parts:
        begin, end = parts.pop()
        split = _split(values[begin:end], random)
        if split is not None:
            at, p = begin + split[0], split[1]
            found.append((at, p))
            parts += [(begin, at), (at, end)]
    return sorted(found)


def _split(values, random):
    """(index, p) of a significant split, or None."""
    if len(values) < 2 * LEAST:
        return None
    distances = numpy.abs(values[:, None] - values[None, :])
    energies = _energies(distances)
    at, _ = numpy.unravel_index(numpy.argmax(energies), energies.shape)
    limit = energies.max() * (1 - 1e-12)
    as_far = 0
    for _ in range(PERMUTATIONS):
        order = random.permutation(len(values))
        as_far += _energies(distances[numpy.ix_(order, order)]).max() >= limit
        if (1 + as_far) / (1 + PERMUTATIONS) > ALPHA:
            return None
    return int(at), (1 + as_far) / (1 + PERMUTATIONS)


def _energies(distances):
    """[t, k]: energy distance of [0, t) and [t, k), times their harmonic size; -1 where a side has less than LEAST.

    The second side ends anywhere, or a fall that is followed by a rise would not be seen."""
    sums = numpy.pad(distances, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    place = numpy.arange(len(sums))
    left, right = place[:, None], place[None, :] - place[:, None]
    square = numpy.diagonal(sums)  # of [0, i) among themselves
    within_left, across = square[:, None], sums - square[:, None]
    within_right = square[None, :] - 2 * sums + square[:, None]
    with numpy.errstate(divide="ignore", invalid="ignore"):
        energy = 2 * across / (left * right) - within_left / left**2 - within_right / right**2
        energy *= left * right / (left + right)
    return numpy.where((left >= LEAST) & (right >= LEAST), energy, -1)
