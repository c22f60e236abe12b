"""scripts/sweep.py with the real executable: every cell once, resumed where it stopped, nothing half-written."""

import json
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import project  # first: it finds scripts/

from lab import matrix
from lab import results
from project import PYTHON, ROOT

SHORT = {"workload": "append", "warmup_s": 0.01, "window_s": 0.02, "windows": 2, "log_buffer": {"capacity": 65536}}
ALGORITHMS = [
    {"name": "bound", "unsafe": True, "stalls_on_idle": False},
    {"name": "mutex", "unsafe": False, "stalls_on_idle": False},
    {"name": "border_collie_naive", "unsafe": False, "stalls_on_idle": True},
    {"name": "eleda", "unsafe": False, "stalls_on_idle": False},
]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"

    def matrix(self, document):
        path = self.folder / "matrix.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    def command(self, document, out=None, muster=project.MUSTER):
        path = self.matrix(document)
        return [PYTHON, "-B", ROOT / "scripts/sweep.py", path, "--out", out or self.out, "--muster", muster]

    def sweep(self, document, **where):
        return project.run(*self.command(document, **where), cwd="/")

    def written(self):
        return {path.name: path.stat().st_mtime_ns for path in self.out.iterdir()}


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
        first, second, third = sorted(before)
        (self.out / first).write_text('{"schema": 1', encoding="utf-8")
        other = json.loads((self.out / second).read_text(encoding="utf-8"))
        other["muster"]["git_commit"] = "0" * 40
        (self.out / second).write_text(json.dumps(other), encoding="utf-8")
        done = self.sweep(document)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 runs, 1 kept", done.stdout)
        self.assertEqual(self.written()[third], before[third])
        self.assertEqual(len(results.load_all(self.out)), 3)

    def test_an_interrupt_keeps_what_is_complete_and_the_same_command_goes_on(self):
        document = {"base": {**SHORT, "windows": 20}, "axes": {"algorithm": ["mutex", "border_collie"]}, "repetitions": 3}
        sweep = subprocess.Popen(
            self.command(document), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up and not (self.out.is_dir() and list(self.out.glob("append-*.json"))):
            time.sleep(0.01)
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

    def test_a_cell_that_fails_is_said_and_the_others_run(self):
        document = {
            "base": {**SHORT, "algorithm": "mutex"},
            "axes": {"append.bytes": [120, 1 << 20]},  # the second does not fit into the ring
            "repetitions": 2,
        }
        done = self.sweep(document)
        self.assertEqual(done.returncode, 1)
        self.assertIn("append.bytes", done.stderr)
        self.assertIn("1 runs failed", done.stderr)
        self.assertEqual(len(results.load_all(self.out)), 2)
        self.assertEqual([name for name in self.written() if name.startswith(".")], [])

    def test_a_result_that_does_not_fit_the_schema_is_an_error(self):
        fake = self.folder / "muster"
        # The real one but for `run`, which leaves something else.
        fake.write_text(
            f'#!/bin/bash\n[ "$1" = run ] || exec {project.MUSTER} "$@"\n'
            'while [ "$1" != --out ]; do shift; done\necho \'{"schema": 2}\' >"$2"\n',
            encoding="utf-8",
        )
        fake.chmod(0o755)
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

    def test_two_sweeps_into_one_folder_are_refused(self):
        self.out.mkdir()
        holder = subprocess.Popen(["flock", "--exclusive", self.out, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            holder.stdin.write(b"held\n")
            holder.stdin.flush()
            self.assertEqual(holder.stdout.read(5), b"held\n")
            done = self.sweep({"base": {**SHORT, "algorithm": "mutex"}})
        finally:
            holder.communicate()
        self.assertEqual(done.returncode, 3)
        self.assertIn("another sweep", done.stderr)


class BadMatrix(Folder):
    def test_each_mistake_is_one_line_with_key_and_value(self):
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
            ({"base": {"workload": "append"}}, ["base.algorithm", "axis"]),
            ({**good, "skip": [{"algorithm": "mutex"}]}, ["skip", "at least one"]),
            ({**good, "parts": [{"bass": {}}]}, ["parts[0].bass", "base"]),
        ):
            with self.subTest(document=str(document)):
                done = self.sweep(document)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertFalse(self.out.exists())


class Order(Folder):
    machine = matrix.Machine(units=256, algorithms=ALGORITHMS)

    def cells(self, document, **options):
        return matrix.cells(matrix.read(self.matrix(document)), self.machine, **options)

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

    def test_words_stand_for_what_the_machine_has(self):
        axes = {"algorithm": "engine", "threads": "powers of two"}
        found = self.cells({"base": SHORT, "axes": axes})
        self.assertEqual({c.configuration["algorithm"] for c in found}, {"mutex", "eleda"})
        threads = sorted({c.configuration["threads"] for c in found})
        self.assertEqual(threads, [1, 4, 8, 16, 32, 64, 128, 256])  # eight points at most

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
