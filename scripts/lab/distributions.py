"""Whole distributions of results: merged, percentiles of them, and HdrHistogram's text.

A distribution is what results/schema.json calls one: a unit, the largest value, and buckets (largest value, count).
"""

import math
from dataclasses import dataclass

TICKS_PER_HALF = 5  # as HdrHistogram's own outputPercentileDistribution does by default


@dataclass
class Distribution:
    unit: str
    max: int
    buckets: list  # (largest value, count), smaller values first

    @property
    def count(self):
        return sum(count for _, count in self.buckets)

    def percentile(self, percent):
        """The largest value of the bucket that at least so many per cent of all lie in or below; 0 when empty."""
        wanted, seen = percent / 100 * self.count, 0
        for upper, count in self.buckets:
            seen += count
            if seen >= wanted:
                return min(upper, self.max)
        return self.max

    def mean(self):
        return sum(upper * count for upper, count in self.buckets) / self.count

    def deviation(self):
        mean = self.mean()
        return math.sqrt(sum(count * (upper - mean) ** 2 for upper, count in self.buckets) / self.count)


def merged(distributions):
    """One of all of them, which have one unit."""
    counts = {}
    for distribution in distributions:
        for upper, count in distribution.buckets:
            counts[upper] = counts.get(upper, 0) + count
    return Distribution(distributions[0].unit, max(d.max for d in distributions), sorted(counts.items()))


def of_results(found, name):
    """The distributions of that name of every repetition, none where there are none: one without its unit is none."""
    all_of = (r.get("distributions", {}).get(name) or {} for result in found for r in result["repetitions"])
    whole = (d for d in all_of if d.get("buckets") and {"unit", "max"} <= d.keys())
    return [Distribution(d["unit"], d["max"], [tuple(b) for b in d["buckets"]]) for d in whole]


def levels(count):
    """Percentiles that come closer and closer to 100, as far as so many values tell them apart."""
    found, percent = [], 0.0
    while 100 - percent > 50 / count:
        found.append(percent)
        halves = math.floor(math.log2(100 / (100 - percent))) + 1
        percent += 100 / 2**halves / TICKS_PER_HALF
    return [*found, 100.0]


def hgrm(distribution, scale=1000.0):
    """The text of an .hgrm file, values divided by `scale` (ns to us): what HdrHistogram's tools read and draw."""
    lines = ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
    total, at, seen = distribution.count, 0, 0
    for percent in levels(total):
        wanted = percent / 100 * total
        while at < len(distribution.buckets) and (seen < wanted or seen == 0):
            seen += distribution.buckets[at][1]
            at += 1
        value = min(distribution.buckets[at - 1][0], distribution.max) / scale
        inverse = f" {1 / (1 - percent / 100):14.2f}" if percent < 100 else ""
        lines.append(f"{value:12.3f} {percent / 100:2.12f} {seen:10d}{inverse}")
    lines.append(f"#[Mean    = {distribution.mean() / scale:12.3f}, StdDeviation   = {distribution.deviation() / scale:12.3f}]")
    lines.append(f"#[Max     = {distribution.max / scale:12.3f}, Total count    = {total:12d}]")
    lines.append(f"#[Buckets = {len(distribution.buckets):12d}, SubBuckets     = {32:12d}]")
    return "\n".join(lines) + "\n"
