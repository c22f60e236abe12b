"""A sweep as jobs of Slurm: an array, a shard a task on a node of its own, and a job that collects when all have ended.

    DIR/.slurm/matrix.json    what the tasks run, as it stood when they were submitted
    DIR/.slurm/jobs.json      the jobs' numbers
    DIR/.slurm/*.out          what they said: TASK of the array's, collect

Slurm runs a task anew whose node was lost; a task runs what its shard still lacks. So does the next submission.
"""

import json
import re
import shlex
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lab.command import MachineError, RequestError, write_text
from lab.place import ROOT

# Options of sbatch that are set here, or that would keep it from submitting.
OURS = ("--array", "--chdir", "--dependency", "--nodes", "--ntasks", "--output", "--parsable", "--test-only", "--wait", "--wrap")
SWEEP = ROOT / "scripts/sweep.py"
PYTHON = "/usr/bin/python3"
UNREACHABLE = ("unable to contact", "connection refused", "timed out", "authentication", "munge", "configuration source")


@dataclass
class Jobs:
    """What was submitted for a folder."""

    tasks: str  # the array's number
    collect: str

    @classmethod
    def read(cls, folder):
        """None where nothing was."""
        try:
            found = json.loads(_place(folder, "jobs.json").read_text(encoding="utf-8"))
            return cls(found["tasks"], found["collect"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder):
        write_text(json.dumps(vars(self)), _place(folder, "jobs.json"))

    def states(self):
        """How many tasks there are of each state; what has ended, Slurm soon forgets."""
        said = _ask("squeue", "--noheader", "--array", "--format=%F %T").split("\n")
        found = [line.split() for line in said if line.strip()]
        return Counter(state.lower() for job, state in found if job in (self.tasks, self.collect))

    def state(self):
        """In words."""
        try:
            states = self.states()
        except (MachineError, RequestError) as error:
            return f"{self}; what they do is not known: {error}"
        return f"{self}: " + (", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none left in Slurm")

    def want_ended(self):
        states = self.states()
        if states:
            said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            raise RequestError(f"--slurm: {self} are still there ({said}); want them to end, or scripts/sweep.py cancel first")

    def cancel(self):
        before = sum(self.states().values())
        # The array's end would let the collecting job begin.
        for job in (self.collect, self.tasks):
            _ask("scancel", "--quiet", job)
        return f"{self}: {before} cancelled" if before else f"{self}: none left in Slurm"

    def __str__(self):
        return f"jobs {self.tasks} and, collecting, {self.collect}"


def submit(args, matrix_text, muster, numbers, count):
    """The Jobs that run shards `numbers` of `count`, `args` being those of scripts/sweep.py."""
    out = args.out.resolve()
    write_text(matrix_text, _place(out, "matrix.json"))
    shard = [PYTHON, "-B", SWEEP, _place(out, "matrix.json"), "--out", out, "--muster", muster.path, "--units", muster.units]
    shard += [word for condition in args.only for word in ("--only", condition)]
    shard += ["--directory", args.directory] if args.directory else []
    shard += [option for option, given in (("--host-name", args.host_name), ("--yes", args.yes)) if given]
    array = _ranges(numbers) + (f"%{args.nodes}" if args.nodes else "")
    tasks = _sbatch(
        [f"--array={array}", "--exclusive", f"--output={_pattern(out, '%a.out')}", *args.sbatch],
        f"exec {_words(shard)} --shard \"$SLURM_ARRAY_TASK_ID/{count}\"",
    )
    sweep = _words([PYTHON, "-B", SWEEP])
    try:
        collect = _sbatch(
            [f"--dependency=afterany:{tasks}", f"--output={_pattern(out, 'collect.out')}", *args.sbatch],
            f"{sweep} status {shlex.quote(str(out))} && {sweep} pack {shlex.quote(str(out))}",
        )
    except (MachineError, RequestError):
        _ask("scancel", "--quiet", tasks)
        raise
    jobs = Jobs(tasks, collect)
    jobs.write(out)
    return jobs


def check_options(options):
    """Of sbatch, that a user passes on: none that is set here."""
    for option in options:
        name = option.partition("=")[0]
        if not name.startswith("--") or " " in name:
            raise RequestError.of("--sbatch", option, "one long option of sbatch, such as --sbatch=--partition=long")
        if name in OURS:
            raise RequestError.of("--sbatch", option, f"another option: {name} is set here")


def _sbatch(options, line):
    script = f"#!/bin/bash\n{line}\n"
    said = _ask("sbatch", "--parsable", "--nodes=1", "--ntasks=1", "--job-name=muster", "--chdir=/", *options, text=script)
    return said.strip().partition(";")[0]  # behind it: the cluster's name


def _ask(*words, text=""):
    """What a command of Slurm prints."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        want = "Slurm's commands in PATH, or --shard i/n on each server"
        raise MachineError(f"{words[0]}: {error.strerror}; want {want}") from error
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    said = f"{words[0]} refuses: {re.sub(r'^(?:[a-z_]+: |error: |fatal: )+', '', lines[0].strip())}"
    if any(word in done.stderr.lower() for word in UNREACHABLE):
        raise MachineError(f"{said}; want a Slurm that answers; what is complete is kept")
    if "array" in done.stderr:
        said += "; --points N makes fewer tasks"
    raise RequestError(f"{said} [{' '.join(words)}]")


def _ranges(numbers):
    """1-3,7: as sbatch has it."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def _place(folder, name):
    return Path(folder) / ".slurm" / name


def _pattern(folder, name):
    """sbatch replaces what stands behind a percent sign."""
    return str(_place(folder, "")).replace("%", "%%") + "/" + name


def _words(words):
    return " ".join(shlex.quote(str(word)) for word in words)
