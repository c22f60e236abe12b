"""scripts/history: change points of made-up series, and folders of results of many commits."""

import gzip
import json
import random
import tempfile
import unittest
from pathlib import Path

import project
import samples
from project import PYTHON, ROOT

from lab import history

COMMITS = [f"{i:040x}" for i in range(1, 41)]


def series(values):
    return history.Series("made up", COMMITS[: len(values)], [[value] for value in values])


def noise(seed, count=40, spread=0.02):
    chance = random.Random(seed)
    return [1e6 * chance.lognormvariate(0, spread) for _ in range(count)]


class ChangePoints(unittest.TestCase):
    def test_a_step_is_found_within_one_place(self):
        for seed in range(10):
            at = 8 + 2 * seed
            values = [rate * (0.93 if i >= at else 1) for i, rate in enumerate(noise(seed))]
            one = series(values)
            history.find_changes(one, 0.03)
            self.assertEqual(len(one.changes), 1, (seed, one.changes))
            self.assertLessEqual(abs(one.changes[0].at - at), 1)
            self.assertAlmostEqual(one.changes[0].ratio, 0.93, delta=0.02)

    def test_a_fall_and_a_rise_are_two(self):
        values = [rate * (0.9 if 12 <= i < 25 else 1) for i, rate in enumerate(noise(3))]
        one = series(values)
        history.find_changes(one, 0.03)
        self.assertEqual([change.at for change in one.changes], [12, 25])
        self.assertLess(one.changes[0].ratio, 0.97)
        self.assertGreater(one.changes[1].ratio, 1.03)

    def test_noise_has_a_change_as_rarely_as_is_said(self):
        """Before the threshold, which only takes changes away: 1 of 100 series is expected, 3 are likely enough."""
        found = sum(bool(history.change_points(noise(seed, count=20), seed)) for seed in range(100))
        self.assertLessEqual(found, 3)

    def test_a_change_below_the_threshold_is_not_told(self):
        values = [rate * (0.98 if i >= 20 else 1) for i, rate in enumerate(noise(1, spread=0.002))]
        one = series(values)
        self.assertEqual([at for at, _ in history.change_points(one.medians())], [20])
        history.find_changes(one, 0.03)
        self.assertEqual(one.changes, [])

    def test_fewer_commits_than_enough_show_no_change(self):
        for count, changes in ((history.ENOUGH - 1, 0), (history.ENOUGH + 2, 1)):
            values = [1.0 + i / 1000 if i < count // 2 else 2.0 + i / 1000 for i in range(count)]
            self.assertEqual(len(history.change_points(values)), changes, count)

    def test_equal_values_have_no_change(self):
        self.assertEqual(history.change_points([5.0] * 30), [])


class Command(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "history"
        self.folder.mkdir()

    def document(self, commit, rate, **keys):
        made = samples.result(rate=rate, **keys)
        made["muster"]["git_commit"] = commit
        made["time"] = f"2026-11-29T00:00:{COMMITS.index(commit):02}Z"
        return made

    def fill(self, packed=False):
        """Sixteen commits, two of them with ten percent less from the ninth on."""
        for i, commit in enumerate(COMMITS[:16]):
            found = [
                self.document(commit, 1e6 * (0.9 if i >= 8 and name == "mutex" else 1), algorithm=name, seed=seed)
                for name in ("mutex", "border_collie")
                for seed in (1, 2, 3)
            ]
            if packed:
                lines = [json.dumps({"name": str(j), "result": one}) + "\n" for j, one in enumerate(found)]
                (self.folder / f"{i}.jsonl.gz").write_bytes(gzip.compress("".join(lines).encode()))
            else:
                (self.folder / str(i)).mkdir()
                for j, one in enumerate(found):
                    (self.folder / str(i) / f"{j}.json").write_text(json.dumps(one))

    def run_it(self, *words):
        return project.run(PYTHON, "-B", ROOT / "scripts/history", self.folder, *words)

    def test_folders_and_packed_files_alike(self):
        self.fill()
        loose = self.run_it()
        self.assertEqual((loose.returncode, loose.stderr), (0, ""))
        self.assertIn("16 commits, as they were measured: git does not know all of them; 2 series, 1 of them with changes", loose.stdout)
        rows = loose.stdout.splitlines()[2:]
        self.assertEqual(len(rows), 1, loose.stdout)
        self.assertIn("mutex, 1 thread", rows[0])
        self.assertTrue(any(COMMITS[i][:12] in rows[0] for i in (7, 8, 9)), rows)
        for path in self.folder.iterdir():
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
        self.fill(packed=True)
        self.assertEqual(self.run_it().stdout, loose.stdout)

    def test_a_series_goes_on_when_a_key_is_added(self):
        for i, commit in enumerate(COMMITS[:4]):
            made = self.document(commit, 1e6)
            if i < 2:
                del made["configuration"]["log_buffer"]["hop_bits"]
            (self.folder / f"{i}.json").write_text(json.dumps(made))
        self.assertEqual([len(one.commits) for one in history.read(self.folder).series], [4])

    def test_a_figure(self):
        self.fill()
        done = self.run_it("--out", self.folder.parent / "figure")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        svg = (self.folder.parent / "figure.svg").read_text()
        self.assertIn("<svg", svg)
        self.assertIn(f"figure: {self.folder.parent / 'figure.png'}", done.stdout)

    def test_commits_stand_as_git_has_them(self):
        repository = self.folder.parent / "repository"
        repository.mkdir()
        git = ["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b.c"]
        project.run(*git, "init", "--quiet")
        commits = []
        for i in range(3):
            project.run(*git, "commit", "--quiet", "--allow-empty", "--message", str(i))
            commits.append(project.run(*git, "rev-parse", "HEAD").stdout.strip())
        for i, commit in enumerate(commits):
            made = samples.result()
            made["muster"]["git_commit"] = commit
            made["time"] = f"2026-11-29T00:00:0{9 - i}Z"  # measured backwards
            (self.folder / f"{i}.json").write_text(json.dumps(made))
        found = history.read(self.folder, repository)
        self.assertEqual((found.commits, found.order), (commits, "as git has them"))
        done = self.run_it("--repository", repository)
        self.assertIn("1 series have fewer than", done.stdout)

    def test_what_cannot_be_used_is_named_and_skipped(self):
        self.fill()
        (self.folder / "0/broken.json").write_text("{")
        changed = samples.result()
        changed["muster"]["git_commit"] = COMMITS[0] + "-dirty"
        (self.folder / "0/changed.json").write_text(json.dumps(changed))
        done = self.run_it()
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^history: skipped: .*broken\.json: not a result")
        self.assertRegex(done.stderr, r"(?m)^history: skipped: changed\.json: commit = .*-dirty: want one without changes")
        self.assertIn("1 of them with changes", done.stdout)

    def test_help_names_the_command_for_histories_of_transactions(self):
        self.assertIn("muster history check", self.run_it("--help").stdout)

    def test_mistakes_are_one_line_and_code_2(self):
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^history: .*holds no results.*\n$")
        for i, units in enumerate((2, 4)):
            made = self.document(COMMITS[i], 1e6)
            made["machine"]["processing_units"] = units
            (self.folder / f"{i}.json").write_text(json.dumps(made))
        done = self.run_it()
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^history: .*results of more than one machine.*\n$")


if __name__ == "__main__":
    unittest.main()
