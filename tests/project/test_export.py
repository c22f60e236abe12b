"""scripts/export: every window once, every key a column, in each of its formats."""

import csv
import json
import lzma
import sqlite3
import tempfile
import unittest
from pathlib import Path

import project
import samples
from project import ROOT


class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.sweep = self.folder / "sweep"
        self.sweep.mkdir()
        self.made = [samples.result(w, "mutex", t, windows=3) for w in ("append", "ycsb") for t in (1, 2)]
        for i, result in enumerate(self.made):
            (self.sweep / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")

    def export(self, *words):
        return project.run(ROOT / "scripts/export", self.sweep, *words, cwd="/")

    def rows(self, text):
        return list(csv.DictReader(text.splitlines()))

    def test_has_every_window_once_and_every_key(self):
        out = self.folder / "table.csv"
        self.assertEqual(self.export("--out", out).returncode, 0)
        rows = self.rows(out.read_text(encoding="utf-8"))
        windows = [w for result in self.made for r in result["repetitions"] for w in r["windows"]]
        self.assertEqual([int(row["operations"]) for row in rows], [w["operations"] for w in windows])
        for row, window in zip(rows, windows):
            self.assertAlmostEqual(float(row["rate"]), window["operations"] / window["seconds"])
        self.assertEqual({row["log_buffer.capacity"] for row in rows}, {"16777216"})
        self.assertEqual([row["ycsb.mix"] for row in rows], [""] * 6 + ["A"] * 6)
        self.assertEqual([row["threads"] for row in rows], ["1"] * 3 + ["2"] * 3 + ["1"] * 3 + ["2"] * 3)
        self.assertEqual([row["window"] for row in rows[:3]], ["1", "2", "3"])

    def test_point_repetition_and_window_name_a_row(self):
        for seed in (10, 9, 2):  # names' order is not that of seeds
            more = samples.result("append", "mutex", 1, seed, windows=3)
            more["repetitions"] *= 2
            (self.sweep / f"seed{seed}.json").write_text(json.dumps(more), encoding="utf-8")
        out = self.folder / "table.csv"
        self.assertEqual(self.export("--out", out).returncode, 0)
        rows = self.rows(out.read_text(encoding="utf-8"))
        names = [(row["point"], row["repetition"], row["window"]) for row in rows]
        self.assertEqual(len(set(names)), len(names))
        repetitions = {row["seed"]: set() for row in rows}
        for row in rows:
            if (row["workload"], row["threads"]) == ("append", "1"):
                self.assertEqual(row["point"], "1")
                repetitions[row["seed"]].add(row["repetition"])
        self.assertEqual(repetitions, {"1": {"1"}, "2": {"2", "3"}, "9": {"4", "5"}, "10": {"6", "7"}})

    def test_the_series_has_every_interval_once_in_its_window(self):
        with_series = samples.whole(samples.result("ycsb", windows=3))
        (self.sweep / "0.json").write_text(json.dumps(with_series), encoding="utf-8")
        table, base = self.folder / "table.csv", self.folder / "table.sqlite"
        for out in (table, base):
            self.assertEqual(self.export("--series", "--out", out).returncode, 0)
        rows = self.rows(table.read_text(encoding="utf-8"))
        series = with_series["repetitions"][0]["series"]
        self.assertEqual([int(row["operations"]) for row in rows], series["operations"])
        self.assertEqual([float(row["start_s"]) for row in rows], series["start_s"])
        self.assertEqual([row["commit_latency_p99_us"] for row in rows[:2]], ["", str(series["commit_latency_p99_us"][1])])
        self.assertEqual([(row["repetition"], row["window"], row["interval"]) for row in rows[4:6]], [("1", "1", "5"), ("1", "2", "6")])
        self.assertEqual({row["threads"] for row in rows}, {"1"})
        with sqlite3.connect(base) as connection:
            self.assertEqual(connection.execute("SELECT sum(operations) FROM series").fetchone(), (sum(series["operations"]),))

    def test_results_without_a_series_are_refused_in_a_line(self):
        done = self.export("--series", "--out", self.folder / "table.csv")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        self.assertIn("a result with a series", done.stderr)

    def test_formats_hold_the_same(self):
        plain, packed, base = (self.folder / f"table{kind}" for kind in (".csv", ".csv.xz", ".sqlite"))
        for out in (plain, packed, base):
            self.assertEqual(self.export("--out", out).returncode, 0)
        self.assertEqual(lzma.decompress(packed.read_bytes()), plain.read_bytes())
        with sqlite3.connect(base) as connection:
            counted = connection.execute('SELECT sum(operations), count("ycsb.mix") FROM windows').fetchone()
        rows = self.rows(plain.read_text(encoding="utf-8"))
        self.assertEqual(counted, (sum(int(row["operations"]) for row in rows), 6))

    def test_names_its_file_after_the_results(self):
        self.assertEqual(self.export("--sqlite").returncode, 0)
        self.assertTrue((self.folder / "sweep.sqlite").exists())

    def test_a_damaged_result_is_named_and_skipped(self):
        (self.sweep / "3.json").write_text("{", encoding="utf-8")
        done = self.export("--out", self.folder / "table.csv")
        self.assertEqual(done.returncode, 5)
        self.assertIn("3.json: not a result", done.stderr)
        self.assertEqual(len(self.rows((self.folder / "table.csv").read_text(encoding="utf-8"))), 9)

    def test_mistakes_are_one_line(self):
        for words in (["--out", self.folder / "table.txt"], ["--csv", "--out", self.folder / "t.sqlite"], ["--csv", "--sqlite"]):
            done = self.export(*words)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            self.assertFalse(list(self.folder.glob("t*.*")))
        for result in self.sweep.glob("*.json"):
            result.unlink()
        done = self.export()
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
