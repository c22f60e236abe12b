#!/usr/bin/python3
"""Runs a matrix of configurations, one result file a run, and resumes where it was interrupted.

Subcommands:
  status DIR            how far a sweep is
  pack DIR              one compressed file of its results
  cancel DIR            end its jobs in Slurm

A matrix that is named like one of them is written ./pack.
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

from tqdm import tqdm

from lab import command, folders, machine, matrix, results, runs, shards, slurm
from lab.command import MachineError, RequestError
from lab.place import BIN

OVERHEAD_S = 0.1  # starting, loading and verifying a short run: until a run has shown more
RESULT_BYTES = 20_000  # of ten windows over the engine, for the estimate alone
RUNS_MAX = 10_000  # more may be a mistake, and wants --yes
LEFT = 4  # the exit code where the budget was spent first
LINE_S = 60  # between two lines about progress where there is no terminal
EXIT_CODES = (
    "Exit codes: 0 all runs are there, 1 some failed, 2 mend the request, 3 mend the machine, 4 the budget was spent before "
    "the last run, 130 interrupted."
)
UNITS_S = {"s": 1, "m": 60, "h": 3600}


class Interrupted(command.Failure):
    def __init__(self, number):
        super().__init__("interrupted; what is complete is kept, and the same command goes on from there")
        self.code = 128 + number


def arguments(argv):
    parser = command.Parser(
        prog="sweep.py", description=__doc__, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("matrix", metavar="MATRIX.json", type=Path, help="what to run: scripts/matrix.md describes it")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the results; those there are kept")
    parser.add_argument("--dry-run", action="store_true", help="print the points and how long they take; run nothing")
    parser.add_argument(
        "--topology",
        metavar="FILE.xml",
        type=Path,
        help="with --dry-run: another machine, as `muster topology --save` or lstopo wrote it there",
    )
    parser.add_argument("--budget", metavar="TIME", type=duration, help="begin no run that would end later: 90s, 30m, 8h")
    parser.add_argument(
        "--only",
        metavar="KEY=VALUE[,VALUE]",
        action="append",
        default=[],
        help="only points with one of these values of a configuration's key; may be given several times",
    )
    parser.add_argument("--directory", metavar="DIR", help="engine.directory of every run that has one: where databases go")
    parser.add_argument("--host-name", action="store_true", help="results name this host, not only its opaque id")
    parser.add_argument(
        "--shard",
        metavar="I/N",
        type=shards.Shard.parse,
        help="run part I of N, for servers that share a sweep: their results may lie in one folder",
    )
    parser.add_argument("--slurm", action="store_true", help="submit what is left as an array of jobs, and one that collects")
    parser.add_argument("--nodes", metavar="N", type=command.positive(int), help="with --slurm: use so many nodes at a time")
    parser.add_argument(
        "--points", metavar="N", type=command.positive(int), help="with --slurm: points a job, with all their algorithms (1)"
    )
    parser.add_argument(
        "--sbatch", metavar="OPTION", action="append", default=[], help="with --slurm: pass on, such as --sbatch=--partition=long"
    )
    parser.add_argument(
        "--units", metavar="N", type=command.positive(int), help="what \"powers of two\" and \"all\" threads count (this machine's)"
    )
    parser.add_argument("--yes", action="store_true", help=f"also more than {RUNS_MAX:,} runs")
    parser.add_argument("--muster", metavar="FILE", default=BIN / "muster", type=Path, help="the executable to run")
    args = parser.parse_args(argv)
    if args.out is None and not args.dry_run:
        raise RequestError("--out: missing; want a folder for the results, or --dry-run")
    for_slurm = {"--nodes": args.nodes, "--points": args.points, "--sbatch": args.sbatch}
    for option, value in for_slurm.items():
        if value and not args.slurm:
            raise RequestError(f"{option}: only with --slurm")
    slurm.check_options(args.sbatch)
    for option, value in {"--shard": args.shard, "--budget": args.budget}.items():
        if value and args.slurm:
            want = "--points, which divides the matrix" if option == "--shard" else "--sbatch=--time=..., Slurm's own limit of a job"
            raise RequestError(f"{option}: not with --slurm; want {want}")
    if args.topology is not None and not args.dry_run:
        raise RequestError.of("--topology", str(args.topology), "--dry-run: what runs, runs on this machine")
    return args


def duration(text):
    """An option's type: seconds."""
    number, unit = text[:-1], text[-1:]
    try:
        return command.positive(float)(number) * UNITS_S[unit]
    except (KeyError, ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: want a number and a unit, such as 90s, 30m or 8h") from error


def only(points, conditions):
    """The points that have one of the values of every condition."""
    spelled = [dict(runs.flat(point.effective)) for point in points]
    for condition in conditions:
        key, equals, text = condition.partition("=")
        if not equals or not any(key in of for of in spelled):
            raise RequestError.of("--only", condition, "KEY=VALUE[,VALUE], KEY one that muster keys lists")
        there = {json.dumps(of[key]).strip('"') for of in spelled if key in of}
        for value in text.split(","):
            if value not in there:
                raise RequestError.of("--only", f"{key}={value}", "a value that the matrix has: " + ", ".join(sorted(there)))
        kept = [json.dumps(of.get(key)).strip('"') in text.split(",") for of in spelled]
        points = [point for point, keep in zip(points, kept) if keep]
        spelled = [of for of, keep in zip(spelled, kept) if keep]
    if not points:
        raise RequestError.of("--only", " ".join(conditions), "conditions that a point of the matrix meets together")
    return points


class Sweep:
    """A folder that no other sweep writes, or a shard's part of one, and what is to be run into it."""

    def __init__(self, args, cells, whole, muster):
        self.out, self.cells, self.muster, self.shard = args.out, cells, muster, args.shard
        self.folder = folders.Folder(self.out, args.shard)
        locks = self.folder.claim()  # held until this process ends, and by each run until that ends
        self.folder.want_same_matrix(shards.fingerprint(whole))
        self.kept = self.keep()
        self.folder.clear()
        self.try_writing()
        self.ends_s = None if args.budget is None else time.monotonic() + args.budget
        self.overhead_s = OVERHEAD_S  # the largest so far, so that a budget holds where loading takes long
        self.plan = folders.plan(cells, whole, run_s, args.shard)
        self.folder.write_plan(self.plan)
        self.runner = runs.Runner(["--host-name"] if args.host_name else [], keep_open=locks)

    def keep(self):
        """The names of results that are there. All in the folder is of one build and one machine, or nothing is run;
        shards may come from several machines."""
        kept, here = set(), None
        effective = {cell.name: matrix.canonical(cell.effective) for cell in self.cells}
        for path in sorted(self.out.glob("*.json")):
            try:
                result = results.load(path)
            except results.ResultError:
                continue  # is run again where it is one of ours
            here = here or self.muster.probe()
            self.want_same(path, result, here)
            if effective.get(path.name) == matrix.canonical(result["configuration"]):
                kept.add(path.name)
        return kept

    def want_same(self, path, result, here):
        want = "another --out: one folder holds results of one build on one machine"
        if self.shard:
            want = "another --out: one folder holds results of one build"
        different = machine.difference(result, here, ("build",) if self.shard else ("build", "machine"))
        if different:
            what, key, there, now = different
            raise RequestError(f"--out = {self.out}: {path.name} is of another {what}, {key} {there}, now {now}; want {want}")
        if not machine.says_its_build(result):
            commit = result["muster"]["git_commit"]
            raise RequestError(f"--out = {self.out}: {path.name} may be of another build, of commit {commit}; want {want}")

    def try_writing(self):
        probe = self.folder.probe
        try:
            with open(probe, "wb") as file:
                file.write(bytes(65536))  # more than a result
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise folders.cannot_write(self.out, error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def run(self):
        """Runs what is left; returns the exit code."""
        self.runner.stop_on_signals()
        left = [cell for cell in self.cells if cell.name not in self.kept]
        kept = f", {len(self.kept)} kept from before" if self.kept else ""
        part = f"shard {self.shard}: " if self.shard else ""
        print(f"sweep: {part}{len(left)} runs{kept}, {about(sum(map(run_s, left)))}; results in {self.out}", flush=True)
        failed, refused, skipped, spent = 0, set(), 0, False
        say = Lines(len(left))
        width = shutil.get_terminal_size().columns
        bar = "{percentage:3.0f}% {bar} {n_fmt} of {total_fmt} runs, {remaining} left{postfix}"
        with tqdm(left, bar_format=bar, disable=None, leave=False, smoothing=0, ncols=width) as progress:
            for number, cell in enumerate(progress):  # not progress.n, which stays 0 where there is no bar
                self.leave_if_stopped()
                say.done(number)
                if self.ends_s is not None and time.monotonic() + cell.point.measured_s() + self.overhead_s > self.ends_s:
                    spent = True
                    break
                if cell.point in refused:
                    skipped += 1  # an earlier repetition was refused; this one would be alike
                    continue
                effective = cell.effective
                progress.set_postfix_str(f"{effective['algorithm']}, {effective['threads']} threads", refresh=True)
                failure, code = self.run_cell(cell)
                if failure is not None:
                    progress.write(f"sweep: {failure}", file=sys.stderr)
                    failed += 1
                    self.plan["failed"].append(cell.name)
                    self.folder.write_plan(self.plan)
                    if code == RequestError.code:
                        refused.add(cell.point)
        if failed:
            more = f", and {skipped} more of the same points were not tried" if skipped else ""
            print(f"sweep: {failed} runs failed{more}; the same command tries them again", file=sys.stderr)
        if spent:
            print("sweep: the budget is spent; the same command goes on from there", file=sys.stderr)
        return LEFT if spent else 1 if failed else 0

    def run_cell(self, cell):
        """Runs one cell: None and 0, or the line that says what went wrong and the exit code."""
        running = self.folder.running
        began = time.monotonic()
        outcome = self.runner.run(self.muster, cell.configuration, running, limit_s=600 + 10 * cell.point.measured_s())
        self.overhead_s = max(self.overhead_s, time.monotonic() - began - cell.point.measured_s())
        try:
            if outcome.code == 0:
                results.check(json.loads(running.read_text(encoding="utf-8")), cell.name)
                running.rename(self.out / cell.name)
                return None, 0
            self.folder.clear()
        except (results.ResultError, ValueError) as error:
            self.folder.clear()
            return f"result does not fit results/schema.json: {error}", 1
        except OSError as error:
            raise folders.cannot_write(self.out, error) from error
        self.leave_if_stopped()
        self.try_writing()
        return str(outcome), outcome.code

    def leave_if_stopped(self):
        if self.runner.stopped_by is not None:
            raise Interrupted(self.runner.stopped_by)


class Lines:
    """A line about progress now and then, where there is no terminal to draw a bar on."""

    def __init__(self, count):
        self.count, self.began = count, time.monotonic()
        self.due = None if sys.stderr.isatty() else self.began + LINE_S

    def done(self, number):
        now = time.monotonic()
        if self.due is None or now < self.due or number == 0:
            return
        left = (now - self.began) / number * (self.count - number)
        print(f"sweep: {number} of {self.count} runs, {about(left)} left", file=sys.stderr, flush=True)
        self.due = now + LINE_S


def run_s(cell):
    return cell.point.measured_s() + OVERHEAD_S


def about(seconds):
    if seconds >= 3 * UNITS_S["h"]:
        return f"about {seconds / UNITS_S['h']:,.1f} hours"
    return f"about {seconds / 60:,.0f} min" if seconds >= 90 else f"about {math.ceil(seconds)} s"


def pack(argv):
    parser = command.Parser(prog="sweep.py pack", description="Makes one compressed file of a folder of results.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="that sweep.py wrote")
    parser.add_argument("--out", metavar="FILE", type=Path, help=f"*{results.PACKED}; DIR{results.PACKED} if not given")
    args = parser.parse_args(argv)
    out = args.out or args.folder.with_name(args.folder.name + results.PACKED)
    if not out.name.endswith(results.PACKED):
        raise RequestError.of("--out", str(out), f"a name that ends in {results.PACKED}, which readers know it by")
    if args.folder.is_dir():
        folders.Folder(args.folder).claim()  # until this process ends, or a sweep might still be writing there
    count = results.pack(args.folder, out)
    print(f"sweep: {count} results in {out}")


def status(argv):
    parser = command.Parser(prog="sweep.py status", description="Says how far the sweep into a folder is, also while it runs.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="that sweep.py writes")
    folder = parser.parse_args(argv).folder
    plan = folders.read_plan(folder)
    seconds = dict(zip(plan["runs"], plan["seconds"]))
    missing = [name for name in seconds if not (folder / name).exists()]
    unknown = plan["of_all"]["runs"] - len(seconds)  # of shards that have not begun here
    jobs = slurm.Jobs.read(folder)
    state = "running" if folders.is_claimed(folder) else "not running" if missing or unknown else "complete"
    said = [f"{len(seconds) - len(missing)} of {plan['of_all']['runs']} runs are there", state]
    said += [f"{len(plan['failed'])} failed"] if plan["failed"] else []
    left_s = sum(seconds[name] for name in missing) + plan["of_all"]["seconds"] - sum(plan["seconds"])
    said += [f"{about(left_s)} left"] if missing or unknown else []
    print("sweep: " + ", ".join(said))
    if jobs:
        print(f"sweep: {jobs.state()}")
    first = first_result(folder)
    if first is not None:
        host = first["machine"]
        where = f"{host.get('cpu_model') or 'an unknown processor'}, {host['processing_units']} units"
        hosts = folders.hosts(folder) if plan["shard"] else 1
        more = f", the first of {hosts} hosts" if hosts > 1 else ""
        print(f"sweep: build {first['muster']['git_commit'][:12]} on {where}{more}")
    return LEFT if missing or unknown else 0


def cancel(argv):
    parser = command.Parser(prog="sweep.py cancel", description="Ends the jobs in Slurm of the sweep into a folder.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="that sweep.py --slurm writes")
    folder = parser.parse_args(argv).folder
    jobs = slurm.Jobs.read(folder)
    if jobs is None:
        raise RequestError.of("DIR", str(folder), "a folder that scripts/sweep.py --slurm writes")
    print(f"sweep: {jobs.cancel()}; what is complete is kept, and the same command submits the rest")


def first_result(folder):
    """None where there is none yet."""
    try:
        return next((found for _, found in results.documents(folder) if isinstance(found, dict)), None)
    except results.ResultError:
        return None


def sweep(argv):
    args = arguments(argv)
    muster = runs.Muster(args.muster, args.topology)
    muster.units = args.units or muster.units
    document = matrix.read(args.matrix)
    size = matrix.size(document, muster)
    if size > RUNS_MAX and not args.yes:
        raise RequestError(f"matrix = {args.matrix}: {size:,} runs; want at most {RUNS_MAX:,}, or --yes")
    points = only(matrix.points(document, muster, args.directory), args.only)
    whole = matrix.cells(document, points)
    cells = shards.divided(whole, args.shard.count, run_s)[args.shard.number - 1] if args.shard else whole
    if args.dry_run:
        print("\n".join(dict.fromkeys(str(cell.point) for cell in cells) if args.shard else map(str, points)))
        time_and_disk = f"{about(sum(map(run_s, cells)))}, {len(cells) * RESULT_BYTES / 1e6:,.1f} MB of results"
        print(f"sweep: {len({id(cell.point) for cell in cells})} points, {len(cells)} runs, {time_and_disk}")
    if args.slurm:
        return submit(args, whole, muster)
    return 0 if args.dry_run else Sweep(args, cells, whole, muster).run()


def submit(args, cells, muster):
    """What is left, as jobs: a shard each."""
    count = shards.for_tasks(cells, args.points or 1)
    parts = shards.divided(cells, count, run_s)
    if args.dry_run:
        print(f"sweep: {count} jobs, the longest {about(max(sum(map(run_s, part)) for part in parts))}")
        return 0
    jobs = slurm.Jobs.read(args.out)
    if jobs:
        jobs.want_ended()
    folder = folders.Folder(args.out)
    folder.claim()
    left = [[cell for cell in part if not folder.has(cell)] for part in parts]
    numbers = [number for number, part in enumerate(left, 1) if part]
    if not numbers:
        print(f"sweep: 0 runs, {len(cells)} kept from before; scripts/sweep.py pack {args.out} makes one file of them")
        return 0
    folder.write_plan(folders.plan(cells, cells, run_s))
    text = args.matrix.read_text(encoding="utf-8-sig")
    jobs = slurm.submit(args, text, muster, numbers, count)
    longest = about(max(sum(map(run_s, part)) for part in left))
    print(f"sweep: {sum(map(len, left))} runs in {len(numbers)} jobs, the longest {longest}: {jobs}")
    print(f"sweep: scripts/sweep.py status {args.out} says how far they are, cancel ends them; then the same command goes on")
    return 0


def main():
    words = sys.argv[1:]
    jobs = {"pack": pack, "status": status, "cancel": cancel}
    return jobs[words[0]](words[1:]) if words[:1] and words[0] in jobs else sweep(words)


if __name__ == "__main__":
    command.main("sweep", main)
