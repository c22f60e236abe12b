#!/usr/bin/python3
"""Measures how far behind the boundary is that one advance() finds, of every log buffer: the lag, in bytes.

What has been reserved less the boundary, when the advance returns: of one worker that appends records of 120 bytes
without a pause, alone and beside others that are attached and idle. `found` is what an advance brought on average: a
lag of that is a boundary that is one advance late; one of the ring, 16 MiB, is held back by idle workers for ever.
Variants that are safe (NAME:VARIANT, tests/model) stand behind what they are of. Of thousands of advances the median
and the 99th percentile, and of these the median and quartiles over interleaved repetitions. Needs scripts/setup.
"""

import re

from lab import benchmarks

from lab.statistics import Spread

NAME = re.compile(r"lag/(?P<algorithm>\w+)(?P<variant>:\w+)?/idle:(?P<idle>\d+)/.*")


def lags(document):
    """A list for the document: one entry an algorithm or variant, and number of idle workers."""
    found = {}
    for entry in document["benchmarks"]:
        match = NAME.fullmatch(entry["run_name"])
        point = (match["algorithm"] + (match["variant"] or ""), int(match["idle"]))
        found.setdefault(point, []).append(entry)
    order = list(dict.fromkeys(name for name, _ in found if ":" not in name))

    def spread(entries, key):
        of_all = Spread.of([entry[key] for entry in entries])
        return {"median": round(of_all.median, 1), "q1": round(of_all.q1, 1), "q3": round(of_all.q3, 1)}

    return [
        {
            "algorithm": point[0],
            "idle": point[1],
            "p50": spread(found[point], "lag_p50"),
            "p99": spread(found[point], "lag_p99"),
            "found": spread(found[point], "found"),
            "repetitions": len(found[point]),
        }
        for point in sorted(found, key=lambda point: (order.index(point[0].split(":")[0]), point))
    ]


def table(found):
    names = list(dict.fromkeys(lag["algorithm"] for lag in found))
    counts = sorted({lag["idle"] for lag in found})
    columns = [(count, key) for count in counts for key in ("p50", "p99", "found")]
    text = {}
    for lag in found:
        for key in ("p50", "p99", "found"):
            spread = lag[key]
            text[lag["algorithm"], lag["idle"], key] = f"{spread['median']:,.0f}"
    width = max(map(len, names)) + 2
    lines = ["bytes of lag of one advance in two, and in a hundred; found by one; medians"]
    heads = [f"{count} idle: {key}" if key == "p50" else key for count, key in columns]
    lines.append("".ljust(width) + "".join(f"{head:>14}" for head in heads))
    for name in names:
        lines.append(name.ljust(width) + "".join(f"{text.get((name, *column), ''):>14}" for column in columns))
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    benchmarks.main_of_fixed("lag_benchmarks", __doc__, "lag/", "lags", lags, table)
