#!/usr/bin/python3
"""Measures what one advance() costs, in nanoseconds, of every log buffer.

registered        against the workers that are attached, of which two have published a record each since the last one
registered_cold   the same, where the caches hold something else
outstanding       against the records that four workers have published since the last one, also per record: all behind
                  one that is published last. Algorithms that publish in turn, or under a lock, have none and are left out

One thread does everything, so that no cache line has to come from another processing unit. A figure is the median
over interleaved repetitions less that of `null`, which is what the clock costs. Needs scripts/setup.
"""

import re
import statistics

from lab import benchmarks, command
from lab.benchmarks import CLOCK_NS
from lab.statistics import Spread
from lab.wording import two_digits

NAME = re.compile(r"advance/(?P<algorithm>\w+)/(?P<against>registered|registered_cold|outstanding):(?P<count>\d+)/.*")


def costs(document):
    """A list for the document: one entry an algorithm, what it is against, and how many of that."""
    times = {}
    for entry in document["benchmarks"]:
        if entry.get("error_occurred"):
            continue
        match = NAME.fullmatch(entry["run_name"])
        point = (match["algorithm"], match["against"], int(match["count"]))
        times.setdefault(point, []).append(entry["real_time"])
    found = []
    for (algorithm, against, count), values in times.items():
        if ("null", against, count) not in times:
            raise command.RequestError("--filter: want one that matches null at each point, whose time is the clock's")
        clock = statistics.median(times["null", against, count])
        spread = Spread.of([max(0, value - clock) for value in values])  # less than the clock's own is not less than none
        cost = {
            "algorithm": algorithm,
            "against": against,
            "count": count,
            "ns": round(spread.median, 2),
            "q1": round(spread.q1, 2),
            "q3": round(spread.q3, 2),
            "repetitions": spread.count,
            "clock_ns": round(clock, 2),
        }
        if against == "outstanding":
            cost["ns_per_record"] = round(spread.median / count, 4)
        found.append(cost)
    return found


def time_text(cost):
    if cost["ns"] < CLOCK_NS:
        return f"< {CLOCK_NS}"
    return f"{cost['ns']:.0f} {cost['q1']:.0f}-{cost['q3']:.0f}"


def table(found):
    names = list(dict.fromkeys(cost["algorithm"] for cost in found))
    width = max(map(len, names)) + 2
    lines = [f"ns of one advance, less the clock's: median, quartiles; < {CLOCK_NS}: below the clock's resolution"]
    kinds = {"registered": "workers registered", "registered_cold": "registered, cold", "outstanding": "records outstanding"}
    for against, what in kinds.items():
        of = {(cost["algorithm"], cost["count"]): cost for cost in found if cost["against"] == against}
        counts = sorted({count for _, count in of})
        text = {point: time_text(c) for point, c in of.items()}
        column = max(map(len, text.values()), default=7) + 2
        lines += ["", what.ljust(width) + "".join(f"{count:>{column}}" for count in counts)]
        for name in names:
            lines.append((name.ljust(width) + "".join(f"{text.get((name, c), ''):>{column}}" for c in counts)).rstrip())
    per_record = {(c["algorithm"], c["count"]): c["ns_per_record"] for c in found if "ns_per_record" in c}
    counts = sorted({count for _, count in per_record})
    lines += ["", "ns per record outstanding", "".ljust(width) + "".join(f"{count:>9}" for count in counts)]
    for name in names:
        cells = (two_digits(per_record[name, c]) if (name, c) in per_record else "" for c in counts)
        lines.append((name.ljust(width) + "".join(f"{cell:>9}" for cell in cells)).rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    benchmarks.main_of_fixed("advance_benchmarks", __doc__, "advance/", "costs", costs, table)
