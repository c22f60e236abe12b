"""muster calibrate: its document fits the schema and can be true, whatever the clock says; and what draws it."""

import copy
import json
import pty
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import project
from lab import calibration
from lab.results import ResultError
from project import MUSTER, PYTHON, ROOT

POINT_S = "0.002"


class Calibrate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.path = cls.folder / "machine.json"
        done = project.run(MUSTER, "calibrate", "--seconds", POINT_S, "--out", cls.path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr  # progress is for terminals
        cls.found = calibration.load(cls.path)

    def test_every_pair_of_units_is_measured_both_ways(self):
        units = json.loads(project.run(MUSTER, "topology", "--json").stdout)["units"]
        self.assertEqual(self.found["units"], units)
        for kind, matrix in self.found["line_transfer_ns"].items():
            if matrix is None:
                continue
            for i, row in enumerate(matrix):
                for j, cell in enumerate(row):
                    self.assertEqual(cell is None, i == j, kind)
        handoff = self.found["line_transfer_ns"]["handoff"]
        self.assertEqual(handoff, [list(column) for column in zip(*handoff)])

    def test_quartiles_enclose_medians(self):
        seen = list(self.spreads(self.found))
        self.assertGreater(len(seen), 10)
        for spread in seen:
            self.assertTrue(0 < spread["q1"] <= spread["median"] <= spread["q3"], spread)

    def spreads(self, value):
        if isinstance(value, dict) and "median" in value:
            yield value
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from self.spreads(inner)

    def test_additions_are_of_1_to_all_units_and_shares_are_of_one_whole(self):
        count = len(self.found["units"])
        for series in self.found["fetch_add"]:
            self.assertEqual(sorted(series["units"]), [unit["number"] for unit in self.found["units"]])
            threads = [point["threads"] for point in series["points"]]
            self.assertEqual((threads[0], threads[-1], threads), (1, count, sorted(set(threads))))
            for point in series["points"]:
                self.assertTrue(point["least_share"] <= 1 / point["threads"] <= point["most_share"], point)

    def test_membarriers_are_of_as_many_threads_as_additions(self):
        points = self.found["membarrier_ns"]
        if points is None:
            self.skipTest("the kernel has no membarrier(2)")
        self.assertEqual([point["threads"] for point in points], [point["threads"] for point in self.found["fetch_add"][0]["points"]])

    def test_copies_are_of_every_core_and_node(self):
        copies = self.found["copy_bytes_per_s"]
        self.assertEqual(len({unit["core"] for unit in self.found["units"]}), len(copies["cores"]))
        self.assertEqual(len(copies["nodes"]), len(self.found["nodes"]))

    def test_a_terminal_sees_how_far_it_is(self):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [MUSTER, "calibrate", "--seconds", POINT_S], stdout=subprocess.DEVNULL, stderr=theirs, stdin=subprocess.DEVNULL
        )
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            said += more
        os.close(ours)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(said.decode(), r"1 of \d+ points, about \d+ s left")
        last = said.decode().rsplit("muster: ", 1)[1]
        done, of_all = last.split(" points")[0].split(" of ")
        self.assertEqual(done, of_all)

    def test_what_it_is_not_given_is_one_line(self):
        for words, code in (
            (["--seconds", "0"], 2),
            (["--seconds", "-1"], 2),
            (["--seconds", "nan"], 2),
            (["--seconds", "61"], 2),
            (["--seconds", "soon"], 2),
            (["--out", self.folder], 2),
            (["--out", "/proc/no/such/machine.json"], 3),
            (["now"], 2),
        ):
            with self.subTest(words=words):
                done = project.run(MUSTER, "calibrate", *words)
                self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (code, 1, ""), done.stderr)

    def test_a_unit_of_its_own_has_no_pairs(self):
        unit = str(min(os.sched_getaffinity(0)))
        done = project.run("taskset", "-c", unit, MUSTER, "calibrate", "--seconds", POINT_S, "--out", self.folder / "one.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = calibration.load(self.folder / "one.json")
        self.assertEqual(found["line_transfer_ns"]["handoff"], [[None]])
        self.draw(self.folder / "one.json")

    def draw(self, path, *words):
        done = project.run(PYTHON, "-B", ROOT / "plots/machine.py", path, "--out", self.folder / "figure", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return (self.folder / "figure.svg").read_text(encoding="utf-8")

    def test_it_is_drawn_beside_what_is_published(self):
        drawn = self.draw(self.path)
        for word in ("Half a round trip", "Skylake", "Graviton1", "here"):
            self.assertIn(f"{word}".lower(), drawn.lower())
        self.assertNotIn("Skylake", self.draw(self.path, "--alone"))

    def test_a_machine_of_many_units_is_drawn(self):
        many = copy.deepcopy(self.found)
        count = 64
        many["units"] = [{"number": i, "package": i // 32, "node": i // 16, "core": i // 2, "sibling": i % 2} for i in range(count)]
        many["nodes"] = [{"number": n, "memory_bytes": 1 << 30, "distances": [10, 12, 20, 20]} for n in range(4)]
        cell = lambda value: {"median": value, "q1": value * 0.9, "q3": value * 1.1}  # noqa: E731
        cost = {"sibling": 8, "package": 50, "across": 130}
        matrix = [
            [None if one is other else cell(cost[calibration.distance(one, other)]) for other in many["units"]] for one in many["units"]
        ]
        many["line_transfer_ns"] = {"handoff": matrix, "modified": matrix, "shared": None}
        points = [{"threads": 1 << i, "operations_per_s": cell(1e8 / (1 + i)), "least_share": 0, "most_share": 1} for i in range(7)]
        many["fetch_add"] = [{"placement": name, "units": list(range(count)), "points": points} for name in ("compact", "scatter")]
        many["copy_bytes_per_s"]["nodes"] = [[cell(2e10 if i == j else 7e9) for j in range(4)] for i in range(4)]
        path = self.folder / "many.json"
        path.write_text(json.dumps(many), encoding="utf-8")
        drawn = self.draw(path)
        for word in ("not measured here", "here, scatter", "copying, across nodes"):
            self.assertIn(word, drawn)

    def test_what_is_no_calibration_is_one_line(self):
        path = self.folder / "wrong.json"
        for change, word in (
            (lambda d: d.update(calibration=2), "later"),
            (lambda d: d.pop("calibration"), "muster calibrate"),
            (lambda d: d["costs_ns"].pop("pause"), "pause"),
            (lambda d: d["line_transfer_ns"].update(handoff=[[None]] * 9), "rows"),
        ):
            wrong = copy.deepcopy(self.found)
            change(wrong)
            path.write_text(json.dumps(wrong), encoding="utf-8")
            with self.assertRaisesRegex(ResultError, word):
                calibration.load(path)
            done = project.run(PYTHON, "-B", ROOT / "plots/machine.py", path, "--out", self.folder / "none")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)


class Published(unittest.TestCase):
    def test_every_series_names_its_source(self):
        found = calibration.published()
        for entries in found.values():
            for entry in entries:
                self.assertRegex(entry["source"], r"^github\.com/\S+/\S+, ")
        for series in found["fetch_add"]:
            threads = [count for count, _ in series["points"]]
            self.assertEqual(threads, sorted(set(threads)))
        for entry in found["line_transfer"]:
            self.assertEqual(set(entry["ns"]), set(calibration.DISTANCES))


if __name__ == "__main__":
    unittest.main()
