"""scripts/sweep.py with the real executable: every cell once, resumed where it stopped, nothing half-written."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

import project  # first: it finds scripts/

from lab import matrix, results, runs
from lab.command import RequestError
from project import PYTHON, ROOT

SHORT = {"workload": "append", "warmup_s": 0.01, "window_s": 0.02, "windows": 2, "log_buffer": {"capacity": 65536}}
ALGORITHMS = [
    {"name": "bound", "unsafe": True, "stalls_on_idle": False},
    {"name": "mutex", "unsafe": False, "stalls_on_idle": False},
    {"name": "border_collie_naive", "unsafe": False, "stalls_on_idle": True},
    {"name": "eleda", "unsafe": False, "stalls_on_idle": False},
]


def wait_until(happened, limit_s=120):
    give_up = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {limit_s} s")
        time.sleep(0.01)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"

    def matrix(self, document):
        path = self.folder / "matrix.json"
        sys.set_int_max_str_digits(0)  # numbers of thousands of digits, too
        text = document if isinstance(document, (str, bytes)) else json.dumps(document)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    def command(self, document, *options, out=None, muster=project.MUSTER):
        path = self.matrix(document)
        return [PYTHON, "-B", ROOT / "scripts/sweep.py", path, "--out", out or self.out, "--muster", muster, *options]

    def sweep(self, document, *options, **where):
        return project.run(*self.command(document, *options, **where), cwd="/")

    def start(self, document, **where):
        """A sweep of its own session, that has left one result at least."""
        sweep = subprocess.Popen(
            self.command(document, **where), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.addCleanup(sweep.stdout.close)
        self.addCleanup(sweep.stderr.close)
        wait_until(lambda: self.out.is_dir() and list(self.out.glob("append-*.json")))
        return sweep

    def fake(self, run):
        """The real executable but for `run`, which is this shell script."""
        path = self.folder / "muster"
        real = f'{project.MUSTER} "$@"'
        path.write_text(f'#!/bin/bash\n[ "$1 $2" != "run --help" ] && [ "$1" = run ] || exec {real}\n{run}\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    def written(self):
        return {path.name: path.stat().st_mtime_ns for path in self.out.iterdir() if path.name != ".plan.json"}


class Running(Folder):
    def test_every_cell_leaves_one_valid_result(self):
        done = self.sweep({"base": SHORT, "axes": {"algorithm": ["mutex", "border_collie"]}, "repetitions": 2})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = results.load_all(self.out)
        points = {(r["configuration"]["algorithm"], r["configuration"]["seed"]) for r in found}
        self.assertEqual(points, {("mutex", 1), ("mutex", 2), ("border_collie", 1), ("border_collie", 2)})

    def test_what_is_there_is_kept_and_what_is_damaged_is_run_again(self):
        document = {"base": {**SHORT, "algorithm": "mutex"}, "repetitions": 3}
        self.assertEqual(self.sweep(document).returncode, 0)
        before = self.written()
        first, *others = sorted(before)
        (self.out / first).write_text('{"schema": 1', encoding="utf-8")
        done = self.sweep(document)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 runs, 2 kept", done.stdout)
        after = self.written()
        self.assertEqual([after[name] for name in others], [before[name] for name in others])
        self.assertEqual(len(results.load_all(self.out)), 3)

    def test_one_folder_holds_one_build_and_one_machine(self):
        document = {"base": {**SHORT, "algorithm": "mutex"}, "repetitions": 2}
        self.assertEqual(self.sweep(document).returncode, 0)
        path = sorted(self.out.glob("append-*.json"))[1]
        whole = path.read_text(encoding="utf-8")
        for section, key, value in (
            ("muster", "git_commit", "0" * 40),
            ("muster", "build_id", "0" * 40),
            ("muster", "flags", "-O1"),
            ("machine", "host_id", "0" * 16),
            ("machine", "kernel", "Linux 2.6"),
        ):
            with self.subTest(key=key):
                other = json.loads(whole)
                other[section][key] = value
                path.write_text(json.dumps(other), encoding="utf-8")
                before = self.written()
                done = self.sweep({**document, "repetitions": 3})
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
                for word in ("--out", path.name, key, value, "another --out"):
                    self.assertIn(word, done.stderr)
                self.assertEqual(self.written(), before)

    def test_a_result_that_does_not_say_its_build_is_not_taken_for_one_of_this(self):
        document = {"base": {**SHORT, "algorithm": "mutex"}}
        self.assertEqual(self.sweep(document).returncode, 0)
        (path,) = self.out.glob("append-*.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        result["muster"].pop("build_id")
        for commit in ("unknown", "0" * 40 + "-dirty"):
            result["muster"]["git_commit"] = commit
            path.write_text(json.dumps(result), encoding="utf-8")
            self.assertEqual(self.sweep(document).returncode, 2)

    def test_where_databases_lie_is_no_part_of_what_is_run(self):
        base = {**SHORT, "workload": "ycsb", "algorithm": "mutex", "ycsb": {"records": 500}}
        for name in ("here", "there"):
            done = self.sweep({"base": base}, "--directory", self.folder / name)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0 runs, 1 kept", done.stdout)

    def test_an_interrupt_keeps_what_is_complete_and_the_same_command_goes_on(self):
        document = {"base": {**SHORT, "windows": 20}, "axes": {"algorithm": ["mutex", "border_collie"]}, "repetitions": 3}
        sweep = self.start(document)
        sweep.send_signal(signal.SIGINT)
        _, said = sweep.communicate(timeout=120)
        self.assertEqual((sweep.returncode, said.count("\n")), (130, 1), said)
        self.assertIn("same command", said)
        kept = self.written()
        self.assertEqual([name for name in kept if name.startswith(".")], [])
        self.assertTrue(0 < len(results.load_all(self.out)) < 6)
        done = self.sweep(document)
        self.assertEqual(done.returncode, 0, done.stderr)
        after = self.written()
        self.assertEqual({name: after[name] for name in kept}, kept)
        self.assertEqual(len(results.load_all(self.out)), 6)

    def test_kill_9_at_random_moments_loses_doubles_and_halves_nothing(self):
        base = {**SHORT, "warmup_s": 0, "window_s": 0.01, "algorithm": "mutex"}
        document = {"base": base, "axes": {"append.bytes": [48, 120]}, "repetitions": 60}
        chance, kept, met_runs = random.Random(9), {}, 0
        for kill in range(50 if project.is_release() else 5):
            begun = self.begun()
            sweep = subprocess.Popen(
                self.command(document), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            if kill % 5:  # the others may hit it before it has looked at the folder
                wait_until(lambda: self.begun() != begun or sweep.poll() is not None)
            time.sleep(chance.uniform(0, 0.25))
            os.killpg(sweep.pid, signal.SIGKILL)
            met_runs += sweep.wait() == -signal.SIGKILL and self.begun() != begun
            now = {path.name: path.read_bytes() for path in self.out.glob("append-*.json")}
            self.assertEqual({name: now[name] for name in kept}, kept)
            for name, content in now.items():
                results.check(json.loads(content), name)
            kept = now
        self.assertGreater(met_runs, 2)  # or nothing was disturbed
        self.assertEqual(self.sweep(document).returncode, 0)
        undisturbed = self.folder / "undisturbed"
        self.assertEqual(self.sweep(document, out=undisturbed).returncode, 0)
        found, wanted = ({path.name for path in folder.glob("*.json") if path.name[0] != "."} for folder in (self.out, undisturbed))
        self.assertEqual((found, len(found)), (wanted, 120))
        self.assertEqual(len(results.load_all(self.out)), 120)
        self.assertEqual([name for name in self.written() if name.startswith(".")], [])

    def begun(self):
        """Changes when a sweep is about to run its first cell."""
        try:
            return (self.out / ".plan.json").stat().st_mtime_ns
        except OSError:
            return None

    def test_lines_say_how_far_it_is_where_there_is_no_terminal(self):
        words = [str(word) for word in self.command({"base": {**SHORT, "algorithm": "mutex"}, "repetitions": 4})[3:]]
        often = (
            f"import sys; sys.path.insert(0, '{ROOT}/scripts'); import sweep; sweep.LINE_S = 0; "
            "sweep.command.main('sweep', sweep.main)"
        )
        done = project.run(PYTHON, "-B", "-c", often, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"\A(sweep: [123] of 4 runs, about \d+ s left\n){3}\Z")

    def test_a_budget_counts_what_runs_took_beside_what_they_measured(self):
        slow = self.fake(f'sleep 4\nexec {project.MUSTER} "$@"')
        done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}, "repetitions": 3}, "--budget", "6s", muster=slow)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual(len(results.load_all(self.out)), 1)  # a second one would not end in time

    def test_a_budget_that_is_spent_leaves_the_rest_for_the_same_command(self):
        document = {"base": {**SHORT, "algorithm": "mutex"}, "repetitions": 40}
        done = self.sweep(document, "--budget", "1s")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("the same command goes on", done.stderr)
        self.assertLess(len(results.load_all(self.out)), 40)
        self.assertEqual(self.sweep(document, "--budget", "9m").returncode, 0)
        self.assertEqual(len(results.load_all(self.out)), 40)
        done = self.sweep(document, "--budget", "soon")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_only_runs_a_part_of_the_matrix_and_the_rest_comes_later(self):
        axes = {"algorithm": ["mutex", "eleda", "border_collie"], "append.bytes": [48, 120]}
        document = {"base": SHORT, "axes": axes}
        self.assertEqual(self.sweep(document, "--only", "algorithm=mutex,eleda", "--only", "append.bytes=48").returncode, 0)
        found = {(r["configuration"]["algorithm"], r["configuration"]["append"]["bytes"]) for r in results.load_all(self.out)}
        self.assertEqual(found, {("mutex", 48), ("eleda", 48)})
        done = self.sweep(document)
        self.assertIn("4 runs, 2 kept", done.stdout)
        for wrong in ("algorithm", "algorithm=ermia", "apend.bytes=48"):
            done = self.sweep(document, "--only", wrong)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_status_says_how_far_a_sweep_is(self):
        def status():
            return project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", "status", self.out)

        self.assertEqual((status().returncode, status().stderr.count("\n")), (2, 1))
        document = {"base": {**SHORT, "algorithm": "mutex", "windows": 20}, "repetitions": 4}
        sweep = self.start(document)
        said = status()
        self.assertEqual(said.returncode, 4)
        self.assertRegex(said.stdout, r"[1-3] of 4 runs are there, running")
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait()
        wait_until(lambda: "not running" in status().stdout)
        self.assertEqual(self.sweep(document).returncode, 0)
        self.assertEqual(status().returncode, 0)
        self.assertRegex(status().stdout, r"4 of 4 runs are there, complete\n.*build [0-9a-f]{12}")

    def test_a_run_that_fails_is_said_and_the_others_run(self):
        document = {"base": SHORT, "axes": {"algorithm": ["mutex", "eleda"]}, "repetitions": 2}
        fake = self.fake(f'[[ "$*" != *eleda* ]] || {{ echo "a record is missing" >&2; exit 1; }}\nexec {project.MUSTER} "$@"')
        done = self.sweep(document, muster=fake)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("a record is missing"), 2)
        self.assertIn("2 runs failed; the same", done.stderr)
        said = project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", "status", self.out).stdout
        self.assertIn("2 of 4 runs are there, not running, 2 failed, about 1 s left", said)
        self.assertEqual(len(results.load_all(self.out)), 2)
        self.assertEqual([name for name in self.written() if name.startswith(".")], [])

    def test_a_point_that_is_refused_is_not_tried_again_and_counted_apart(self):
        document = {"base": SHORT, "axes": {"algorithm": ["mutex", "eleda"]}, "repetitions": 3}
        fake = self.fake(f'[[ "$*" != *eleda* ]] || {{ echo "eleda = out: want in" >&2; exit 2; }}\nexec {project.MUSTER} "$@"')
        done = self.sweep(document, muster=fake)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("want in"), 1)
        self.assertIn("1 runs failed, and 2 more of the same points were not tried", done.stderr)
        self.assertEqual(len(results.load_all(self.out)), 3)

    def test_what_is_in_the_way_for_a_moment_is_tried_again(self):
        fake = self.fake(f"echo >>{self.folder}/tries\n[ $(wc -l <{self.folder}/tries) -ge 2 ] || exit 4\nexec {project.MUSTER} \"$@\"")
        done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}}, muster=fake)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(results.load_all(self.out)), 1)

    def test_what_stays_in_the_way_is_one_failure_a_run(self):
        tried = []
        runner, muster = runs.Runner(), runs.Muster(self.fake("echo busy >&2; exit 4"))
        runner._wait = lambda seconds: tried.append(seconds) or True
        outcome = runner.run(muster, {"workload": "append"}, self.folder / "result.json")
        self.assertEqual((outcome.code, outcome.said, tried), (4, "busy", list(runs.PAUSES_S)))

    def test_a_result_that_does_not_fit_the_schema_is_an_error(self):
        fake = self.fake("while [[ $1 != --out=* ]]; do shift; done\necho '{\"schema\": 2}' >\"${1#--out=}\"")
        done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}}, muster=fake)
        self.assertEqual(done.returncode, 1)
        self.assertIn("schema.json", done.stderr)
        self.assertEqual(self.written(), {})

    def test_a_folder_that_cannot_be_written_is_said_in_one_line(self):
        self.out.write_text("a file", encoding="utf-8")
        for out in (self.out / "below", "/proc/sys/muster"):
            done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}}, out=out)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
            self.assertIn("--out", done.stderr)

    def test_a_second_sweep_is_refused_and_changes_nothing(self):
        document = {"base": {**SHORT, "windows": 1000, "algorithm": "mutex"}}
        first = subprocess.Popen(self.command(document), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(first.communicate)
        self.addCleanup(first.kill)
        wait_until(lambda: any(is_measuring(child) for child in self.children(first.pid)))
        (self.out / ".running.json.new").write_text("the first one's", encoding="utf-8")
        done = self.sweep(document)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
        self.assertIn("another sweep", done.stderr)
        self.assertIn(".running.json.new", self.written())

    def children(self, pid):
        """Its runs."""
        return [int(p) for p in project.run("pgrep", "--parent", pid).stdout.split()]

    def test_a_sweep_that_ends_takes_its_run_along(self):
        document = {"base": {**SHORT, "window_s": 60, "algorithm": "mutex"}}
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number.name):
                command = self.command(document, out=self.folder / number.name)
                sweep = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
                wait_until(lambda: any(is_measuring(child) for child in self.children(sweep.pid)))
                (child,) = self.children(sweep.pid)
                sweep.send_signal(number)
                sweep.wait(timeout=60)
                self.assertEqual(sweep.returncode, -9 if number == signal.SIGKILL else 128 + number)
                wait_until(lambda: not os.path.exists(f"/proc/{child}"), limit_s=20)

    def test_a_run_that_outlives_its_sweep_keeps_the_folder(self):
        fake = self.fake("sleep 60")
        sweep = subprocess.Popen(self.command({"base": {**SHORT, "algorithm": "mutex"}}, muster=fake), stdout=subprocess.PIPE)
        grandchildren = lambda: [project.run("pgrep", "-l", "-P", child).stdout for child in self.children(sweep.pid)]  # noqa: E731
        wait_until(lambda: any("sleep" in names for names in grandchildren()))
        (run,) = self.children(sweep.pid)
        sweep.kill()
        sweep.communicate()
        done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}})
        os.killpg(run, signal.SIGKILL)
        self.assertEqual(done.returncode, 3)
        self.assertIn("another sweep", done.stderr)
        self.assertEqual(self.sweep({"base": {**SHORT, "algorithm": "mutex"}}).returncode, 0)

    def test_a_relative_executable_is_one_from_here(self):
        shutil.copy(project.MUSTER, self.folder / "true")  # PATH has another
        command = self.command({"base": {**SHORT, "algorithm": "mutex"}}, muster="true")
        done = project.run(*command, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = project.run(*command, cwd="/")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)

    def test_a_dry_run_says_points_and_time_and_leaves_nothing(self):
        axes = {"algorithm": ["mutex", "eleda"]}
        done = self.sweep({"base": {**SHORT, "window_s": 60}, "axes": axes, "repetitions": 5}, "--dry-run")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn('append, algorithm = "eleda"\n', done.stdout)
        self.assertRegex(done.stdout, "2 points, 10 runs, about 2[0-9] min, 0.2 MB")
        done = self.sweep({"base": SHORT, "axes": axes}, "--dry-run")
        self.assertRegex(done.stdout, "2 points, 2 runs, about 1 s, ")
        self.assertFalse(self.out.exists())

    def test_a_dry_run_may_be_for_another_machine(self):
        server = self.folder / "server.xml"
        done = project.run(project.MUSTER, "topology", "--synthetic", "pack:2 [numa(memory=64GB)] core:64 pu:1", "--save", server)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        axes = {"threads": "powers of two", "memory.ring": ["node:0", "node:1"], "placement": ["node:1", "cache"]}
        document = {"base": {**SHORT, "window_s": 60, "algorithm": "mutex"}, "axes": axes, "repetitions": 10}
        document["skip"] = [{"threads": 128, "placement": "node:1"}]
        done = self.sweep(document, "--dry-run", "--topology", server)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stderr)
        self.assertIn('append, threads = 128, memory.ring = "node:1", placement = "cache"\n', done.stdout)
        self.assertRegex(done.stdout, "30 points, 300 runs, about 10.0 hours, ")
        done = self.sweep({**document, "skip": []}, "--dry-run", "--topology", server)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("want 1 to 64, the processing units of node:1", done.stderr)
        done = self.sweep(document, "--topology", server)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn(f"--topology = {server}: want --dry-run", done.stderr)
        server.write_text("no machine", encoding="utf-8")
        done = self.sweep(document, "--dry-run", "--topology", server)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn(f"--xml = {server}: want a file that", done.stderr)

    def test_a_matrix_may_come_from_a_pipe(self):
        document = json.dumps({"base": {**SHORT, "algorithm": "mutex"}})
        command = self.command({}, "--dry-run")
        command[3] = "/dev/stdin"
        done = project.run(*command, input=document)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 points, 1 runs", done.stdout)


def is_measuring(pid):
    """Has it its threads? A race detector has one of its own."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 2
    except OSError:
        return False


class Packing(Folder):
    def test_a_packed_folder_reads_as_the_folder_did(self):
        document = {"base": SHORT, "axes": {"algorithm": ["mutex", "eleda"]}, "repetitions": 2}
        self.assertEqual(self.sweep(document).returncode, 0)
        read = dict(results.documents(self.out))
        self.assertEqual(len(read), 4)
        done = self.pack(self.out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        packed = self.folder / "out.jsonl.gz"
        self.assertEqual(dict(results.documents(packed)), read)
        first = packed.read_bytes()
        self.assertEqual(self.pack(packed, "--out", self.folder / "again.jsonl.gz").returncode, 0)
        self.assertEqual((self.folder / "again.jsonl.gz").read_bytes(), first)
        tables = [project.run(PYTHON, "-B", ROOT / "scripts/table.py", place).stdout for place in (self.out, packed)]
        self.assertEqual(tables[0], tables[1])
        self.assertIn("mutex", tables[0])

    def pack(self, *words):
        return project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", "pack", *words, cwd="/")

    def test_what_cannot_be_packed_is_one_line(self):
        self.out.mkdir()
        self.assertIn("holds no results", self.refused(self.out))
        good = json.loads((self.one_result()).read_text(encoding="utf-8"))
        for name, change in (("schema", 2), ("command", 7), ("title", [])):
            (self.out / "bad.json").write_text(json.dumps({**good, name: change}), encoding="utf-8")
            said = self.refused(self.out)
            self.assertIn("bad.json", said)
            self.assertIn(name, said)
        self.assertIn(".jsonl.gz", self.refused(self.out, "--out", self.folder / "packed.zip"))

    def one_result(self):
        self.assertEqual(self.sweep({"base": {**SHORT, "algorithm": "mutex"}}).returncode, 0)
        (path,) = self.out.glob("append*.json")
        return path

    def refused(self, *words):
        done = self.pack(*words)
        self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
        return done.stderr

    def test_a_matrix_that_is_named_pack_is_a_matrix(self):
        (self.folder / "pack").write_text(json.dumps({"base": {**SHORT, "algorithm": "mutex"}}), encoding="utf-8")
        command = [PYTHON, "-B", ROOT / "scripts/sweep.py", "./pack", "--out", self.out, "--muster", project.MUSTER]
        self.assertEqual(project.run(*command, cwd=self.folder).returncode, 0)


class BadMatrix(Folder):
    def test_a_mistake_measures_nothing(self):
        for document, word in (
            ('{"axes":' + "[" * 100_000, "brackets"),
            ({"base": {**SHORT, "algorithm": "mutex"}, "axes": {"append.bytes": [120, 1 << 20]}}, "append.bytes = 1048576"),
        ):
            done = self.sweep(document)
            self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
            self.assertIn(word, done.stderr)
            self.assertFalse(self.out.exists())

    def test_each_mistake_is_one_line_with_key_and_value(self):
        muster = runs.Muster(project.MUSTER)
        good = {"base": {**SHORT, "algorithm": "mutex"}}
        for document, words in (
            ("{", ["matrix.json", "JSON"]),
            ('{"base": {}, "base": {}}', ["base", "once"]),
            ([], ["object"]),
            ({**good, "repetition": 2}, ["repetition = 2", "repetitions"]),
            ({**good, "repetitions": 0}, ["repetitions = 0", "1 at least"]),
            ({**good, "axes": {"threads": []}}, ["axes.threads", "one at least"]),
            ({**good, "axes": {"threads": 2}}, ["axes.threads = 2", "list"]),
            ({**good, "axes": {"threads": [1, 1]}}, ["axes.threads", "once"]),
            ({**good, "axes": {"threads": "many"}}, ["axes.threads = many", "powers of two"]),
            ({**good, "axes": {"algorithm": ["mutex", "mutecks"]}}, ["mutecks", "border_collie", "eleda"]),
            ({**good, "axes": {"seed": [1]}}, ["axes.seed", "repetitions"]),
            ({**good, "zip": {"append.bytes": [48, 120], "windows": [2]}}, ["zip.windows = [2]", "2 values"]),
            ({**good, "zip": {"threads": "powers of two"}}, ["zip.threads", "a list"]),
            ({**good, "zip": {"threads": [1]}, "axes": {"threads": [1]}}, ["zip.threads", "no axis"]),
            ({"base": {"workload": "append"}}, ["base.algorithm", "axis"]),
            ({**good, "skip": [{"algorithm": "mutex"}]}, ["skip", "at least one"]),
            ({**good, "parts": [{"bass": {}}]}, ["parts[0].bass", "base"]),
            ({**good, "seed": 10**5000}, ["seed = 1000", "digits"]),
            ({**good, "seed": -1}, ["seed = -1"]),
            ({**good, "seed": 2**64 - 1, "repetitions": 2}, ["seed = 1844", "at most"]),
            ({"base": {**SHORT, "algorithm": "mutex", "windows": 10**5000}}, ["base.windows = 1000", "digits"]),
            ('{"axes":' + "[" * 100_000, ["matrix.json", "brackets"]),
            ('{"axes":' + "[" * 100 + "]" * 100 + "}", ["axes", "levels"]),
            ('{"base": {"workload": "append", "algorithm": "mutex", "window_s": NaN}}', ["base.window_s = NaN", "finite"]),
            ('{"base": {"workload": "append", "algorithm": "mutex", "window_s": 1e999}}', ["base.window_s = Infinity", "finite"]),
            (b'{"base": "\xff"}', ["matrix.json", "UTF-8"]),
            ({"base": {**SHORT, "algorithm": "mutex", "windows": "3"}}, ['windows = "3"', "integer"]),
            ({"base": {**SHORT, "algorithm": "mutex", "windows": [1]}}, ["windows = [1]", "integer"]),
            ({"base": {**SHORT, "algorithm": "mutex", "warmup_s": None}}, ["warmup_s = null", "number"]),
            ({"base": {**SHORT, "algorithm": "mutex", "windows": 1e308, "window_s": 1e308}}, ["1e+308"]),
            ({**good, "axes": {"append.bytes": [120, 1 << 20]}}, ["1 of 2 points", "append.bytes = 1048576", "append.bytes = 1048576]"]),
            ({**good, "axes": {"apend.bytes": [120]}}, ["apend"]),
            ({**good, "axes": {"threads": [1, 4096]}}, ["threads = 4096", "oversubscribe"]),
            ({**good, "skip": [{"threds": 1}]}, ["skip[0].threds = 1", "keys"]),
            ({**good, "skip": [{"threads": 3}]}, ["skip[0].threads = 3", "point"]),
            ({**good, "skip": [{"algorithm": "mutecks"}]}, ["skip[0].algorithm = mutecks", "eleda"]),
            ({**good, "parts": [{}, {"skip": [{"windows": [3, True]}]}]}, ["parts[1].skip[0].windows = 3", "point"]),
            (
                {**good, "axes": {"append.bytes": [48, 96], "windows": [2, 3]}, "skip": [{"append.bytes": 48, "windows": 4}]},
                ["skip[0].windows = 4"],
            ),
        ):
            with self.subTest(words=words):
                with self.assertRaises(RequestError) as raised:
                    matrix.points(matrix.read(self.matrix(document)), muster)
                for word in words:
                    self.assertIn(word, str(raised.exception))
                self.assertNotIn("\n", str(raised.exception))

    def test_a_matrix_of_millions_says_so_at_once(self):
        axes = {"threads": list(range(1, 4001)), "windows": list(range(1, 4001)), "append.bytes": list(range(1, 4001))}
        done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}, "axes": axes})
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("64,000,000,000 runs", done.stderr)
        self.assertIn("--yes", done.stderr)


class Order(Folder):
    """Of a machine with 256 units, whose executable takes everything as it stands."""

    def cells(self, document, **options):
        keys = json.loads(project.run(project.MUSTER, "keys", "--json").stdout)
        muster = SimpleNamespace(
            path=project.MUSTER,
            units=256,
            algorithms=ALGORITHMS,
            keys={key["name"]: key for key in keys},
            check=lambda configurations: [{"ok": True, "configuration": c} for c in configurations],
        )
        read = matrix.read(self.matrix(document))
        return matrix.cells(read, matrix.points(read, muster, **options))

    def test_repetitions_are_outermost_and_algorithms_stay_together(self):
        document = {"base": SHORT, "axes": {"algorithm": "all", "threads": [1, 2, 4]}, "repetitions": 4}
        cells = self.cells(document)
        self.assertEqual([cell.repetition for cell in cells], sorted(list(range(4)) * 12))
        blocks = [cells[i : i + 4] for i in range(0, len(cells), 4)]
        for block in blocks:
            self.assertEqual(len({cell.configuration["threads"] for cell in block}), 1)
            self.assertEqual(len({cell.configuration["algorithm"] for cell in block}), 4)
            self.assertEqual(len({cell.configuration["seed"] for cell in block}), 1)
        orders = {tuple(cell.configuration["algorithm"] for cell in block) for block in blocks}
        self.assertGreater(len(orders), 3)  # no algorithm is always the first

    def test_order_and_names_are_the_same_each_time(self):
        document = {"base": SHORT, "axes": {"algorithm": "all", "threads": [1, 2]}, "repetitions": 2}
        names = [cell.name for cell in self.cells(document)]
        self.assertEqual(names, [cell.name for cell in self.cells(document)])
        self.assertEqual(len(set(names)), 16)
        other = [cell.name for cell in self.cells({**document, "base": {**SHORT, "windows": 3}})]
        self.assertFalse(set(names) & set(other))

    def test_what_is_zipped_goes_together(self):
        document = {
            "base": {**SHORT, "algorithm": "mutex"},
            "axes": {"threads": [1, 2]},
            "zip": {"append.bytes": [48, 120], "log_buffer.capacity": [65536, 131072]},
        }
        found = {
            (c["threads"], c["append"]["bytes"], c["log_buffer"]["capacity"])
            for c in (cell.configuration for cell in self.cells(document))
        }
        self.assertEqual(found, {(t, *pair) for t in (1, 2) for pair in ((48, 65536), (120, 131072))})

    def test_the_quickstart_runs_what_is_chosen(self):
        muster = runs.Muster(project.MUSTER)
        for chosen in (["border_collie", "mutex"], ["null"], ["bound", "eleda"], ["border_collie_naive"]):
            with self.subTest(chosen=chosen):
                document = matrix.narrowed(matrix.read(ROOT / "scripts/quickstart.json"), chosen, muster.algorithms)
                found = matrix.points(document, muster, self.folder)
                append = {p.effective["algorithm"] for p in found if p.effective["workload"] == "append"}
                engine = {p.effective["algorithm"] for p in found if p.effective["workload"] == "ycsb"}
                self.assertEqual(append, {*chosen, "bound"})
                self.assertEqual(engine, set(chosen) - {"null", "bound", "border_collie_naive"})
        with self.assertRaisesRegex(RequestError, "--algorithms = colie: want some of"):
            matrix.narrowed(matrix.read(ROOT / "scripts/quickstart.json"), ["colie"], muster.algorithms)

    def test_words_stand_for_what_the_machine_has(self):
        axes = {"algorithm": "engine", "threads": "powers of two"}
        found = self.cells({"base": SHORT, "axes": axes})
        self.assertEqual({c.configuration["algorithm"] for c in found}, {"mutex", "eleda"})
        threads = sorted({c.configuration["threads"] for c in found})
        self.assertEqual(threads, [1, 4, 8, 16, 32, 64, 128, 256])  # eight points at most

    def test_near_and_far_are_nodes_of_the_machine(self):
        axes = {"threads": "one node", "memory.ring": ["near", "far", "interleave"], "flusher.placement": ["far"]}
        document = {"base": {**SHORT, "algorithm": "mutex"}, "axes": axes}
        described = {  # all other nodes are equally far: the first of them
            "pack:4 [numa(memory=64GB)] core:8 pu:1": ({"node:0", "node:1", "interleave"}, {"node:1"}, 7),
            "pack:1 [numa(memory=64GB)] core:8 pu:2": ({"node:0", "interleave"}, set(), 15),
        }
        for synthetic, (rings, drainers, threads) in described.items():
            server = self.folder / "server.xml"
            done = project.run(project.MUSTER, "topology", "--synthetic", synthetic, "--save", server)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            muster = runs.Muster(project.MUSTER, server)
            values = {key: matrix.values_of(key, of_key, muster) for key, of_key in axes.items()}
            self.assertEqual(set(values["memory.ring"]), rings)
            self.assertEqual(set(values["flusher.placement"]), drainers)
            self.assertEqual(values["threads"], [threads])
            server.unlink()
        document["axes"] = {"memory.ring": ["near", "far"], "log_buffer.pages": "granted"}
        found = matrix.points(matrix.read(self.matrix(document)), runs.Muster(project.MUSTER))
        self.assertIn("small", {point.effective["log_buffer"]["pages"] for point in found})
        self.assertIn("node:0", {point.effective["memory"]["ring"] for point in found})

    def test_equal_points_are_run_once(self):
        real = runs.Muster(project.MUSTER)
        for document in (
            {"base": {**SHORT, "algorithm": "mutex"}, "axes": {"window_s": [1, 1.0]}},
            {"base": {"workload": "append", "algorithm": "mutex"}, "parts": [{"base": {"windows": 5}}, {}]},
            "\ufeff" + json.dumps({"base": {**SHORT, "algorithm": "mutex"}}),
        ):
            read = matrix.read(self.matrix(document))
            self.assertEqual(len(matrix.points(read, real)), 1)

    def test_a_condition_sees_what_is_not_spelled_out(self):
        document = {"base": SHORT, "axes": {"algorithm": ["mutex", "eleda"]}, "skip": [{"threads": 1, "algorithm": "mutex"}]}
        self.assertEqual([c.effective["algorithm"] for c in self.cells(document)], ["eleda"])

    def test_a_condition_on_another_machines_threads_is_none_here(self):
        document = {"base": SHORT, "axes": {"algorithm": ["mutex"], "threads": "powers of two"}, "skip": [{"threads": 2048}]}
        self.assertEqual(len(self.cells(document)), 8)

    def test_true_is_not_1(self):
        document = {"base": {**SHORT, "algorithm": "mutex"}, "axes": {"oversubscribe": [True]}, "skip": [{"oversubscribe": 1}]}
        with self.assertRaisesRegex(RequestError, "oversubscribe = 1"):
            self.cells(document)

    def test_skipped_combinations_are_left_out(self):
        document = {
            "base": SHORT,
            "axes": {"algorithm": "all", "threads": [1, 2]},
            "skip": [{"algorithm": ["bound", "eleda"], "threads": 2}],
        }
        found = {(c.configuration["algorithm"], c.configuration["threads"]) for c in self.cells(document)}
        self.assertEqual(len(found), 6)
        self.assertFalse({("bound", 2), ("eleda", 2)} & found)

    def test_parts_share_what_stands_above_them(self):
        document = {
            "base": {"algorithm": "mutex", "windows": 7},
            "parts": [{"base": SHORT}, {"base": {"workload": "ycsb", "ycsb": {"mix": "A"}}, "axes": {"ycsb.mix": ["B", "F"]}}],
        }
        found = [c.configuration for c in self.cells(document, directory="/data")]
        self.assertEqual(len(found), 3)
        for configuration in found:
            is_ycsb = configuration["workload"] == "ycsb"
            self.assertEqual(configuration["windows"], 7 if is_ycsb else 2)
            self.assertEqual(configuration.get("engine"), {"directory": "/data"} if is_ycsb else None)
        self.assertEqual({c["ycsb"]["mix"] for c in found if "ycsb" in c}, {"B", "F"})


if __name__ == "__main__":
    unittest.main()
