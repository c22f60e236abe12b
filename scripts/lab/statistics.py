"""Statistics of measurements. Functions of numbers alone: they know nothing of results.

The unit is always one value a repetition (or a block of paired runs): windows of one run are not independent.
"""

import itertools
import math
import statistics
from dataclasses import dataclass

import numpy
from scipy import stats


@dataclass
class Spread:
    """Median and quartiles, interpolated as the harness does it."""

    median: float
    q1: float
    q3: float
    count: int

    @classmethod
    def of(cls, values):
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q1, q3, len(values))

    def relative(self):
        """Half the distance of the quartiles as a share of the median."""
        return (self.q3 - self.q1) / 2 / self.median if self.median else 0.0


def mann_whitney(base, new):
    """Two-sided p of Mann and Whitney's U: do values of one side tend to be larger? Exact for small samples without
    ties. 1 where all values are equal."""
    if len(set(base) | set(new)) == 1:
        return 1.0
    return float(stats.mannwhitneyu(base, new, alternative="two-sided").pvalue)


def least_mann_whitney(base_count, new_count):
    """The smallest p that samples of these sizes can reach: both sides apart."""
    return min(1.0, 2 / math.comb(base_count + new_count, base_count))


def benjamini_hochberg(p_values):
    """Adjusted p-values in the given order: those at most q are discoveries at a false discovery rate of q."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [1.0] * len(p_values)
    least = 1.0
    for rank in range(len(order), 0, -1):
        i = order[rank - 1]
        least = min(least, p_values[i] * len(order) / rank)
        adjusted[i] = least
    return adjusted


def bootstrap_ratio(base, new, confidence=0.95, samples=2000, seed=1):
    """(low, high): a percentile interval of median(new) / median(base). Resamples each side's values, one a
    repetition. The same seed gives the same interval."""
    if len(base) < 2 or len(new) < 2:
        return (math.nan, math.nan)
    random = numpy.random.default_rng(seed)
    base, new = numpy.asarray(base, dtype=float), numpy.asarray(new, dtype=float)
    below = numpy.median(random.choice(base, (samples, len(base))), axis=1)
    above = numpy.median(random.choice(new, (samples, len(new))), axis=1)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        ratios = above / below
    ratios = ratios[numpy.isfinite(ratios)]
    if not len(ratios):
        return (math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = numpy.quantile(ratios, [tail, 1 - tail])
    return (float(low), float(high))


EXACT_BLOCKS_MAX = 14  # 2^14 sign patterns are enumerated; above, as many are drawn


def sign_flip(differences, seed=1):
    """Two-sided p of the sign-flip permutation test that paired differences (log ratios of a block) lie around 0:
    the share of all patterns of signs whose mean is at least as far from 0. Exact up to EXACT_BLOCKS_MAX blocks."""
    values = numpy.asarray(differences, dtype=float)
    if len(values) == 0 or not numpy.any(values):
        return 1.0
    if len(values) <= EXACT_BLOCKS_MAX:
        signs = numpy.array(list(itertools.product((1, -1), repeat=len(values))))
    else:
        drawn = numpy.random.default_rng(seed).choice((1, -1), (1 << EXACT_BLOCKS_MAX, len(values)))
        signs = numpy.vstack([numpy.ones(len(values)), drawn])  # the pattern that was seen is always one of them
    means = numpy.abs(signs @ values)
    return float(numpy.mean(means >= abs(values.sum()) * (1 - 1e-12)))


def sign_flip_interval(differences, confidence=0.95, seed=1):
    """(low, high): the interval that belongs to sign_flip. The means of all subsets of n values that are symmetric
    around their centre cut the line into 2^n parts that hold the centre with equal probability (Hartigan, JASA 64,
    1969). Exact up to EXACT_BLOCKS_MAX blocks; above, as many subsets are drawn. Infinite where the values are too
    few for the confidence."""
    values = numpy.asarray(differences, dtype=float)
    if len(values) <= EXACT_BLOCKS_MAX:
        chosen = numpy.array(list(itertools.product((0, 1), repeat=len(values))))[1:]
    else:
        chosen = numpy.random.default_rng(seed).integers(0, 2, ((1 << EXACT_BLOCKS_MAX) - 1, len(values)))
        chosen = chosen[chosen.any(axis=1)]
    means = numpy.sort(chosen @ values / chosen.sum(axis=1))
    outside = int((1 - confidence) / 2 * (len(means) + 1))  # parts that are left out on each side
    if outside == 0:
        return (-math.inf, math.inf)
    return (float(means[outside - 1]), float(means[-outside]))


def wilson(found, trials, confidence=0.95):
    """(low, high): Wilson's interval of a share."""
    z = stats.norm.ppf((1 + confidence) / 2)
    share = found / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (max(0.0, centre - half), min(1.0, centre + half))
