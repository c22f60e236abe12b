"""results/gate: how often the gate is wrong, counted from the trials."""

import gzip
import math
import statistics
from collections import Counter
from pathlib import Path

from lab import honesty
from lab.command import Failure, write_text
from lab.statistics import wilson

TRIALS = "trials.jsonl.gz"


class Trials:
    """What a file of trials holds."""

    def __init__(self, entries):
        self.header = entries[0]
        self.calibration = next((entry["calibration"] for entry in entries if "calibration" in entry), {})
        self.trials = [entry for entry in entries if "trial" in entry]
        self.failed = [entry["failed"] for entry in entries if "failed" in entry]

    @classmethod
    def read(cls, path):
        return cls(honesty.read(path))

    def of(self, level):
        return [trial for trial in self.trials if trial["planted"] == level]

    def titles(self):
        return [title for title, _ in self.header["matrix"]]


def found(trial):
    """What was planted was called slower; of a build against itself: anything was."""
    return trial["point"] in trial["slower"] if trial["planted"] else bool(trial["slower"])


def seemed(trial):
    """Likewise, in the first measurement alone."""
    return any(f["verdict"] == "slower" for f in trial["first"] if trial["point"] in (None, f["point"]))


def elsewhere(trial):
    """Points without a planted loop that were called slower."""
    return [title for title in trial["slower"] if title != trial["point"]]


def ratios(trials, key="ratio"):
    """What the first measurement made of the point with the planted loop, or of all points."""
    return [f[key] for trial in trials for f in trial["first"] if trial["point"] in (None, f["point"])]


def publish(path, out):
    """Writes the trials, packed, and what they show."""
    trials = Trials.read(path)
    if not trials.trials:
        raise Failure(f"{path}: holds no trial yet: nothing is written to {out}")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(Path(path).read_bytes(), mtime=0)  # the same trials are the same bytes
    (out / TRIALS).write_bytes(packed)
    write_text(readme(trials), out / "README.md")


def readme(trials):
    header, machine = trials.header, trials.header["machine"]
    seconds = [trial["seconds"] for trial in trials.trials]
    failed = f" {len(trials.failed)} trials broke off and were measured again." if trials.failed else ""
    return f"""# How often scripts/regress is wrong

Written by `{header["command"]}`: {len(trials.trials)} comparisons, {header["blocks"]} blocks a point, threshold \
{header["threshold"]:.0%}, {statistics.median(seconds):.0f} s each at the median, {sum(seconds) / 3600:.1f} h in all.{failed}
Commit {header["commit"][:12]}; {machine["cpu_model"]}, {machine["processing_units"]} processing units, {machine["kernel"]}.
`{TRIALS}` holds every trial, with what each point measured.

{_table(trials)}

- *Planted 0 %* compares a build with itself: copies of one executable, made anew for each comparison. Reported means
  that at least one of the {len(header["matrix"])} points was called slower.
- Otherwise one point burns that share of its throughput, another one in each trial; reported means that this point was
  called slower. *Elsewhere* counts points that were called slower though they burn nothing.
- *First* counts what seemed slower in the first measurement; *reported* was slower in the second as well, which is
  what makes `scripts/regress` fail.
- *Measured* is new over base at the planted point, first measurement: median and quartiles over the trials.

## By point

{_points(trials)}

The spread is half the distance of the quartiles of base against itself (the A/A arm), over all comparisons: how far a
point's result is off when nothing has changed.

## How a slowdown is planted

`lab/planted.py` compiles a loop into `border_collie`'s publish(), which runs once in 64 appends, and into the engine's
commit, and measures how long it has to be: time per operation against the plain build, medians of \
{honesty.CALIBRATION_ROUNDS} interleaved rounds.

{_calibration(trials)}

A slowdown of exactly the threshold is measured below it about as often as above, and has to be below twice: about a
quarter of such trials is to be expected. What became of {_of_small(trials)}.
"""


def _of_small(trials):
    small = [level for level in honesty.LEVELS if level < max(honesty.LEVELS) and trials.of(level)]
    return "; ".join(f"{level:.0%} here: {sum(map(found, trials.of(level)))} of {len(trials.of(level))}" for level in small)


def _rows(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "--:|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _table(trials):
    rows = []
    for level in (0.0, *honesty.LEVELS):
        of_level = trials.of(level)
        if not of_level:
            continue
        count = sum(map(found, of_level))
        low, high = wilson(count, len(of_level))
        first = sum(map(seemed, of_level))
        q1, median, q3 = _quartiles(ratios(of_level))
        others = sum(bool(elsewhere(trial)) for trial in of_level) if level else 0
        counts = [str(len(of_level)), str(first), str(count)]
        share = [f"{count / len(of_level):.1%}", f"{low:.1%} to {high:.1%}"]
        measured = f"{median:.3f} ({q1:.3f} to {q3:.3f})"
        rows.append([f"{level:.0%}", *counts, *share, measured, str(others) if level else "-"])
    return _rows(["planted", "trials", "first", "reported", "share", "95 % (Wilson)", "measured", "elsewhere"], rows)


def _points(trials):
    shifts = {title: [] for title in trials.titles()}
    for trial in trials.trials:
        for finding in trial["first"]:
            shifts[finding["point"]].append(finding["again"])
    rows = []
    for title in trials.titles():
        row = [title]
        q1, _, q3 = _quartiles(shifts[title])
        row.append(f"±{(q3 - q1) / 2:.1%}")
        false = Counter(slow for trial in trials.of(0.0) for slow in trial["slower"])
        row.append(str(false[title]))
        for level in honesty.LEVELS:
            here = [trial for trial in trials.of(level) if trial["point"] == title]
            row.append(f"{sum(map(found, here))} of {len(here)}")
        rows.append(row)
    return _rows(["point", "spread", "false alarms", *(f"{level:.0%} found" for level in honesty.LEVELS)], rows)


def _calibration(trials):
    rows = []
    for title, line in trials.calibration.items():
        loops = {level: count for level, count in line["loops"]}
        counts = ", ".join(str(loops[level]) for level in honesty.LEVELS)
        rows.append([title, f"{line['without']:.3f}", f"{line['with_long']:.3f} at {line['long']}", counts])
    levels = ", ".join(f"{level:.0%}" for level in honesty.LEVELS)
    return _rows(["point", "time without the loop", "with a long one", f"loops for {levels}"], rows)


def _quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values, *values, *values] or [math.nan] * 3
