"""scripts/sweep.py --slurm against a real Slurm of one node, started here on loopback. scripts/test --all runs it."""

import json
import os
import signal
import tempfile
import time
import unittest
from pathlib import Path

import project  # first: it finds scripts/
import test_sweep
from lab import results
from one_node_slurm import OneNodeSlurm, missing
from project import PYTHON, ROOT
from test_sweep import SHORT, wait_until

ARRAY_MAX = 11  # ten tasks at most
MATRIX = {
    "base": {**SHORT, "windows": 15, "algorithm": "mutex"},
    "axes": {"append.bytes": [48, 120, 480, 1024], "threads": "one and all"},
}
LONG = {**MATRIX, "base": {**MATRIX["base"], "windows": 50}}
WHY_NOT = missing()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Slurm(test_sweep.Folder):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.slurm = OneNodeSlurm(folder.name, ARRAY_MAX)
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()

    def setUp(self):
        super().setUp()
        self.out = self.folder / "a sweep, 100 %"  # what a script must quote
        self.addCleanup(self.slurm.forget_jobs)

    def submit(self, document, *options):
        return project.run(*self.command(document, "--slurm", *options), env=self.slurm.environment(), cwd="/")

    def sweep_py(self, *words):
        return project.run(PYTHON, "-B", ROOT / "scripts/sweep.py", *words, env=self.slurm.environment())

    def wait_for_the_jobs(self):
        wait_until(lambda: not self.slurm.ask("squeue", "--noheader").stdout.strip(), limit_s=100)

    def said(self, name="collect"):
        return (self.out / f".slurm/{name}.out").read_text(encoding="utf-8")

    def array(self):
        """Its job's number."""
        return json.loads((self.out / ".slurm/jobs.json").read_text(encoding="utf-8"))["tasks"]

    def there(self):
        return {path.name for path in self.out.glob("append-*.json")}

    def refused(self, document, *options, code=2):
        done = self.submit(document, *options)
        self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (code, 1, ""), done.stderr)
        return done.stderr

    def test_an_array_runs_all_and_one_job_collects(self):
        done = self.submit(MATRIX, "--nodes", "1", "--points", "2", "--sbatch=--comment=of a user", "--host-name")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^sweep: 8 runs in 4 jobs, the longest about \d+ s: jobs \d+ and, collecting, \d+\n")
        self.assertIn("are still there", self.refused(MATRIX))
        shown = self.slurm.ask("scontrol", "show", "job").stdout
        self.assertIn("Comment=of a user", shown)
        self.assertIn("OverSubscribe=NO", shown)  # nodes for itself
        self.wait_for_the_jobs()
        self.assertEqual(self.sweep_py("status", self.out).returncode, 0)
        packed = self.folder / f"{self.out.name}{results.PACKED}"
        self.assertEqual(len(results.load_all(packed)), 8, self.said())
        hosts = {(r["machine"]["host_id"], r["machine"]["host_name"]) for r in results.load_all(packed)}
        self.assertEqual(len(hosts), 1)
        done = self.submit(MATRIX)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("0 runs, 8 kept", done.stdout)

    def test_a_task_that_is_killed_is_said_and_the_same_command_submits_what_is_left(self):
        self.assertEqual(self.submit(LONG).returncode, 0)
        wait_until(lambda: len(self.there()) == 1)
        self.slurm.ask("scancel", f"{self.array()}_2")
        self.wait_for_the_jobs()
        before = self.there()
        self.assertEqual(len(before), 7, before)
        self.assertIn("7 of 8 runs are there", self.said())
        self.assertFalse((self.folder / f"{self.out.name}{results.PACKED}").exists())
        self.assertEqual(self.sweep_py("status", self.out).returncode, 4)
        done = self.submit(LONG)
        self.assertIn("1 runs in 1 jobs", done.stdout)
        self.wait_for_the_jobs()
        self.assertEqual(len(results.load_all(self.folder / f"{self.out.name}{results.PACKED}")), 8)

    def test_cancelled_jobs_end_and_keep_what_is_complete(self):
        self.assertEqual(self.submit(LONG, "--points", "4").returncode, 0)
        wait_until(self.there)
        done = self.sweep_py("cancel", self.out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"jobs \d+ and, collecting, \d+: [23] cancelled; .*same command")
        self.wait_for_the_jobs()
        kept = self.there()
        self.assertTrue(0 < len(kept) < 8)
        self.assertFalse((self.folder / f"{self.out.name}{results.PACKED}").exists())
        self.assertIn("none left in Slurm", self.sweep_py("cancel", self.out).stdout)

    def test_a_node_that_is_lost_has_its_task_run_again(self):
        self.assertEqual(self.submit(LONG, "--points", "8").returncode, 0)
        wait_until(self.there)
        self.slurm.kill("slurmd")
        self.lose_power()
        kept = {path.name: path.stat().st_mtime_ns for path in self.out.glob("append-*.json")}
        wait_until(lambda: "down" in self.slurm.ask("sinfo", "-h", "--format=%T").stdout)
        self.assertEqual(self.sweep_py("status", self.out).returncode, 4)
        self.slurm.start_node()
        # The node takes back what it was allowed to run, in whole seconds: a task that begins within one of them is refused.
        time.sleep(3)
        self.slurm.ask("scontrol", "update", f"jobid={self.array()}", "starttime=now")  # it waits two minutes by itself
        self.wait_for_the_jobs()
        self.assertEqual(len(results.load_all(self.folder / f"{self.out.name}{results.PACKED}")), 8)
        now = {path.name: path.stat().st_mtime_ns for path in self.out.glob("append-*.json")}
        self.assertEqual({name: now[name] for name in kept}, kept)

    def lose_power(self):
        """All processes of the jobs stop before the first one dies: a parent that outlives its child would report it."""
        stopped = set()
        while found := set(self.processes_of_jobs()) - stopped:
            for pid in found:
                os.kill(pid, signal.SIGSTOP)
            stopped |= found
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)

    def processes_of_jobs(self):
        """On the node, with what Slurm runs there beside them."""
        wanted = f"SLURM_CONF={self.slurm.configuration}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                environment = (place / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            daemons = {child.pid for child in self.slurm.children.values()}
            if wanted in environment and int(place.name) not in daemons:
                found.append(int(place.name))
        return found

    def test_a_controller_that_dies_leaves_the_tasks_at_work(self):
        self.assertEqual(self.submit(LONG, "--points", "8").returncode, 0)
        wait_until(self.there)
        self.slurm.kill("slurmctld", signal.SIGTERM)
        try:
            self.assertIn("want a Slurm that answers", self.refused(LONG, code=3))
            self.assertIn("not known", self.sweep_py("status", self.out).stdout)
            done = self.sweep_py("cancel", self.out)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
            wait_until(lambda: len(self.there()) == 8)
        finally:
            self.slurm.start_controller()
        self.wait_for_the_jobs()
        self.assertEqual(len(results.load_all(self.folder / f"{self.out.name}{results.PACKED}")), 8)

    def test_what_slurm_refuses_is_one_line_of_its_words(self):
        self.assertIn("invalid partition specified: none", self.refused(MATRIX, "--sbatch=--partition=none"))
        many = {**MATRIX, "axes": {"append.bytes": list(range(48, 48 + ARRAY_MAX))}}
        self.assertIn("--points", self.refused(many))
        self.assertIn("unrecognized option", self.refused(MATRIX, "--sbatch=--colour=red"))


del test_sweep  # or its tests would run here again


if __name__ == "__main__":
    unittest.main()
