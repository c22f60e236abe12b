"""Statistics of measurements. Functions of numbers alone: they know nothing of results.

The unit is always one value a repetition (or a block of paired runs): windows of one run are not independent.
"""

import functools
import itertools
import math
import statistics
from dataclasses import dataclass

import numpy


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


EXACT_SUMS_MAX = 200_000  # up to about 35 values against 35: above, the normal distribution takes over


def mann_whitney(base, new):
    """Two-sided p of Mann and Whitney's U for each row of two matrices: do values of one side tend to be larger?

    Exact, ties included, where samples are not large: the share of all divisions of the pooled ranks into two samples
    of these sizes whose rank sum lies as far from the middle as the one that was seen. 1 where all values are equal."""
    base, new = numpy.asarray(base, dtype=float), numpy.asarray(new, dtype=float)
    if base.shape[1] > new.shape[1]:
        base, new = new, base
    pooled = numpy.hstack([base, new])
    count, size = base.shape[1], pooled.shape[1]
    p_values = numpy.empty(len(pooled))
    for rows in _chunks(len(pooled), size * size):
        mine, others = pooled[rows, :, None], pooled[rows, None, :]
        # Doubled ranks are whole numbers, also where values are tied.
        doubled = 2 * (others < mine).sum(axis=2) + (others == mine).sum(axis=2) + 1
        distance = numpy.abs(doubled[:, :count].sum(axis=1) - count * (size + 1))
        if count * size * (size + 1) <= EXACT_SUMS_MAX:
            ranks = numpy.sort(doubled, axis=1).tolist()
            p_values[rows] = [_tail_of_rank_sum(tuple(of_row), count)[far] for of_row, far in zip(ranks, distance)]
        else:
            p_values[rows] = _normal_tail_of_rank_sum(doubled, count, distance)
    return p_values


@functools.lru_cache(maxsize=1000)
def _tail_of_rank_sum(doubled, count):
    """[d]: the probability that `count` of these ranks, drawn at random, have a sum d or further from the middle."""
    total = sum(doubled)
    ways = numpy.zeros((count + 1, total + 1))  # [n, s]: to draw n ranks whose sum is s
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank]
    middle = count * (len(doubled) + 1)
    of_distance = numpy.bincount(numpy.abs(numpy.arange(total + 1) - middle), ways[count] / ways[count].sum())
    return numpy.minimum(1.0, numpy.cumsum(of_distance[::-1])[::-1])


def _normal_tail_of_rank_sum(doubled, count, distance):
    size = doubled.shape[1]
    deviation = numpy.sqrt(count * (size - count) / (size - 1) * doubled.var(axis=1))
    least = least_mann_whitney(count, size - count)
    normal = statistics.NormalDist()
    tails = [2 * normal.cdf(-(far - 1) / spread) if spread else 1.0 for far, spread in zip(distance, deviation)]
    return numpy.clip(tails, least, 1.0)


def _chunks(rows, columns, elements=1 << 22):
    """Slices of `rows`, so that a matrix of a slice has no more than so many elements."""
    step = max(1, elements // columns)
    return (slice(begin, begin + step) for begin in range(0, rows, step))


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
    """(low, high) for each row of two matrices: a percentile interval of median(new) / median(base).

    Resamples each side's values, one a repetition. The same seed gives the same interval. NaN where a side has one
    value: it says nothing of its spread. 0 over 0 counts as 1: nothing has changed."""
    base, new = numpy.sort(base, axis=1), numpy.sort(new, axis=1)
    interval = numpy.full((len(base), 2), math.nan)
    if base.shape[1] < 2 or new.shape[1] < 2:
        return interval
    random = numpy.random.default_rng(seed)
    below, above = (_resampled_medians(random, side.shape[1], samples) for side in (base, new))
    tail = int((1 - confidence) / 2 * samples)
    ends = (tail, samples - 1 - tail)
    for rows in _chunks(len(base), samples):
        ratios = ratio(_medians(base[rows], below), _medians(new[rows], above))
        interval[rows] = numpy.partition(ratios, ends, axis=1)[:, ends]
    return interval


def ratio(base, new):
    """new / base, element by element; 0 over 0 is 1."""
    base, new = numpy.asarray(base, dtype=float), numpy.asarray(new, dtype=float)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.where((base == 0) & (new == 0), 1.0, new / base)


def _resampled_medians(random, count, samples):
    """Which two of `count` sorted values lie in the middle of each resample; the same one twice where it is one."""
    drawn = numpy.sort(random.integers(0, count, (samples, count)), axis=1)
    return drawn[:, (count - 1) // 2], drawn[:, count // 2]


def _medians(rows, middles):
    return (numpy.take(rows, middles[0], axis=1) + numpy.take(rows, middles[1], axis=1)) / 2


EXACT_BLOCKS_MAX = 14  # 2^14 sign patterns are enumerated; above, as many are drawn


@functools.cache
def _subsets(count):
    """All of so many, the empty one first: a row each, 1 for what is in it."""
    return numpy.array(list(itertools.product((0, 1), repeat=count)))


def sign_flip(differences, seed=1):
    """Two-sided p of the sign-flip permutation test that paired differences (log ratios of a block) lie around 0:
    the share of all patterns of signs whose mean is at least as far from 0. Exact up to EXACT_BLOCKS_MAX blocks."""
    values = numpy.asarray(differences, dtype=float)
    if len(values) == 0 or not numpy.any(values):
        return 1.0
    if len(values) <= EXACT_BLOCKS_MAX:
        signs = 1 - 2 * _subsets(len(values))
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
        chosen = _subsets(len(values))[1:]
    else:
        chosen = numpy.random.default_rng(seed).integers(0, 2, ((1 << EXACT_BLOCKS_MAX) - 1, len(values)))
        chosen = chosen[chosen.any(axis=1)]
    means = numpy.sort(chosen @ values / chosen.sum(axis=1))
    outside = int((1 - confidence) / 2 * (len(means) + 1))  # parts that are left out on each side
    if outside == 0:
        return (-math.inf, math.inf)
    return (float(means[outside - 1]), float(means[-outside]))


def median_interval(values, confidence=0.95):
    """(low, high): an interval of the median that supposes nothing of the distribution, two order statistics as close
    to the middle as the confidence allows. None where even the extremes are not enough: below 6 values for 0.95."""
    ordered, count = sorted(values), len(values)
    outside, tail = 0, 0.5**count  # the probability that the median lies below the smallest value
    if 2 * tail > 1 - confidence:
        return None
    while True:
        tail += math.comb(count, outside + 1) * 0.5**count
        if 2 * tail > 1 - confidence:
            return ordered[outside], ordered[-1 - outside]
        outside += 1


def wilson(found, trials, confidence=0.95):
    """(low, high): Wilson's interval of a share."""
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    share = found / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (max(0.0, centre - half), min(1.0, centre + half))
