"""Is NEW slower than BASE? Matches the points of two sides, and judges each point and metric.

The unit of every statistic is the repetition. A row is *slower* only where the ratio of the medians says so (the
threshold) and Mann and Whitney's test does (its p, adjusted by Benjamini and Hochberg over all rows).
"""

import functools
import math
from collections import defaultdict
from dataclasses import dataclass

from lab import machine, statistics
from lab.command import RequestError
from lab.measurements import METRICS, keys, value_of

ALPHA = 0.05  # the share of false discoveries that is put up with
SLOWER, FASTER, WITHIN, CANNOT_TELL, TOO_FEW = VERDICTS = (
    "slower",
    "faster",
    "within threshold",  # the whole interval is
    "cannot tell",  # the interval reaches beyond it, and the test does not say why
    "too few repetitions",  # one slow row alone could not pass the correction, however slow
)
UNDECIDED = (CANNOT_TELL, TOO_FEW)
ABSENT = "(absent)"
HOSTS = {f"machine.{key}" for key in machine.MACHINE}


@dataclass
class Row:
    """One metric of one point."""

    name: str  # the same in every comparison, for what keeps a history
    title: str  # what tells this point from the others here
    metric: str  # as people read it
    measure: str  # as machines read it
    unit: str
    better: str  # "more" or "less"
    base: float  # medians over the repetitions
    new: float
    base_repetitions: int
    new_repetitions: int
    noise: float  # half the distance of BASE's quartiles as a share of its median; NaN where that says nothing
    new_q1: float
    new_q3: float
    ratio: float  # new over base
    low: float  # of the ratio's interval; NaN where it is unknown
    high: float
    p: float  # adjusted
    verdict: str = CANNOT_TELL

    def worse_by(self):
        """How much worse, as a logarithm; below 0 is better."""
        if self.ratio in (0, math.inf):
            log = math.inf if self.ratio else -math.inf
        else:
            log = math.log(self.ratio)
        return -log if self.better == "more" else log


@dataclass
class Comparison:
    """Rows, what matters first first."""

    rows: list
    threshold: float
    want: int  # repetitions on each side with which one slow row alone can pass the correction
    shared: dict  # what all points have in common: key -> value
    left_out: list  # points on one side only, each a title

    def count(self, *verdicts):
        return sum(row.verdict in verdicts for row in self.rows)


def compare(base, new, threshold, allowed=()):
    """The Comparison of two Sides; RequestError where they cannot be compared without --allow KEY."""
    if base.kind != new.kind:
        raise RequestError(f"BASE holds {base.kind}, NEW {new.kind}: want the same of both")
    _check_origins(base, new, allowed)
    _count_absent_as_default((base, new))
    pairs, left_out = _pairs(base, new, allowed)
    points = [point for pair in pairs for point in pair]
    varying = _varying(points)
    rows = []
    for of_base, of_new in pairs:
        for metric, values in base.points[of_base].items():
            if metric in new.points[of_new]:
                rows.append((of_base, of_new, metric, values, new.points[of_new][metric]))
    if not rows:
        raise RequestError("no point and metric is on both sides: want one at least")
    judged = _judge([_row(*row, varying) for row in rows], [row[3:] for row in rows], threshold)
    shared = dict(set.intersection(*map(set, points)))
    want = repetitions_wanted(len(judged))
    return Comparison(sorted(judged, key=_what_matters_first), threshold, want, shared, [_name(p) for p in left_out])


def repetitions_wanted(rows):
    """How many on each side let one slow row alone pass the correction."""
    count = 2
    while statistics.least_mann_whitney(count, count) * rows > ALPHA:
        count += 1
    return count


def covers(allowed, key):
    """--allow machine stands for every key of that section."""
    return any(key == one or key.startswith((one + ".", one + " of ")) for one in allowed)


def _check_origins(base, new, allowed):
    """Each side is of one machine and build without changes, and the machine is the same."""
    sides = (("BASE", base), ("NEW", new))
    for title, side in sides:
        for fact, values in side.facts.items():
            if len(values) > 1 and not covers(allowed, fact):
                (one, first), (another, second) = list(values.items())[:2]
                want = f"{machine.want(fact.partition('.')[2])}, or --allow {fact}" if fact in HOSTS else f"one, or --allow {fact}"
                raise RequestError(f"{fact}: {title} holds {_cut(one)} ({first}) and {_cut(another)} ({second}): want {want}")
    for title, side in sides:
        for commit, name in side.facts["muster.git_commit"].items():
            if commit.endswith("-dirty") and not covers(allowed, "muster.git_commit"):
                raise RequestError(
                    f"muster.git_commit = {commit} in {title} ({name}): a build with uncommitted changes; want a "
                    "commit, or --allow muster.git_commit"
                )
    for fact in sorted(fact for fact in base.facts if fact.startswith("machine.") or fact == "placement"):
        one, another = base.only(fact), new.only(fact)
        if one != another and None not in (one, another) and not covers(allowed, fact):
            raise RequestError(f"{fact} = {_cut(one)} in BASE, {_cut(another)} in NEW: want the same, or --allow {fact}")


@functools.cache
def defaults():
    """{key: what counts where a result lacks it}."""
    return {key["name"]: value_of(key["default"]) for key in keys() if not key["required"]}


def _count_absent_as_default(sides):
    """A key that only some points of a workload have is filled in for the others. Benchmarks have no defaults."""
    keys = defaultdict(set)
    for side in sides:
        for point in side.points:
            settings = dict(point)
            keys[_kind(settings)].update(settings)
    for side in sides:
        filled = {}
        for point, series in side.points.items():
            settings = dict(point)
            for key in keys[_kind(settings)] - settings.keys() if "workload" in settings else ():
                settings[key] = defaults().get(key, ABSENT)
            into = filled.setdefault(tuple(sorted(settings.items())), {})
            for metric, values in series.items():
                into.setdefault(metric, []).extend(values)
        side.points = filled


def _pairs(base, new, allowed):
    """[(point of BASE, point of NEW)], and the points that are left out because --allow says so."""
    pairs = [(point, point) for point in base.points if point in new.points]
    alone = [_grouped(set(one.points) - set(other.points), allowed) for one, other in ((base, new), (new, base))]
    for rest in alone[0].keys() & alone[1].keys():
        if len(alone[0][rest]) == len(alone[1][rest]) == 1:
            pairs.append((alone[0].pop(rest)[0], alone[1].pop(rest)[0]))
    left_out = [[point for points in of_side.values() for point in points] for of_side in alone]
    for title, points, other, side, neighbours in (
        ("BASE", left_out[0], "NEW", new, left_out[1]),
        ("NEW", left_out[1], "BASE", base, left_out[0]),
    ):
        rests = _grouped(side.points, allowed)
        kinds = {_kind(dict(point)) for point in side.points}
        for point in sorted(points, key=repr):
            kind_is_here_only = _kind(dict(point)) not in kinds and covers(allowed, _kind_key(point))
            if _rest(point, allowed) not in rests and not kind_is_here_only:
                raise _only_on_one_side(point, title, other, side, set(neighbours), allowed)
    return sorted(pairs, key=repr), left_out[0] + left_out[1]


def _rest(point, allowed):
    """What has to be the same."""
    return tuple(item for item in point if not covers(allowed, item[0]))


def _grouped(points, allowed):
    """{what has to be the same: [points]}."""
    grouped = defaultdict(list)
    for point in points:
        grouped[_rest(point, allowed)].append(point)
    return grouped


def _kind(settings):
    """Points of one kind have the same keys."""
    return settings.get("workload"), settings.get("benchmark")


def _kind_key(point):
    return "workload" if "workload" in dict(point) else "benchmark"


def _only_on_one_side(point, title, other_title, other, alone, allowed):
    """Names the keys in which it differs from its nearest neighbour on the other side, rather one that is alone, too."""

    def differences(neighbour):
        mine, theirs = dict(point), dict(neighbour)
        if _kind(mine) != _kind(theirs):
            return [_kind_key(point)]
        return [key for key in mine | theirs if mine.get(key) != theirs.get(key) and not covers(allowed, key)]

    of_kind = [p for p in other.points if _kind(dict(p)) == _kind(dict(point))]
    nearest = min(of_kind or other.points, key=lambda p: (len(differences(p)), p not in alone, repr(p)))
    keys = differences(nearest)
    said = "; ".join(
        f"{key} = {_cut(dict(point).get(key, ABSENT))} in {title}, {_cut(dict(nearest).get(key, ABSENT))} in {other_title}"
        for key in keys
    )
    allow = " ".join(f"--allow {key}" for key in keys)
    return RequestError(f"{said}: want the same points on both sides, or {allow} (point: {_name(point)})")


def _varying(points):
    """{kind: the keys in which its points differ}; the kind's own key where there are several."""
    values = defaultdict(lambda: defaultdict(set))
    for point in points:
        for key, value in point:
            values[_kind(dict(point))][key].add(value)
    of_all = {"workload", "benchmark"} if len(values) > 1 else set()
    return {kind: of_all | {key for key, seen in keys.items() if len(seen) > 1} for kind, keys in values.items()}


def _row(of_base, of_new, metric, base, new, varying):
    spread, new_spread = statistics.Spread.of(base), statistics.Spread.of(new)
    described = METRICS[metric[0]]
    theirs = dict(of_new)
    shown = varying[_kind(theirs)] or FIRST
    settings = {k: v if theirs.get(k) == v else f"{text(v)}→{text(theirs.get(k))}" for k, v in of_base if k in shown}
    return Row(
        name=_name(of_base),
        title=_title(settings),
        metric=described.title,
        measure=described.key,
        unit=metric[1],
        better=described.better,
        base=spread.median,
        new=new_spread.median,
        base_repetitions=spread.count,
        new_repetitions=new_spread.count,
        noise=spread.relative() if spread.count > 1 and spread.median else math.nan,
        new_q1=new_spread.q1,
        new_q3=new_spread.q3,
        ratio=float(statistics.ratio(spread.median, new_spread.median)),
        low=math.nan,
        high=math.nan,
        p=1.0,
    )


FIRST = ("workload", "benchmark", "algorithm", "threads")


def _title(settings):
    """What is run and of whom without their keys, then the others."""
    order = sorted(settings, key=lambda key: (FIRST.index(key) if key in FIRST else len(FIRST), key))
    words = [text(settings[key]) if key in FIRST[:3] else f"{key}={text(settings[key])}" for key in order]
    return " ".join(words)


def _name(point):
    """What is run, of whom, and every key that is not at its default."""
    known = defaults()
    return _title({key: value for key, value in point if key in FIRST or key not in known or value != known[key]})


def text(value):
    if isinstance(value, tuple):
        return ",".join(map(text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut(value):
    whole = text(value)
    return whole if len(whole) <= 60 else whole[:60] + "..."


def _judge(rows, values, threshold):
    """Fills in intervals, p and verdicts; rows with as many repetitions are reckoned together."""
    sizes = defaultdict(list)
    for row, (base, new) in zip(rows, values):
        sizes[len(base), len(new)].append((row, base, new))
    for of_size in sizes.values():
        base, new = [base for _, base, _ in of_size], [new for _, _, new in of_size]
        intervals = statistics.bootstrap_ratio(base, new)
        for (row, _, _), (low, high), p in zip(of_size, intervals, statistics.mann_whitney(base, new)):
            row.low, row.high, row.p = float(low), float(high), float(p)
    for row, p in zip(rows, statistics.benjamini_hochberg([row.p for row in rows])):
        row.p = p
        row.verdict = _verdict(row, threshold, len(rows))
    return rows


def _verdict(row, threshold, rows):
    if row.p <= ALPHA and abs(row.ratio - 1) >= threshold:
        return SLOWER if row.worse_by() > 0 else FASTER
    if statistics.least_mann_whitney(row.base_repetitions, row.new_repetitions) * rows > ALPHA:
        return TOO_FEW
    return WITHIN if 1 - threshold < row.low and row.high < 1 + threshold else CANNOT_TELL


def _what_matters_first(row):
    """Slower, faster, then the rest, each by its effect."""
    place = {SLOWER: 0, FASTER: 1}.get(row.verdict, 2)
    return place, -abs(row.worse_by()), row.title, row.metric
