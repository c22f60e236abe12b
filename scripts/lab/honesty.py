"""How often the gate is wrong: comparisons of a build with itself, and with builds in which a slowdown was planted.

Trials are kept in a file of JSON lines, one flushed to the disk before the next begins: a header that says what is
measured, the calibration, and the trials. What the file holds is not measured again.
"""

import contextlib
import gzip
import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import gate, planted
from lab.command import Failure, MachineError, RequestError

LEVELS = (0.03, 0.05, 0.10)
CALIBRATION_ROUNDS = 40
LOOPS_MAX = 1 << 24
FAILURES_MAX = 3  # in a row


@dataclass(frozen=True)
class Trial:
    level: float  # the share of throughput that the planted loop takes; 0 compares the build with itself
    number: int  # among those of its level


def trials(self_comparisons, planted_each):
    """In the order in which they are due: levels mixed evenly, so that an early stop leaves each its share."""
    counts = {0.0: self_comparisons, **dict.fromkeys(LEVELS, planted_each)}
    due = [((k + 0.5) / count, Trial(level, k)) for level, count in counts.items() for k in range(count)]
    return [trial for _, trial in sorted(due, key=lambda entry: (entry[0], entry[1].level))]


class Record:
    """The file."""

    def __init__(self, path, header):
        self.path = Path(path)
        entries = read(self.path) if self.path.exists() else []
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._cut_after_last_line()
        self.calibration = next((e["calibration"] for e in entries if "calibration" in e), None)
        self.done = {Trial(e["planted"], e["trial"]) for e in entries if "trial" in e}
        if not entries:
            self.add(header)
        elif {**entries[0], "command": None} != {**header, "command": None}:
            raise RequestError.of("--trials", str(self.path), "a file of this commit, machine, matrix and threshold, or none")

    def _cut_after_last_line(self):
        with open(self.path, "ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    @contextlib.contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            raise MachineError(f"--trials = {self.path}: {error.strerror}; want a file that can be written") from error

    def add(self, entry):
        with self._writing(), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read(path):
    """The entries of a file, packed or not, without a last line that a kill cut short."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise RequestError.of("--trials", str(path), f"a file that can be read ({error.strerror})") from error
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def commit_of(path):
    """Which commit a file of trials is of, if it is there."""
    entries = read(path) if Path(path).exists() else []
    return entries[0]["commit"] if entries else None


def rounded(value, digits=5):
    """For the file: so many digits, and no infinity, which JSON lacks."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def loops_name(point):
    """Which of the planted loops a point runs."""
    return "append" if json.loads(point.configuration)["workload"] == "append" else "commit"


class Bench:
    """Runs the trials of two executables, the build itself and the one with loops."""

    def __init__(self, plain, burning, points, threshold, progress=lambda text: None):
        self.plain, self.burning = plain, burning
        self.points = points
        self.threshold = threshold
        self.progress = progress

    def calibrate(self):
        """{title: {level: loops}}: how long the loop is for a point to lose so much throughput against the plain build.

        Time per operation is linear in the loops: no loop and a long one, interleaved with the plain build, give the
        line. With no loop it need not be 1: the code is a little longer and lies elsewhere."""
        with self._copies() as copies:
            return {point.title: self._calibrated(point, copies) for point in self.points}

    def _calibrated(self, point, copies):
        name = loops_name(point)

        def time_of(loops, rounds):
            environments = [planted.environment(name, count) for count in loops]
            return self._times(point, copies, environments, rounds)

        self.progress(f"calibrating: {point.title}")
        long = 32
        while time_of([long], CALIBRATION_ROUNDS // 4)[0] < 1.3:
            long *= 2
            if long > LOOPS_MAX:
                raise Failure(f"{point.title}: {LOOPS_MAX} loops do not slow it down; want a point that runs what is planted")
        without, with_long = time_of([0, long], CALIBRATION_ROUNDS)
        a_loop = (with_long - without) / long
        if a_loop <= 0:
            raise Failure(f"{point.title}: {long} loops cost nothing in {CALIBRATION_ROUNDS} rounds; want a quieter machine")
        loops = [[level, max(0, round((1 / (1 - level) - without) / a_loop))] for level in LEVELS]
        return {"without": rounded(without), "long": long, "with_long": rounded(with_long), "loops": loops}

    def _times(self, point, copies, environments, rounds):
        """Time per operation of the burning build in each environment, as a share of the plain one's: medians over
        rounds of plain, burning..., burning..., plain."""
        found = [[] for _ in environments]
        for seed in range(1, rounds + 1):
            before = gate.run(copies["base"], point, seed)
            rates = [gate.run(copies["burning"], point, seed, environment) for environment in environments]
            after = gate.run(copies["base"], point, seed)
            for i, rate in enumerate(rates):
                found[i].append(math.sqrt(before * after) / rate)
        return [statistics.median(values) for values in found]

    def trial(self, trial, calibration):
        """One comparison, of copies made for it alone: where a file lies in memory is part of a build's luck."""
        point = self.points[trial.number % len(self.points)] if trial.level else None
        began = time.time()
        environment = {}
        if point is not None:
            loops = dict(map(tuple, calibration[point.title]["loops"]))[trial.level]
            environment = planted.environment(loops_name(point), loops)
        with self._copies() as copies:
            new = copies["new"] if point is None else copies["burning"]

            def rate(arm, at, seed):
                if arm != "new":
                    return gate.run(copies[arm], at, seed)
                return gate.run(new, at, seed, environment if at == point else None)

            outcome = gate.compare(self.points, rate, self.threshold, f"{trial.level} {trial.number}")
        return {**entry_of(trial, point, outcome), "began": round(began), "seconds": round(time.time() - began, 2)}

    def run(self, record, due, budget_s):
        """Measures what is due and not done; returns how many are left."""
        end = time.monotonic() + budget_s
        longest = failed = 0
        left = [trial for trial in due if trial not in record.done]
        if left and record.calibration is None:
            record.calibration = self.calibrate()
            record.add({"calibration": record.calibration})
        while left and time.monotonic() + longest < end:
            began = time.monotonic()
            try:
                record.add(self.trial(left[0], record.calibration))
            except RequestError:
                raise
            except Failure as failure:  # a moment's; kept, since a trial left out must not go unseen
                record.add({"failed": str(failure)})
                failed += 1
                if failed == FAILURES_MAX:
                    raise
                continue
            failed = 0
            longest = max(longest, time.monotonic() - began)
            record.done.add(left.pop(0))
            self.progress(f"{len(due) - len(left)} of {len(due)} trials, {len(left) * longest / 60:.0f} min left at most")
        return len(left)

    @contextlib.contextmanager
    def _copies(self):
        """Executables of their own in a folder that goes away."""
        of = {"base": self.plain, "again": self.plain, "new": self.plain, "burning": self.burning}
        with tempfile.TemporaryDirectory(prefix="muster-gate-") as folder:
            yield {name: gate.copied(gate.Executable(name, path), Path(folder) / name) for name, path in of.items()}


def entry_of(trial, point, outcome):
    """A trial for the file."""
    return {
        "trial": trial.number,
        "planted": trial.level,
        "point": point.title if point else None,
        "slower": [finding.point.title for finding in outcome.slower()],
        "first": [_plain(finding) for finding in outcome.findings],
        "second": [_plain(finding) for finding in outcome.second],
    }


def _plain(finding):
    found = asdict(finding)
    found["point"] = finding.point.title
    for key, value in found.items():
        if isinstance(value, float):
            found[key] = rounded(value)
        elif isinstance(value, tuple):
            found[key] = [rounded(part) for part in value]
    return found
