"""What tables and figures show of groups of results: names of panels, choices, orders, intervals. plots/ draws it."""

import json
import re
import statistics
from dataclasses import dataclass

from lab import results
from lab.command import RequestError
from lab.machine import GROUPINGS
from lab.results import rates
from lab.runs import flat
from lab.statistics import Spread
from lab.wording import title

NOISY = 0.25  # half the distance of the quartiles, as a share of the median: beyond it the word is said


def is_noisy(spread):
    return spread.relative() > NOISY


def differing(groups):
    """The keys in which the groups' configurations differ, with each group's value; None where it lacks the key."""
    all_values = [dict(flat(group.configuration)) for group in groups]
    keys = dict.fromkeys(key for values in all_values for key in values)
    found = {key: [values.get(key) for values in all_values] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _shown(value):
    return value if isinstance(value, str) else json.dumps(value)


def _tells(titles, values):
    """Whether each title holds its own value as a word and no other group's."""
    words = [set(re.findall(r"[\w.]+", text)) for text in titles]
    return all((_shown(v) in w) == (v == own) for w, own in zip(words, values) for v in values)


def titles(groups):
    """A title for each group. Where groups of a workload differ in a key that the titles do not tell, it is named."""
    found = [title(group) for group in groups]
    for workload in {group.configuration["workload"] for group in groups}:
        places = [i for i, group in enumerate(groups) if group.configuration["workload"] == workload]
        plain = [found[i] for i in places]
        for key, values in differing([groups[i] for i in places]).items():
            if not _tells(plain, values):
                for i, value in zip(places, values):
                    found[i] += f", {key} = {'not used' if value is None else _shown(value)}"
    return found


def add_where(parser):
    """The options whose values read() takes."""
    add_group_by(parser)
    parser.add_argument(
        "--where",
        metavar="KEY=VALUE[,VALUE]",
        action="append",
        default=[],
        help="only results with one of these values of a configuration's key; may be given several times",
    )


def add_group_by(parser):
    """The option that says whether results of several hosts may stand together."""
    parser.add_argument(
        "--group-by",
        choices=GROUPINGS,
        default="machine",
        help="results of several hosts: each host apart, as a key `host`; or hosts of one model as one",
    )


def read(arguments):
    """The results that a figure or a table is of: the options are those of add_where() and add_group_by()."""
    return chosen(results.load_all(arguments.results, arguments.group_by), arguments.where)


def chosen(found, conditions):
    """The results that have one of the values of every condition, `KEY=VALUE` or `KEY=VALUE,VALUE`."""
    for condition in conditions:
        key, equals, text = condition.partition("=")
        wanted = text.split(",")
        values = [dict(flat(result["configuration"])) for result in found]
        if not equals or not any(key in of for of in values):
            keys = sorted({key for of in values for key in of})
            raise RequestError.of("--where", condition, "KEY=VALUE[,VALUE], KEY one of " + ", ".join(keys))
        there = sorted({_shown(of[key]) for of in values if key in of})
        for value in wanted:
            if value not in there:
                raise RequestError.of("--where", f"{key}={value}", "a value that is there: " + ", ".join(there))
        found = [result for result, of in zip(found, values) if key in of and _shown(of[key]) in wanted]
    return found


def by_speed(groups, threads, algorithms):
    """Fastest first: by the geometric mean of the shares of `bound` over groups and numbers of threads."""

    def speed(name):
        shares = [g.share_of_bound(name, t) for g in groups for t in threads if (name, t) in g.runs]
        medians = [share.median for share in shares if share is not None and share.median > 0]
        return statistics.geometric_mean(medians) if medians else 0

    return sorted(algorithms, key=speed, reverse=True)


def noisy_share(groups, threads, algorithms):
    """How many of the shares of `bound` are noisy, of all."""
    shares = [g.share_of_bound(name, t) for g in groups for t in threads for name in algorithms if (name, t) in g.runs]
    return statistics.mean(is_noisy(share) for share in shares if share is not None) if any(shares) else 0


def lag(group, algorithm, threads, percentile):
    """Spread of a percentile of the boundary's lag in bytes, over repetitions; None where there is none."""
    runs = group.runs.get((algorithm, threads), {}).values()
    lags = [repetition.get("boundary_lag_bytes", {}) for run in runs for repetition in run["repetitions"]]
    values = [of[percentile] for of in lags if percentile in of]
    return Spread.of(values) if values else None


@dataclass
class Interval:
    """Of an algorithm's throughput over the median of all algorithms in the same repetition, so that a machine that
    drifts hits all alike: the median, the least and the largest repetition."""

    median: float
    low: float
    high: float
    repetitions: int
    rate: float  # operations a second, the median of all windows


def relative(group, threads):
    """{algorithm: Interval}."""
    medians = {
        (name, seed): statistics.median(rates(run))
        for (name, count), runs in group.runs.items()
        if count == threads
        for seed, run in runs.items()
    }
    middle = {s: statistics.median(m for (_, seed), m in medians.items() if seed == s) for _, s in medians}
    found = {}
    for name in {name for name, _ in medians}:
        ratios = [m / middle[s] for (of, s), m in medians.items() if of == name and middle[s] > 0]
        if ratios:
            rate = group.throughput(name, threads).median
            found[name] = Interval(statistics.median(ratios), min(ratios), max(ratios), len(ratios), rate)
    return found


def coverage(repetitions):
    """How surely the least and the largest of so many values enclose the median of what they are drawn from."""
    return 1 - 2 ** (1 - repetitions)


def apart(intervals):
    """(slowest, fastest): the names whose intervals lie farthest apart; None where every two overlap."""
    if not intervals:
        return None
    lowest = min(intervals, key=lambda name: intervals[name].high)
    highest = max(intervals, key=lambda name: intervals[name].low)
    return (lowest, highest) if intervals[lowest].high < intervals[highest].low else None

