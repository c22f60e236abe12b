"""What a paper claims of a figure, in a form that a machine can check, and the verdict on what was measured here.

A claim is a JSON object. Each kind comes down to ratios of two points of the figure, which have to lie above or below
a bound. A ratio is taken repetition by repetition, so that a machine that drifts hits both sides; its interval holds
the median of such ratios with 95 % confidence, whatever their distribution.
"""

import math
import statistics
from dataclasses import dataclass, field

from lab.command import RequestError
from lab.statistics import median_interval

HOLDS, DOES_NOT, CANNOT_TELL = "holds", "does not hold", "this machine cannot tell"
KINDS = {  # the keys of each, beside `text`, `panel`, `at` and `needs`
    "ratio": {"of", "to", "above", "below"},  # of / to
    "order": {"series", "above"},  # each is ahead of the next
    "flat": {"along", "within"},  # no value is further from the first than by this factor
    "grows": {"along", "above"},  # the last over the first
    "peak": {"along", "above"},  # the highest over the last
    "crossing": {"of", "to", "along"},  # of / to is above 1 at the first, below 1 at the last
}
COMMON = {"kind", "text", "panel", "at", "needs"}
LEAST, MOST = "least", "most"  # values of a key: the smallest and the largest that was measured
BEST, WORST = "best", "worst"  # of a key: with the largest and the smallest median, of what the conditions before it leave
NEAR, FAR = "near", "far"  # of the two NUMA nodes that were measured, the first and the second
SIBLINGS = "siblings"  # of placements: the one that is a list of units
NEEDS = {  # what a claim may need of a machine, and how much of it a machine has
    "units": ("processing units", lambda machine: machine["processing_units"]),
    "nodes": ("NUMA nodes", lambda machine: machine.get("numa_nodes", 1)),
    "siblings": ("processing units a core", lambda machine: 2 if machine.get("smt") else 1),
}


class Missing(Exception):
    """A point that was not measured here."""


@dataclass
class Table:
    """One measure of one figure: at each point a value a repetition."""

    title: str
    unit: str
    values: dict  # tuple of sorted (key, value) -> {repetition: value}
    disturbed: dict = field(default_factory=dict)  # such a tuple -> what disturbed a repetition: the kinds
    parts: list = field(default_factory=list)  # tables of what its values are made of, for a stack of bars

    def where(self, conditions):
        """The points that have these values, as {key: value} each."""
        found = [dict(point) for point in self.values]
        for key, value in conditions.items():
            there = [point[key] for point in found if key in point]
            if value in (LEAST, MOST) and there:
                value = min(there) if value == LEAST else max(there)
            if value in (BEST, WORST) and there:
                ranked = sorted((point for point in found if key in point), key=self.median)
                value = ranked[-1 if value == BEST else 0][key]
            if value in (NEAR, FAR):
                nodes = sorted({one for one in there if str(one).startswith("node:")}, key=lambda one: int(one[5:]))
                value = dict(zip((NEAR, FAR), nodes)).get(value, value)
            if value == SIBLINGS:
                value = next((one for one in there if isinstance(one, tuple)), value)
            found = [point for point in found if point.get(key) == value]
        return found

    def point(self, conditions):
        found = self.where(conditions)
        if len(found) > 1:
            differing = sorted(key for key in found[0] if any(point.get(key) != found[0][key] for point in found))
            raise RequestError.of("claim", conditions, "one point; several differ in " + ", ".join(differing))
        if not found:
            raise Missing(_words(conditions))
        return found[0]

    def along(self, key, conditions):
        """The points of one line, in the order of `key`."""
        found = self.where(conditions)
        values = sorted({point[key] for point in found if key in point})
        if len(values) < 2:
            raise Missing(f"more than one value of {key}")
        return [self.point({**conditions, key: value}) for value in values]

    def of(self, point):
        return self.values[tuple(sorted(point.items()))]

    def median(self, point):
        return statistics.median(self.of(point).values())


@dataclass
class Ratio:
    """One comparison that a claim needs, and what was found."""

    words: str
    low: float  # what it has to lie between
    high: float
    median: float
    interval: tuple | None  # None: too few repetitions

    @property
    def verdict(self):
        if self.interval is None:
            return CANNOT_TELL
        least, largest = self.interval
        if self.low <= least and largest <= self.high:
            return HOLDS
        return DOES_NOT if largest < self.low or least > self.high else CANNOT_TELL

    @property
    def why(self):
        bounds = [f"at least {self.low:g}"] if self.low > 0 else []
        bounds += [f"at most {self.high:g}"] if self.high < math.inf else []
        if self.interval is None:
            return f"{self.words}: {self.median:.3g}; too few repetitions for an interval"
        least, largest = self.interval
        return f"{self.words}: {self.median:.3g} ({least:.3g} to {largest:.3g}); want {' and '.join(bounds)}"


def check(claim, name):
    """Raises RequestError where it is none of the kinds."""
    kind = claim.get("kind")
    if kind not in KINDS:
        raise RequestError.of(f"{name}.kind", kind, "one of " + ", ".join(KINDS))
    unknown = set(claim) - COMMON - KINDS[kind]
    if unknown:
        raise RequestError.of(name, sorted(unknown), f"of kind {kind} only " + ", ".join(sorted(COMMON | KINDS[kind])))
    if set(claim.get("needs", {})) - set(NEEDS):
        raise RequestError.of(f"{name}.needs", claim["needs"], "only " + ", ".join(NEEDS))
    if not isinstance(claim.get("text"), str):
        raise RequestError.of(f"{name}.text", claim.get("text"), "a sentence")


def judge(claim, table, machine):
    """The claim with its verdict, as verdicts.json holds it. `machine` is a result's."""
    judged = {"text": claim["text"], "verdict": CANNOT_TELL, "why": "", "ratio": None, "interval": None}
    for need, least in claim.get("needs", {}).items():
        words, count = NEEDS[need]
        if count(machine) < least:
            return {**judged, "why": f"wants {least} {words}, this machine has {count(machine)}"}
    try:
        ratios = list(_ratios(claim, table))
    except Missing as missing:
        return {**judged, "why": f"not measured here: {missing}"}
    worst = min(ratios, key=lambda ratio: (DOES_NOT, CANNOT_TELL, HOLDS).index(ratio.verdict))
    interval = None if worst.interval is None else [_finite(end) for end in worst.interval]
    return {**judged, "verdict": worst.verdict, "why": worst.why, "ratio": _finite(worst.median), "interval": interval}


def _ratios(claim, table):
    kind, at, above = claim["kind"], claim.get("at", {}), claim.get("above", 1.0)
    if kind == "ratio":
        yield _ratio(table, {**at, **claim["of"]}, {**at, **claim["to"]}, claim.get("above", 0), claim.get("below", math.inf))
    elif kind == "order":
        for one, other in zip(claim["series"], claim["series"][1:]):
            yield _ratio(table, {**at, **one}, {**at, **other}, above, math.inf)
    elif kind == "crossing":
        points = table.along(claim["along"], {**at, **claim["of"]})
        for point, bounds in ((points[0], (1, math.inf)), (points[-1], (0, 1))):
            here = {**at, claim["along"]: point[claim["along"]]}
            yield _ratio(table, {**here, **claim["of"]}, {**here, **claim["to"]}, *bounds)
    else:
        first, *_, last = points = table.along(claim["along"], at)
        if kind == "flat":
            for point in points[1:]:
                yield _ratio(table, point, first, 1 / claim["within"], claim["within"])
        elif kind == "grows":
            yield _ratio(table, last, first, above, math.inf)
        else:
            yield _ratio(table, max(points, key=table.median), last, above, math.inf)


def _ratio(table, one, other, low, high):
    points = table.point(one), table.point(other)
    over, under = (table.of(point) for point in points)
    both = sorted(set(over) & set(under))
    if not both:
        raise Missing(f"{_words(one)} and {_words(other)} in the same repetition")
    ratios = [_divided(over[i], under[i]) for i in both]
    differ = [key for key in points[0] if points[0].get(key) != points[1].get(key)]
    words = " over ".join(_words({key: point[key] for key in differ}) for point in points)
    return Ratio(words, low, high, statistics.median(ratios), median_interval(ratios))


def _divided(one, other):
    return one / other if other else 1.0 if one == 0 else math.inf


def _finite(number):
    """JSON knows no infinity."""
    return number if math.isfinite(number) else None


def _words(conditions):
    return ", ".join(value if isinstance(value, str) else f"{key} {value}" for key, value in conditions.items())
