"""Compares two executables: interleaved runs, a paired test, a second measurement of what seems slower.

A block runs three arms at one point in the order X Y Z Z Y X: `base`, `new`, and `again`, which is base once more. So
base and new stand as ABBA or BAAB, drift that is linear cancels out, and the A/A comparison of base with again is
made of the same number of runs, from the same seconds, as the comparison that counts. Which arm is X is drawn anew
for each block; so is the order of the points in a round of blocks.

A block is worth one number, the log of the ratio of its two arms' geometric means, and the test is a permutation of
these numbers' signs. It assumes nothing but that a block in which the builds are equal falls to either side alike.
"""

import json
import math
import os
import random
import shutil
import statistics
import subprocess
from dataclasses import dataclass

from lab.command import Failure, MachineError, RequestError, end_with_parent
from lab.runs import flat
from lab.statistics import benjamini_hochberg, sign_flip, sign_flip_interval

ARMS = ("base", "again", "new")
RUNS_PER_BLOCK = 2 * len(ARMS)
ALPHA = 0.05
TRIES = 3
SPARE_BLOCKS = 2  # a block or two that a disturbance turned round must not hide a slow point


@dataclass(frozen=True)
class Point:
    """What is run: a title for people and the configuration for `muster run`."""

    title: str
    configuration: str  # JSON

    def settings(self):
        """{dotted key: value}"""
        return dict(flat(json.loads(self.configuration)))

    def shown(self):
        """The settings without the place of a database, which is no configuration."""
        return {key: value for key, value in self.settings().items() if key != "engine.directory"}


@dataclass
class Finding:
    """One point: what its blocks say. Ratios are new over base; below 1 is slower."""

    point: Point
    base: float  # operations per second, geometric mean
    new: float
    ratio: float
    interval: tuple  # of the ratio, 95 %
    p: float  # adjusted for the number of points
    again: float  # the A/A ratio: base's second arm over base
    again_interval: tuple
    again_p: float  # adjusted likewise
    verdict: str  # "slower", "faster", "not slower" or "cannot tell"


def blocks_for(points):
    """How many blocks let one slow point alone pass the correction over all points, and a few to spare.

    The smallest two-sided p of n blocks is 2 / 2^n, and Benjamini and Hochberg ask the smallest of m p-values to be
    at most ALPHA / m."""
    return math.ceil(math.log2(2 * points / ALPHA)) + SPARE_BLOCKS


def measure(points, rate, blocks, seed, progress=lambda: None):
    """{point: {arm: log of the geometric mean of its two runs in each block}}. rate(arm, point, seed) runs one."""
    drawn = random.Random(seed)
    logs = {point: {arm: [] for arm in ARMS} for point in points}
    for block in range(blocks):
        for point in drawn.sample(points, len(points)):
            half = drawn.sample(ARMS, len(ARMS))
            sums = dict.fromkeys(ARMS, 0.0)
            for arm in half + half[::-1]:
                sums[arm] += math.log(rate(arm, point, block + 1))
                progress()
            for arm in ARMS:
                logs[point][arm].append(sums[arm] / 2)
    return logs


def judge(logs, threshold):
    """A Finding a point. Slower (faster) is what differs by more than the threshold, significantly."""
    points = list(logs)
    differences = {
        arm: [[b - a for a, b in zip(logs[point]["base"], logs[point][arm])] for point in points] for arm in ARMS[1:]
    }
    adjusted = {arm: benjamini_hochberg([sign_flip(d) for d in of_arm]) for arm, of_arm in differences.items()}
    findings = []
    for i, point in enumerate(points):
        ratio, interval = _ratio(differences["new"][i])
        again, again_interval = _ratio(differences["again"][i])
        findings.append(
            Finding(
                point=point,
                base=math.exp(statistics.fmean(logs[point]["base"])),
                new=math.exp(statistics.fmean(logs[point]["new"])),
                ratio=ratio,
                interval=interval,
                p=adjusted["new"][i],
                again=again,
                again_interval=again_interval,
                again_p=adjusted["again"][i],
                verdict=_verdict(ratio, interval, adjusted["new"][i], threshold),
            )
        )
    return findings


def _ratio(differences):
    low, high = sign_flip_interval(differences)
    return math.exp(statistics.fmean(differences)), (math.exp(low), math.exp(high))


def _verdict(ratio, interval, p, threshold):
    if p <= ALPHA and ratio < 1 - threshold:
        return "slower"
    if p <= ALPHA and ratio > 1 + threshold:
        return "faster"
    return "not slower" if interval[0] >= 1 - threshold else "cannot tell"


@dataclass
class Outcome:
    findings: list  # of all points, in the matrix's order
    second: list  # of those that seemed slower, measured again

    def slower(self):
        """Those that were slower twice, as the second measurement found them."""
        return [finding for finding in self.second if finding.verdict == "slower"]


def compare(points, rate, threshold, seed, blocks=None, progress=lambda: None, more=lambda runs: None):
    """The whole comparison. more(runs) is called when points are measured again."""
    blocks = blocks or blocks_for(len(points))
    findings = judge(measure(points, rate, blocks, seed, progress), threshold)
    suspects = [finding.point for finding in findings if finding.verdict == "slower"]
    second = []
    if suspects:
        more(runs_of(suspects, blocks))
        second = judge(measure(suspects, rate, blocks, f"{seed} again", progress), threshold)
    return Outcome(findings, second)


def runs_of(points, blocks):
    return len(points) * blocks * RUNS_PER_BLOCK


@dataclass
class Executable:
    """A build of muster: what to call it in a message, and where it is."""

    name: str
    path: str


def copied(executable, to):
    """The same in a file of its own."""
    try:
        return Executable(executable.name, shutil.copy2(executable.path, to))
    except OSError as error:
        raise MachineError(f"{to}: {error.strerror}; want room for a copy of {executable.path}") from error


def run(executable, point, seed, environment=None):
    """Operations per second of one run of its own process: the median of its windows, which a moment's disturbance
    of one window does not move. A run that the machine did not let do anything, of either arm, is run again."""
    for _ in range(TRIES):
        windows = [w for part in result(executable, point, seed, environment)["repetitions"] for w in part["windows"]]
        operations = sum(window["operations"] for window in windows)
        if operations > 0:
            median = statistics.median(window["operations"] / window["seconds"] for window in windows)
            return median or operations / sum(window["seconds"] for window in windows)
    raise Failure(f"{executable.name}, {point.title}: no operation in {TRIES} runs; want longer windows (window_s)")


def result(executable, point, seed, environment=None):
    """What `muster run` writes."""
    command = [str(executable.path), "run"]
    for key, value in {**point.settings(), "seed": seed}.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    surroundings = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, capture_output=True, check=False, preexec_fn=end_with_parent, env=surroundings)
    except OSError as error:
        raise MachineError(f"{executable.path}: {error.strerror}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="backslashreplace").strip().splitlines()
        said = lines[-1].removeprefix("muster: ") if lines else f"exit code {done.returncode}"
        kind = {2: RequestError, 3: MachineError}.get(done.returncode, Failure)
        raise kind(f"{executable.name}, {point.title}: {said}")
    return json.loads(done.stdout)
