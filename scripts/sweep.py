#!/usr/bin/python3
"""Runs a matrix of configurations, one result file a run, and resumes where it was interrupted."""

import argparse
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from lab import matrix
from lab import results

ROOT = Path(__file__).resolve().parent.parent
RUNNING = ".running.json"  # no result before it is whole and fits the schema
OVERHEAD_S = 0.5  # starting, loading and verifying a run, for the estimate


class MachineError(Exception):
    """What the user has to mend about the machine: one line."""


class Interrupted(Exception):
    """Its argument is the signal's number."""


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="sweep.py",
        description=__doc__,
        epilog="Exit codes: 0 all runs are there, 1 some failed, 2 mend the request, 3 mend the machine, 130 interrupted.",
    )
    parser.add_argument("matrix", metavar="MATRIX.json", help="what to run: scripts/README.md describes it")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results; those there are kept")
    parser.add_argument("--directory", metavar="DIR", help="engine.directory of every ycsb run: where the databases go")
    parser.add_argument(
        "--muster", metavar="FILE", default=ROOT / "build/release/bin/muster", type=Path, help="the executable to run"
    )
    return parser.parse_args(argv)


class Sweep:
    def __init__(self, args):
        self.muster = args.muster
        self.out = Path(args.out)
        self.child = None
        self.stopped_by = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        self.build = json.loads(self.ask("--version"))
        machine = matrix.Machine(
            units=len(json.loads(self.ask("topology", "--json"))["units"]),
            algorithms=json.loads(self.ask("list", "--json")),
        )
        self.cells = matrix.cells(matrix.read(args.matrix), machine, args.directory)
        self.lock = self.claim()

    def ask(self, *words):
        """What the executable prints."""
        try:
            done = subprocess.run([self.muster, *words], capture_output=True, text=True, check=False)
        except OSError as error:
            raise MachineError(f"{self.muster}: {error.strerror}; scripts/setup builds it") from error
        if done.returncode != 0:
            raise MachineError(f"{self.muster} {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def claim(self):
        """Makes sure that results can be written, and by this sweep alone."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.clear()
            self.try_writing()
            folder = os.open(self.out, os.O_RDONLY)
        except OSError as error:
            raise MachineError(f"--out = {self.out}: {error.strerror}; want a folder that can be written") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MachineError(f"--out = {self.out}: another sweep is writing there; want a folder of its own") from error
        return folder

    def clear(self):
        """Takes away what is not whole."""
        for path in self.out.glob(RUNNING + "*"):
            path.unlink()

    def try_writing(self):
        probe = self.out / (RUNNING + ".probe")
        try:
            with open(probe, "wb") as file:
                file.write(bytes(65536))  # more than a result
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)

    def is_done(self, cell):
        """A result of the same configuration, which the name stands for, by the same build."""
        path = self.out / cell.name
        try:
            build = results.load(path)["muster"]
        except results.ResultError:
            return False
        if build != self.build:
            return False
        # Two builds of a changed tree may well carry the same name.
        return not build["git_commit"].endswith("-dirty") or path.stat().st_mtime >= self.muster.stat().st_mtime

    def run(self):
        """Runs what is left; returns the lines of the runs that failed."""
        left = [cell for cell in self.cells if not self.is_done(cell)]
        kept = len(self.cells) - len(left)
        minutes = sum(cell.measured_s() + OVERHEAD_S for cell in left) / 60
        said = f"{len(left)} runs, about {minutes:.0f} min" if minutes >= 1.5 else f"{len(left)} runs"
        print(f"sweep: {said}{f', {kept} kept from before' if kept else ''}; results in {self.out}", flush=True)
        failures = []
        refused = set()
        width = shutil.get_terminal_size().columns
        bar = "{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} runs, {remaining} left{postfix}"
        with tqdm(left, bar_format=bar, disable=None, leave=False, smoothing=0, ncols=width) as progress:
            for cell in progress:
                self.leave_if_stopped()
                point = json.dumps({**cell.configuration, "seed": None}, sort_keys=True)
                if point in refused:
                    continue  # an earlier repetition was refused; this one would be alike
                name = f"{cell.configuration['algorithm']}, {cell.configuration.get('threads', 1)} threads"
                progress.set_postfix_str(name, refresh=True)
                failure, code = self.run_cell(cell)
                if failure is not None:
                    progress.write(f"sweep: {failure}", file=sys.stderr)
                    failures.append(failure)
                    if code == 2:
                        refused.add(point)
        return failures

    def run_cell(self, cell):
        """Runs one cell: None and 0, or the line that says what went wrong and the exit code."""
        running = self.out / RUNNING
        settings = []
        for key, value in flat(cell.configuration):
            settings += ["--set", f"{key}={json.dumps(value)}"]
        command = [str(self.muster), "run", *settings]
        # A group of its own: a terminal's Ctrl-C reaches the sweep, which passes it on once.
        try:
            self.child = subprocess.Popen(
                [*command, "--out", running], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
            )
        except OSError as error:
            raise MachineError(f"{self.muster}: {error.strerror}") from error
        if self.stopped_by is not None:
            self.child.send_signal(signal.SIGINT)  # it came while there was no child to pass it on to
        limit_s = 600 + 10 * cell.measured_s()
        try:
            said, _ = self.child.communicate(timeout=limit_s)
            code = self.child.returncode
        except subprocess.TimeoutExpired:
            self.child.kill()
            said, code = f"no end after {limit_s:.0f} s", 3
            self.child.communicate()
        finally:
            self.child = None
        try:
            if code == 0:
                results.check(json.loads(running.read_text(encoding="utf-8")), cell.name)
                running.rename(self.out / cell.name)
                return None, 0
            self.clear()
            self.leave_if_stopped()
            self.try_writing()
        except (results.ResultError, json.JSONDecodeError) as error:
            self.clear()
            return f"result does not fit results/schema.json: {error}", 1
        except OSError as error:
            raise MachineError(f"{self.out}: {error.strerror}; what is complete there is kept") from error
        last = said.strip().splitlines()[-1] if said.strip() else f"exit code {code}"
        return f"{last} [{shlex.join(command)}]", code

    def stop(self, number, _frame):
        """A signal's handler. The child ends by the same signal, and the sweep after it; a second one kills."""
        if self.child is not None:
            self.child.kill() if self.stopped_by is not None else self.child.send_signal(signal.SIGINT)
        self.stopped_by = number

    def leave_if_stopped(self):
        if self.stopped_by is not None:
            raise Interrupted(self.stopped_by)


def flat(configuration, prefix=""):
    for key, value in configuration.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def main(argv=None):
    args = arguments(argv)
    try:
        sweep = Sweep(args)
        failures = sweep.run()
    except matrix.RequestError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    except MachineError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 3
    except Interrupted as interruption:
        print("sweep: interrupted; what is complete is kept, and the same command goes on from there", file=sys.stderr)
        return 128 + interruption.args[0]
    if failures:
        print(f"sweep: {len(failures)} runs failed; the same command tries them again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
