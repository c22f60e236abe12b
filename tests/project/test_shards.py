"""scripts/sweep.py --shard: a sweep that several servers share; and what reads results of several hosts."""

import json
import re
import subprocess
import unittest
from collections import Counter

import project
import samples
import test_sweep
from lab import shards
from lab.command import RequestError
from project import PYTHON, ROOT
from test_sweep import SHORT, wait_until

MATRIX = {"base": SHORT, "axes": {"algorithm": ["mutex", "bound"], "append.bytes": [48, 120, 480]}, "repetitions": 2}


class Division(test_sweep.Folder):
    cells = test_sweep.Order.cells

    def test_every_run_is_in_one_shard_and_what_is_compared_is_together(self):
        axes = {"algorithm": "all", "threads": [1, 2, 4, 8, 16], "append.bytes": [48, 120]}
        document = {"base": SHORT, "axes": axes, "repetitions": 3}
        cells = self.cells(document)
        for count in (1, 2, 3, 7, 10, 11, 30, 31, 120, 121, 500):
            with self.subTest(count=count):
                parts = shards.divided(cells, count, lambda cell: 1)
                names = [cell.name for part in parts for cell in part]
                self.assertEqual((len(parts), Counter(names)), (count, Counter(cell.name for cell in cells)))
                again = shards.divided(self.cells(document), count, lambda cell: 1)
                self.assertEqual([[cell.name for cell in part] for part in again], [[cell.name for cell in part] for part in parts])
                sizes = [len(part) for part in parts]
                self.assertLessEqual(max(sizes) - min(sizes), 12 if count <= 10 else 4 if count <= 30 else 1)
                for part in parts:
                    order = [cells.index(cell) for cell in part]
                    self.assertEqual(order, sorted(order))
                    together = Counter(_of_one_point(cell, whole=count <= 10) for cell in part)
                    self.assertLessEqual(set(together.values()), {12 if count <= 10 else 4} if count <= 30 else {1, 2, 3, 4})

    def test_long_points_are_spread(self):
        cells = self.cells({"base": {**SHORT, "algorithm": "mutex"}, "axes": {"windows": [1, 2, 3, 4, 99, 100]}})
        parts = shards.divided(cells, 2, lambda cell: cell.configuration["windows"])
        loads = sorted(sum(cell.configuration["windows"] for cell in part) for part in parts)
        self.assertLessEqual(loads[1] - loads[0], 2)

    def test_a_shard_that_is_none_is_one_line(self):
        for wrong in ("0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/3", "", "1.5/2"):
            with self.subTest(wrong=wrong):
                with self.assertRaisesRegex(RequestError, "--shard = .*want i/n"):
                    shards.Shard.parse(wrong)


class Shards(test_sweep.Folder):
    def test_shards_at_once_in_one_folder_are_the_whole_sweep(self):
        self.matrix(MATRIX)
        running = [
            subprocess.Popen(self.command(MATRIX) + ["--shard", f"{i}/3"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for i in (1, 2, 3)
        ]
        for one in running:
            _, said = one.communicate()
            self.assertEqual((one.returncode, said), (0, ""))
        self.assertIn("12 of 12 runs are there, complete", self.status().stdout)
        done = self.sweep(MATRIX)
        self.assertIn("0 runs, 12 kept", done.stdout)

    def status(self):
        return project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", "status", self.out)

    def test_a_shard_keeps_results_of_another_host_and_a_sweep_does_not(self):
        self.assertEqual(self.sweep(MATRIX, "--shard", "1/2").returncode, 0)
        self.assertRegex(self.status().stdout, r"\d of 12 runs are there, not running, about \d s left")
        self.assertEqual(self.status().returncode, 4)
        for path in self.out.glob("append-*.json"):
            other = json.loads(path.read_text(encoding="utf-8"))
            self.assertRegex(other["machine"]["host_id"], "^[0-9a-f]{16}$")
            other["machine"].update(host_id="0123456789abcdef", cpu_model="Another processor")
            path.write_text(json.dumps(other), encoding="utf-8")
        before = self.written()
        done = self.sweep(MATRIX, "--shard", "2/2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        after = self.written()
        self.assertEqual({name: after[name] for name in before if name.startswith("append")}, {n: t for n, t in before.items() if n.startswith("append")})
        self.assertRegex(self.status().stdout, r"12 of 12 runs are there, complete\n.*the first of 2 hosts")
        done = self.sweep(MATRIX)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        path = next(self.out.glob("append-*.json"))
        other = json.loads(path.read_text(encoding="utf-8"))
        other["muster"]["build_id"] = "0" * 40
        path.write_text(json.dumps(other), encoding="utf-8")
        done = self.sweep(MATRIX, "--shard", "2/2")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("build_id", done.stderr)

    def test_a_shard_of_other_runs_is_refused(self):
        self.assertEqual(self.sweep(MATRIX, "--shard", "1/2").returncode, 0)
        for other in ({**MATRIX, "repetitions": 3}, {**MATRIX, "axes": {**MATRIX["axes"], "append.bytes": [48, 120]}}):
            done = self.sweep(other, "--shard", "2/2")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(".plan-1-of-2.json", done.stderr)

    def test_words_count_the_units_that_are_said(self):
        one = {"base": {**SHORT, "algorithm": "mutex"}, "axes": {"threads": "powers of two"}}
        self.assertIn("1 points", self.sweep(one, "--dry-run", "--units", "1").stdout)

    def test_one_shard_runs_once_and_the_whole_waits_for_it(self):
        document = {"base": {**SHORT, "windows": 1000, "algorithm": "mutex"}}
        first = subprocess.Popen(self.command(document) + ["--shard", "1/1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(first.communicate)
        self.addCleanup(first.kill)
        wait_until(lambda: self.out.is_dir() and list(self.out.glob(".plan-*")))
        for options in (["--shard", "1/1"], []):
            done = self.sweep(document, *options)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
            self.assertIn("another sweep", done.stderr)

    def test_what_slurm_does_not_take_is_one_line_and_leaves_nothing(self):
        for options, word in (
            (["--nodes", "2"], "--nodes: only with --slurm"),
            (["--slurm", "--shard", "1/2"], "--points"),
            (["--slurm", "--budget", "8h"], "--sbatch=--time"),
            (["--slurm", "--sbatch=--array=1-7"], "--array is set here"),
            (["--slurm", "--sbatch=-pshort"], "long option"),
            (["--slurm", "--nodes", "0"], "--nodes"),
        ):
            with self.subTest(options=options):
                done = self.sweep(MATRIX, *options)
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
                self.assertIn(word, done.stderr)
                self.assertFalse(self.out.exists())
        done = project.run(*self.command(MATRIX, "--slurm"), env={"PATH": "/nowhere"})
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
        self.assertIn("--shard", done.stderr)
        done = project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", "cancel", self.folder)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_a_submission_can_be_tried_dry(self):
        done = self.sweep(MATRIX, "--slurm", "--dry-run", "--points", "2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"12 runs.*\nsweep: 2 jobs, the longest about \d s\n\Z")


def _of_one_point(cell, whole):
    """What tells a point, or one repetition of it, from others: all but the algorithm."""
    configuration = cell.configuration
    return configuration["threads"], configuration["append"]["bytes"], None if whole else cell.repetition


HOSTS = ("0123456789abcdef", "fedcba9876543210")


class Hosts(test_sweep.Folder):
    """What reads results of two hosts."""

    def write(self, name, change=lambda machine: None, rate=1e6):
        folder = self.folder / name
        folder.mkdir()
        for i, host in enumerate(HOSTS):
            for algorithm in ("mutex", "bound"):
                for seed in (1, 2, 3, 4, 5):
                    found = samples.result("append", algorithm, 1 + i, seed, rate=rate * (1 + i))
                    found["machine"]["host_id"] = host
                    if i:
                        change(found["machine"])
                    (folder / f"{host}-{algorithm}-{seed}.json").write_text(json.dumps(found), encoding="utf-8")
        return folder

    def commands(self, folder):
        return [
            ["scripts/table.py", folder],
            ["scripts/compare", folder, folder],
            ["plots/throughput.py", folder, "--out", self.folder / "figure"],
            ["plots/plot.py", folder, "--x", "threads", "--y", "throughput", "--by", "algorithm", "--out", self.folder / "figure"],
        ]

    def test_two_hosts_are_refused_unless_grouped(self):
        folder, other = self.write("hosts"), self.write("others", rate=1.5e6)
        for words in self.commands(folder):
            with self.subTest(command=words[0]):
                if words[0] == "scripts/compare":
                    words[2] = other
                done = project.run(ROOT / words[0], *words[1:])
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                for word in ("host_id", *HOSTS, "--group-by host", "--group-by model"):
                    self.assertIn(word, done.stderr)
                done = project.run(ROOT / words[0], *words[1:], "--group-by", "model")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                extra = ["--by", "host", "--where", "algorithm=mutex"] if "plot.py" in words[0] else []
                done = project.run(ROOT / words[0], *words[1:], "--group-by", "host", *extra)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_unlike_machines_are_no_model(self):
        folder = self.write("hosts", lambda machine: machine.update(cpu_model="Another processor"))
        for words in self.commands(folder)[:1] + self.commands(folder)[2:]:
            done = project.run(ROOT / words[0], *words[1:], "--group-by", "model")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("Another processor", done.stderr)
            self.assertIn("--group-by host", done.stderr)

    def test_each_host_has_its_rows_and_its_machine_in_the_caption(self):
        folder = self.write("hosts", lambda machine: machine.update(cpu_model="Another processor"))
        done = project.run(ROOT / "scripts/table.py", folder, "--group-by", "host")
        for host in HOSTS:
            self.assertIn(f"host = {host[:8]}", done.stdout)
        done = project.run(ROOT / "scripts/table.py", folder, "--group-by", "host", "--where", f"host={HOSTS[1][:8]}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(HOSTS[0][:8], done.stdout)
        done = project.run(ROOT / "plots/throughput.py", folder, "--group-by", "host", "--out", self.folder / "figure")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = " ".join(re.findall(r"<!-- (.*?) -->", (self.folder / "figure.svg").read_text(encoding="utf-8")))
        for word in (f"host {HOSTS[0][:8]}: ", f"host {HOSTS[1][:8]}: Another processor"):
            self.assertIn(word, text)

    def test_a_comparison_by_host_compares_each_with_itself(self):
        base, new = self.write("base"), self.write("new", rate=0.5e6)
        done = project.run(ROOT / "scripts/compare", base, new, "--group-by", "host")
        self.assertEqual(done.returncode, 1, done.stderr)
        for host in HOSTS:
            self.assertRegex(done.stdout, f"slower +[^\n]*{host[:8]}")
        for path in new.glob(f"{HOSTS[1]}*"):
            path.unlink()
        done = project.run(ROOT / "scripts/compare", base, new, "--group-by", "host")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)


del test_sweep  # or its tests would run here again


if __name__ == "__main__":
    unittest.main()
