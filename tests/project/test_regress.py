"""The gate: blocks and verdicts of made-up machines, builds of a small repository, and real runs of one executable."""

import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import project
from project import MUSTER, PYTHON, ROOT

from lab import builds, gate, gate_report, honesty, planted, statistics
from lab.command import MachineError, RequestError

REGRESS = ROOT / "scripts/regress"
POINTS = [gate.Point(f"point {i}", json.dumps({"workload": "append", "threads": i + 1})) for i in range(4)]


def machine(noise, slowdown=None, drift=0.0, seed=1):
    """A rate() of runs that scatter by `noise`; slowdown: {point: share} of the new build; a machine that drifts."""
    chance = random.Random(seed)
    runs = 0

    def rate(arm, point, _seed):
        nonlocal runs
        runs += 1
        share = (slowdown or {}).get(point, 0) if arm == "new" else 0
        return 1e6 * (1 - share) * (1 + drift) ** runs * chance.lognormvariate(0, noise)

    return rate


class Blocks(unittest.TestCase):
    def test_each_arm_has_two_runs_of_a_block_around_one_middle(self):
        runs = []
        gate.measure(POINTS[:1], lambda arm, *_: runs.append(arm) or 1.0, blocks=40, seed=3)
        orders = {tuple(runs[i : i + 6]) for i in range(0, len(runs), 6)}
        self.assertTrue(all(order == order[::-1] and set(order) == set(gate.ARMS) for order in orders))
        self.assertEqual(len(orders), 6, "every order of three arms is drawn")

    def test_a_machine_that_drifts_makes_no_difference(self):
        logs = gate.measure(POINTS, machine(noise=0, drift=0.001), blocks=8, seed=1)
        for finding in gate.judge(logs, 0.03):
            self.assertAlmostEqual(finding.ratio, 1, places=9)
            self.assertAlmostEqual(finding.again, 1, places=9)

    def test_one_slow_point_of_many_can_pass_the_correction(self):
        for count in (1, 4, 12, 100):
            blocks = gate.blocks_for(count)
            least = statistics.sign_flip([-0.1] * min(blocks, statistics.EXACT_BLOCKS_MAX))
            adjusted = statistics.benjamini_hochberg([least] + [1.0] * (count - 1))
            self.assertLessEqual(adjusted[0], gate.ALPHA, count)


class Verdicts(unittest.TestCase):
    def compare(self, rate, threshold=0.03, seed=1):
        return gate.compare(POINTS, rate, threshold, seed)

    def test_a_slow_point_is_found_and_no_other(self):
        outcome = self.compare(machine(0.01, {POINTS[2]: 0.10}))
        self.assertEqual([finding.point for finding in outcome.slower()], [POINTS[2]])
        self.assertAlmostEqual(outcome.slower()[0].ratio, 0.90, delta=0.02)

    def test_less_than_the_threshold_is_not_slower_however_sure(self):
        outcome = self.compare(machine(0.001, dict.fromkeys(POINTS, 0.02)))
        self.assertEqual([finding.verdict for finding in outcome.findings], ["not slower"] * 4)
        self.assertTrue(all(finding.p < 0.05 for finding in outcome.findings))

    def test_what_is_slower_once_passes(self):
        first_runs = gate.runs_of(POINTS, gate.blocks_for(len(POINTS)))
        slow, fast, runs = machine(0.01, {POINTS[0]: 0.10}), machine(0.01), []

        def rate(*what):
            runs.append(what)
            return (slow if len(runs) <= first_runs else fast)(*what)

        outcome = self.compare(rate)
        self.assertEqual([finding.verdict for finding in outcome.findings].count("slower"), 1)
        self.assertEqual(outcome.slower(), [])
        self.assertEqual({point for _, point, _ in runs[first_runs:]}, {POINTS[0]}, "only what seemed slower is run again")
        document = gate_report.document(outcome, "BASE", "NEW", 0.03)
        self.assertEqual(document["points"][0]["verdict"], "cannot tell")

    def test_faster_and_cannot_tell(self):
        outcome = self.compare(machine(0.01, {POINTS[1]: -0.10}))
        self.assertEqual(outcome.findings[1].verdict, "faster")
        wild = self.compare(machine(0.5))
        self.assertIn("cannot tell", {finding.verdict for finding in wild.findings})

    def test_few_comparisons_of_a_build_with_itself_call_anything_slower(self):
        outcomes = [self.compare(machine(0.05, seed=i), threshold=0.001, seed=i) for i in range(200)]
        once = sum(any(f.verdict == "slower" for f in outcome.findings) for outcome in outcomes)
        twice = sum(bool(outcome.slower()) for outcome in outcomes)
        self.assertLessEqual(once, 20, "the correction alone holds 5 %, half of it on the slower side")
        self.assertLessEqual(twice, 2)

    def test_the_interval_holds_the_truth_as_often_as_it_says(self):
        chance = random.Random(5)
        held = 0
        for _ in range(400):
            low, high = statistics.sign_flip_interval([chance.gauss(0.2, 1) for _ in range(10)])
            held += low <= 0.2 <= high
        self.assertTrue(0.92 <= held / 400 <= 0.98, held)
        self.assertEqual(statistics.sign_flip_interval([0.1, 0.2]), (-float("inf"), float("inf")))


class Report(unittest.TestCase):
    def test_what_matters_first_and_the_noise_floor(self):
        outcome = gate.compare(POINTS, machine(0.01, {POINTS[3]: 0.2}), 0.03, 1)
        document = gate_report.document(outcome, "BASE abc", "NEW def", 0.03)
        text = gate_report.as_text(document)
        self.assertTrue(text.splitlines()[1].startswith("point 3"), text)
        self.assertIn("NEW def against BASE abc: slower by more than 3.0%, twice: point 3", text)
        self.assertRegex(text, r"noise floor: base against itself differs by \d")
        markdown = gate_report.as_markdown(document)
        self.assertEqual(len([line for line in markdown.splitlines() if line.startswith("| point ")]), 5, "a head and 4")
        json.loads(gate_report.as_json(document))


SMALL = """cmake_minimum_required(VERSION 3.22)
project(small LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(muster main.cpp)
"""


class Builds(unittest.TestCase):
    """A repository whose `muster` is one line of C++."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.repository = Path(cls.scratch.name) / "repository"
        cls.repository.mkdir()
        cls.git("init", "--quiet")
        (cls.repository / "CMakeLists.txt").write_text(SMALL)
        cls.commits = [cls.commit_of(source) for source in ("int main() { return 5; }", "int main() { return 6; }", "int main(")]

    @classmethod
    def git(cls, *words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = project.run("git", "-C", cls.repository, *identity, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @classmethod
    def commit_of(cls, source):
        (cls.repository / "main.cpp").write_text(source)
        cls.git("add", "--all")
        cls.git("commit", "--quiet", "--message", source)
        return cls.git("rev-parse", "HEAD")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.said = []

    def cache(self):
        return builds.Cache(self.folder.name, self.repository, self.said.append)

    def test_commits_are_built_once_and_alike(self):
        with self.cache() as cache:
            five, six = (cache.executable(commit) for commit in self.commits[:2])
            self.assertEqual([project.run(five).returncode, project.run(six).returncode], [5, 6])
            self.assertEqual(cache.executable(self.commits[0]), five)
            self.assertEqual(len(self.said), 2)
            first = five.read_bytes()
            five.unlink()
            five.parent.rmdir()
            self.assertEqual(cache.executable(self.commits[0]).read_bytes(), first, "the same source, the same bytes")
        self.assertEqual(self.git("worktree", "list").count("\n"), 0, "no worktree is left")
        self.assertFalse((Path(self.folder.name) / "tree").exists())

    def test_a_change_is_built_under_a_name_of_its_own(self):
        def change(tree):
            (tree / "main.cpp").write_text("int main() { return 7; }")

        with self.cache() as cache:
            self.assertEqual(project.run(cache.executable(self.commits[0], change, "changed")).returncode, 7)
            self.assertEqual(project.run(cache.executable(self.commits[0])).returncode, 5)

    def test_the_cache_is_bounded(self):
        with self.cache() as cache:
            for i in range(builds.KEPT_MAX + 2):
                old = cache.folder / f"old{i}"
                old.mkdir()
                (old / "muster").touch()
                os.utime(old, (i, i))
            cache.executable(self.commits[0])
            kept = {path.parent.name for path in cache.folder.glob("*/muster")}
        self.assertEqual(len(kept), builds.KEPT_MAX)
        self.assertIn(self.commits[0], kept)
        self.assertNotIn("old0", kept)

    def test_a_build_that_fails_is_one_line_with_the_log(self):
        with self.cache() as cache, self.assertRaises(builds.BuildError) as raised:
            cache.executable(self.commits[2])
        message = str(raised.exception)
        self.assertNotIn("\n", message)
        self.assertRegex(message, rf"^{self.commits[2][:12]} cannot be built: .*error: .* \[.*\.log\]$")
        self.assertEqual(raised.exception.code, 1)
        self.assertIn("main.cpp", Path(message[message.rindex("[") + 1 : -1]).read_text())

    def test_a_commit_that_is_none(self):
        with self.cache() as cache:
            for revision in ("nothing", "--all", ""):
                with self.assertRaisesRegex(RequestError, f"^BASE = {revision}: want a commit of this repository"):
                    cache.commit("BASE", revision)

    def test_another_repository_that_the_environment_names_is_not_asked(self):
        os.environ["GIT_DIR"] = "/nowhere"
        self.addCleanup(os.environ.pop, "GIT_DIR")
        with self.cache() as cache:
            self.assertEqual(cache.commit("BASE", "HEAD"), self.commits[2])

    def test_changes_that_are_not_committed_are_seen(self):
        with self.cache() as cache:
            self.assertFalse(cache.has_changes())
            self.addCleanup(self.git, "checkout", "--", "main.cpp")
            (self.repository / "main.cpp").write_text("int main() { return 8; }")
            self.assertTrue(cache.has_changes())

    def test_one_comparison_at_a_time(self):
        with self.cache(), self.assertRaisesRegex(MachineError, "another comparison uses it"):
            self.cache().__enter__()


class Command(unittest.TestCase):
    """scripts/regress over one executable that is there."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.matrix = Path(self.folder.name) / "matrix.json"
        self.write(append={"bytes": 120})

    def write(self, **keys):
        base = {"workload": "append", "algorithm": "mutex", "placement": "none", "windows": 2, "warmup_s": 0, "window_s": 0.1, **keys}
        self.matrix.write_text(json.dumps({"base": base}))

    def command(self, *words):
        return [PYTHON, "-B", REGRESS, "--cache", f"{self.folder.name}/cache", "--matrix", self.matrix, *words]

    def run_it(self, *words):
        return project.run(*self.command(*words))

    def test_a_build_against_itself(self):
        out = Path(self.folder.name) / "found.json"
        # Nothing is judged by the clock here: a loss of 99 % is accepted.
        done = self.run_it("--executables", MUSTER, MUSTER, "--threshold", "99", "--json", out, "--markdown", f"{out}.md")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"1 points, 8 blocks of each, 48 runs, about")
        self.assertIn("nothing is slower", done.stdout)
        self.assertEqual(len(json.loads(out.read_text())["points"]), 1)
        self.assertIn("| point |", Path(f"{out}.md").read_text())

    def test_mistakes_are_one_line_and_code_2(self):
        for words, line in (
            ([], r"want one of: BASE \[NEW\], --executables BASE NEW"),
            (["HEAD", "--executables", MUSTER, MUSTER], "want one of"),
            (["no_such_commit"], "BASE = no_such_commit: want a commit of this repository"),
            (["HEAD", "nor_this"], "NEW = nor_this: want a commit"),
            (["--executables", MUSTER, "/nowhere"], "--executables = /nowhere: want a file"),
        ):
            done = self.run_it(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertRegex(done.stderr, rf"^regress: {line}.*\n$")

    def test_a_key_that_no_build_knows(self):
        self.write(append={"bites": 120})
        done = self.run_it("--executables", MUSTER, MUSTER)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"^regress: BASE .*, append mutex: append\.bites = 120: want a known key.*\n$")

    def test_a_key_that_a_build_does_not_know(self):
        base = Path(self.folder.name) / "base"
        refusal = '[[ "$*" != *append.bytes* ]] || { echo "append.bytes = 120: want a known key" >&2; exit 2; }'
        base.write_text(f'#!/bin/bash\n{refusal}\nexec {MUSTER} "$@"\n')
        base.chmod(0o755)
        done = self.run_it("--executables", base, MUSTER)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"^regress: BASE .*append\.bytes.*\n$")

    def test_a_comparison_that_is_killed_leaves_no_run_behind(self):
        self.write(window_s=60)
        process = subprocess.Popen(
            [str(word) for word in self.command("--executables", MUSTER, MUSTER)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        run = self.wait_for(lambda: self.children(process.pid))[0]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.wait_for(lambda: not Path(f"/proc/{run}").exists() or "Z" in Path(f"/proc/{run}/stat").read_text().split()[2])

    @staticmethod
    def children(pid):
        found = project.run("ps", "--ppid", pid, "-o", "pid=,args=").stdout.splitlines()
        return [line.split()[0] for line in found if " run --set" in line]

    def wait_for(self, condition):
        end = time.monotonic() + 60
        while not (value := condition()):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        return value


class Workflows(unittest.TestCase):
    def test_options_that_they_name_are_there(self):
        options = project.run(PYTHON, "-B", REGRESS, "--help").stdout
        for path in (".github/workflows/regress.yml", "scripts/ci.md"):
            commands = re.findall(r"scripts/regress (?:\\\n|[^\n`])*", (ROOT / path).read_text())
            named = [word for command in commands for word in re.findall(r"(?<= )--[a-z]+", command)]
            self.assertGreater(len(named), 2, path)
            for option in named:
                self.assertIn(option, options, path)


class Honesty(unittest.TestCase):
    def test_trials_come_mixed(self):
        due = honesty.trials(200, 40)
        self.assertEqual(len(due), len(set(due)), 320)
        for upto in (8, 80, 160):
            counts = [sum(trial.level == level for trial in due[:upto]) for level in (0, *honesty.LEVELS)]
            self.assertEqual(counts, [upto * 5 // 8] + [upto // 8] * 3)

    def test_a_file_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gate/trials.jsonl"
            record = honesty.Record(path, {"commit": "a"})
            record.add({"calibration": {"x": 1}})
            record.add({"trial": 3, "planted": 0.05})
            with open(path, "a", encoding="utf-8") as file:
                file.write('{"trial": 4, "pla')  # killed while it wrote
            again = honesty.Record(path, {"commit": "a"})
            self.assertEqual((again.done, again.calibration), ({honesty.Trial(0.05, 3)}, {"x": 1}))
            again.add({"trial": 4, "planted": 0.05})
            self.assertEqual(len(honesty.read(path)), 4)
            with self.assertRaisesRegex(RequestError, "want a file of this commit"):
                honesty.Record(path, {"commit": "b"})

    def test_the_report_counts_what_the_trials_hold(self):
        shown = [[point.title, point.shown()] for point in POINTS]
        machine_of = {"cpu_model": "made up", "processing_units": 2, "kernel": "none"}
        header = {"command": "x", "commit": "a" * 40, "machine": machine_of, "matrix": shown, "threshold": 0.03, "blocks": 10}
        with tempfile.TemporaryDirectory() as folder:
            record = honesty.Record(Path(folder) / "trials.jsonl", header)
            levels = [[level, 1] for level in honesty.LEVELS]
            line = {"without": 1.0, "long": 9, "with_long": 1.3, "loops": levels}
            record.add({"calibration": {point.title: line for point in POINTS}})
            for trial in honesty.trials(10, 2):
                point = POINTS[trial.number] if trial.level else None
                outcome = gate.compare(POINTS, machine(0.004, {point: trial.level}, seed=str(trial)), 0.03, str(trial))
                if trial == honesty.Trial(0.0, 3):  # one false alarm
                    outcome.second = outcome.findings[:1]
                    outcome.second[0].verdict = "slower"
                record.add({**honesty.entry_of(trial, point, outcome), "began": 0, "seconds": 20.0})
            out = Path(folder) / "out"
            words = ["--report", "--trials", record.path, "--out", out]
            done = project.run(PYTHON, "-B", ROOT / "scripts/gate_honesty", *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            readme = (out / "README.md").read_text()
            self.assertLessEqual(len(readme.splitlines()), 60)
            self.assertRegex(readme, r"(?m)^\| 0% \| 10 \| 1 \| 1 \| 10\.0% \|")
            self.assertRegex(readme, r"(?m)^\| 10% \| 2 \| 2 \| 2 \| 100\.0% \| 34\.2% to 100\.0% \| 0\.\d+ .*\| 0 \|$")
            self.assertRegex(readme, r"(?m)^\| point 0 \| ±0\.\d% \| 1 \| [01] of 1 \|")
            self.assertIn("<svg", (out / "gate.svg").read_text())
            self.assertEqual(len(honesty.read(out / "trials.jsonl.gz")), 18)
            empty = project.run(PYTHON, "-B", ROOT / "scripts/gate_honesty", "--report", "--trials", Path(folder) / "none")
            self.assertEqual(empty.returncode, 2)
            self.assertRegex(empty.stderr, r"^gate_honesty: --trials = .*none: want .*\n$")

    def test_the_slowdown_fits_into_this_source(self):
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            for name in ("algorithms/border_collie.h", "engine/txn/transaction_session.cpp"):
                (tree / name).parent.mkdir(parents=True)
                (tree / name).write_text((ROOT / name).read_text())
            planted.plant(tree)
            self.assertIn("planted::burn(planted::append_loops)", (tree / "algorithms/border_collie.h").read_text())
            with self.assertRaisesRegex(ValueError, "2 places"):
                (tree / "algorithms/border_collie.h").write_text(
                    "void publish(WorkerId, const Reservation&) {}\nvoid publish(WorkerId, const Reservation&) {}"
                )
                planted.plant(tree)


if __name__ == "__main__":
    unittest.main()
