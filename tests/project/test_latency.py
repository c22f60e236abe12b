"""Whole latency distributions: merged, as HdrHistogram's text, and drawn; curves and latency against load."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

import project
import samples
from lab import distributions
from lab.distributions import Distribution
from project import PYTHON, ROOT
from test_plots import texts_of


def loaded(rate, seed=1, stalls=False):
    """A result of an open loop whose latencies are 1, 2, ... us, and a second where it stalls."""
    result = samples.result("ycsb", "eleda", 1, seed)
    result["configuration"]["load"] = {"rate": rate, "arrivals": "constant"}
    repetition = result["repetitions"][0]
    buckets = [[1000 * i + rate // 1000, 100] for i in range(1, 100)] + ([[10**9, 200]] if stalls else [])
    repetition["distributions"] = {"commit_latency": {"unit": "ns", "max": buckets[-1][0], "buckets": buckets}}
    repetition["load"] = {"offered": rate, "achieved": rate * (0.5 if stalls else 1), "backlog": 0, "saturated": stalls}
    slower = 1000 if stalls else 1
    repetition["commit_latency_us"] = {"count": 9900, "p50": 50, "p95": 95, "p99": 99 * slower, "p999": 100 * slower, "max": 10**6}
    return result


class Distributions(unittest.TestCase):
    def test_merging_adds_counts_and_percentiles_follow(self):
        one = Distribution("ns", 40, [(10, 98), (40, 1)])
        both = distributions.merged([one, Distribution("ns", 99, [(10, 1), (99, 100)])])
        self.assertEqual((both.max, both.buckets, both.count), (99, [(10, 99), (40, 1), (99, 100)], 200))
        self.assertEqual([both.percentile(p) for p in (0, 49.5, 50, 50.1, 100)], [10, 10, 40, 99, 99])

    def test_hgrm_is_what_hdrhistogram_writes(self):
        text = distributions.hgrm(Distribution("ns", 40_000, [(10_000, 90), (20_000, 9), (40_000, 1)]))
        lines = text.splitlines()
        self.assertEqual(lines[0].split(), ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        rows = [line.split() for line in lines[2:] if not line.startswith("#")]
        self.assertEqual([float(field) for field in rows[0][:3]], [10, 0, 90])
        self.assertEqual([float(field) for field in rows[-1]], [40, 1, 100])
        values = [float(row[0]) for row in rows]
        shares = [float(row[1]) for row in rows]
        self.assertEqual((values, shares), (sorted(values), sorted(set(shares))))
        for row in rows[:-1]:
            self.assertAlmostEqual(float(row[3]), 1 / (1 - float(row[1])), delta=0.006)
        for value, share, total in ((float(r[0]), float(r[1]), int(r[2])) for r in rows):
            self.assertEqual(total, {10: 90, 20: 99, 40: 100}[value])
            self.assertGreaterEqual(total + 1e-6, share * 100)
        self.assertRegex(text, r"#\[Mean    = +11\.200, StdDeviation   = +\d")
        self.assertRegex(text, r"#\[Max     = +40\.000, Total count    = +100\]")


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "results").mkdir()

    def write(self, found):
        for i, result in enumerate(found):
            (self.folder / "results" / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")

    def run_on(self, script, *words):
        return project.run(PYTHON, "-B", ROOT / script, self.folder / "results", *words, cwd="/")

    def test_hgrm_writes_a_file_a_configuration_with_repetitions_merged(self):
        self.write([loaded(rate, seed) for rate in (1000, 2000) for seed in (1, 2)])
        done = self.run_on("scripts/hgrm", "--out", self.folder / "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = sorted((self.folder / "out").glob("*.hgrm"))
        self.assertEqual(len(found), 2)
        self.assertIn("Total count    =        19800", found[0].read_text(encoding="utf-8"))

    def test_curves_and_latency_against_load_are_drawn(self):
        self.write([loaded(rate, seed, stalls=rate == 4000) for rate in (1000, 2000, 4000) for seed in (1, 2)])
        out = self.folder / "figure"
        for words, said in (([], ["99.99", "per cent of transactions"]), (["--load"], ["offered load, transactions per second", "p99.9"])):
            done = self.run_on("plots/latency.py", "--out", out, *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            texts = texts_of(out.with_suffix(".svg"))
            for text in said:
                self.assertIn(text, texts)
            self.assertTrue(any("from when a transaction was due" in text for text in texts), texts)

    def test_a_point_against_load_is_hollow_where_it_was_saturated_or_disturbed(self):
        sys.path.insert(0, str(ROOT / "plots"))
        import latency

        of_rate = {rate: [loaded(rate, stalls=rate == 4000)] for rate in (1000, 2000, 4000)}
        of_rate[2000][0]["repetitions"][0]["activity"] = samples.activity(["steal: 7 %; limit 2 %"])
        _, axes = latency.pyplot.subplots()
        latency.draw_against_load(axes, of_rate)
        hollow = {line.get_xdata()[0] for line in axes.lines if line.get_markerfacecolor() == "white"}
        self.assertEqual(hollow, {2000, 4000})

    def test_a_load_without_latencies_and_half_a_distribution_are_refused_in_a_line(self):
        damaged = loaded(1000)
        damaged["repetitions"][0]["commit_latency_us"] = None
        damaged["repetitions"][0]["distributions"]["commit_latency"].pop("max")
        self.write([damaged])
        for script, words in (("plots/latency.py", []), ("plots/latency.py", ["--load"]), ("scripts/hgrm", [])):
            done = self.run_on(script, "--out", self.folder / "out", *words)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("want", done.stderr)

    def test_results_without_distributions_or_load_are_refused_in_a_line(self):
        self.write([samples.result("append")])
        for script, words in (("plots/latency.py", []), ("plots/latency.py", ["--load"]), ("scripts/hgrm", [])):
            done = self.run_on(script, "--out", self.folder / "out", *words)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("want", done.stderr)


if __name__ == "__main__":
    unittest.main()
