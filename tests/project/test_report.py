"""scripts/report: what stands in a report, which results it takes, and what it refuses."""

import copy
import gzip
import json
import math
import os
import re
import statistics
import tempfile
import unittest
from pathlib import Path

import project
import samples
from lab import results
from project import PYTHON, ROOT
from reporting import material, page, tables


def places(value, above=()):
    """Of everything in a document; of a list, of its first element alone."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ():
        yield (*above, key)
        yield from places(below, (*above, key))


def damages(document, place):
    """(what was done, the document without that place, or with another type there)."""

    def at_place(change):
        damaged = copy.deepcopy(document)
        around = damaged
        for key in place[:-1]:
            around = around[key]
        change(around, place[-1])
        return damaged

    def changed(value):
        return at_place(lambda around, key: around.__setitem__(key, value))

    there = document
    for key in place:
        there = there[key]
    yield "absent", at_place(lambda around, key: around.pop(key))
    yield "type", changed([[]] if isinstance(there, (str, type(None))) else "text")
    if isinstance(there, (int, float)) and not isinstance(there, bool):
        yield "type", changed(math.nan)


class Reports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.results = self.folder / "results"
        self.results.mkdir()

    def write(self, found):
        for i, result in enumerate(found):
            (self.results / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")

    def run_report(self, place=None, out=None, code=0):
        command = [PYTHON, "-B", ROOT / "scripts/report", place or self.results, "--out", out or self.folder / "report.html"]
        done = project.run(*command, cwd="/")
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def html(self, *arguments, **options):
        self.run_report(*arguments, **options)
        return (self.folder / "report.html").read_text(encoding="utf-8")

    def figures(self, html):
        return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])

    def refused(self, code, *words, **options):
        done = self.run_report(code=code, **options)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse((self.folder / "report.html").exists())

    def test_it_holds_nothing_that_is_elsewhere(self):
        samples.write_reproduction(self.folder / "reproduced")
        html = self.html(self.folder / "reproduced")
        self.assertEqual(set(re.findall(r'(?:src|href)="([^"#]{1,10})', html)) - {"data:,", "data:image"}, set())

    def test_claims_stand_with_verdict_interval_and_picture(self):
        samples.write_reproduction(self.folder / "reproduced")
        html = self.html(self.folder / "reproduced")
        for words in ("A is faster than B", "this machine cannot tell", "does not hold", "2 cores of 8", "data:image/svg+xml;base64,", "No picture of it", "Claims"):
            self.assertIn(words, html)

    def test_figures_have_medians_quartiles_and_hollow_points(self):
        samples.write_reproduction(self.folder / "reproduced")
        figures = self.figures(self.html(self.folder / "reproduced"))
        titles = {figure["title"].split(",")[0] for figure in figures}
        self.assertLessEqual({"Throughput", "Share of Bound", "Boundary lag", "Commit latency", "Over time", "Commit latency p99 over time"}, titles)
        hollow = {line["name"] for figure in figures for line in figure["series"] for point in line["points"] if point[4]}
        self.assertEqual(hollow, {"Eleda"})
        for figure in figures:
            for line in figure["series"]:
                for _, middle, low, high, _ in line["points"]:
                    self.assertTrue(low is None or low <= middle <= high)

    def test_a_percentile_curve_is_of_the_merged_distributions(self):
        found = [samples.whole(samples.result("ycsb", seed=seed)) for seed in (1, 2)]
        for result, buckets in zip(found, ([[1000, 3], [2000, 1]], [[1000, 3], [4000, 1]])):
            result["repetitions"][0]["distributions"]["commit_latency"]["buckets"] = buckets
        self.write(found)
        (curve,) = [f for f in self.figures(self.html()) if f["title"] == "Commit latency, 1 thread"]
        self.assertEqual([point[:2] for point in curve["series"][0]["points"]], [[0.75, 1.0], [0.875, 2.0], [0.9375, 4.0]])

    def test_what_is_absent_is_said(self):
        self.write([samples.result("ycsb"), samples.result(seed=2)])
        html = self.html()
        for words in ("Four percentiles only", "no `series`", "Disturbed repetitions: nothing", "No claims"):
            self.assertIn(words, html)

    def test_bytes_are_shown_by_cause(self):
        self.write([samples.result("ycsb", seed=seed) for seed in (1, 2)])
        found = material.read(self.results)
        (section,) = found.sections
        (origin,) = section.origins()
        shown = tables.storage(results.groups(origin))
        (row,) = shown["rows"]
        self.assertEqual(row[3:], [2.5, 0, 0, 1, 3, 1.25, 2500, 4, 3, 1])
        self.assertEqual(len(row), len(shown["columns"]))
        self.assertIn("Bytes by cause", self.html())
        (nothing,) = [tables.storage(results.groups([samples.result()]))]
        self.assertEqual(nothing["rows"], [])

    def test_threads_are_shown_where_they_were_asked_and_found(self):
        moved = samples.result(threads=2)
        moved["placement"]["workers"] = [{"worker": 0, "asked": 0, "found": 5}, {"worker": 1, "asked": 1, "found": 1}]
        self.write([moved])
        self.assertRegex(self.html(), r"<td>0, 1</td><td>5, 1</td>")

    def test_text_of_a_result_is_text(self):
        evil = samples.result()
        evil["title"] = "</script><script>alert(1)</script>"
        self.write([evil])
        self.assertNotIn("<script>alert", self.html())

    def test_results_of_two_builds_are_shown_apart(self):
        other = samples.result()
        other["muster"]["git_commit"] = "f" * 40
        self.write([samples.result(), other])
        self.assertEqual(sum(f["title"] == "Throughput" for f in self.figures(self.html())), 2)

    def test_a_packed_sweep_and_benchmarks_are_reported(self):
        for place in ("2026-11-29-epyc-2-units/quickstart.jsonl.gz", "2026-11-28-xeon-2-units"):
            done = project.run(PYTHON, "-B", ROOT / "scripts/report", ROOT / "results/reference" / place, "--out", self.folder / "report.html")
            self.assertIn(done.returncode, (0, 5), done.stderr)
            self.assertIn("Every point" if place.endswith("gz") else "append_1.json", (self.folder / "report.html").read_text(encoding="utf-8"))

    def test_a_file_of_benchmarks_becomes_figures(self):
        document = samples.google_benchmarks()
        (self.results / "append.json").write_text(json.dumps(document), encoding="utf-8")
        absolute, share = self.figures(self.html())
        self.assertEqual([absolute["title"], share["title"]], ["append, throughput against bytes, threads 2", "append, share of Bound against bytes, threads 2"])
        self.assertEqual((absolute["panel"], absolute["x"]["title"], absolute["y"]["title"]), ("append.json", "bytes", "bytes/s"))
        self.assertEqual([line["name"] for line in absolute["series"]], list(samples.TITLES.values()))
        rates = [e["bytes_per_second"] for e in document["benchmarks"] if "/eleda/bytes:120/" in e["name"]]
        bound = [e["bytes_per_second"] for e in document["benchmarks"] if "/bound/bytes:120/" in e["name"]]
        for figure, value in ((absolute, statistics.median(rates)), (share, statistics.median(rates) / statistics.median(bound))):
            (line,) = [line for line in figure["series"] if line["name"] == "Eleda"]
            (point,) = [point for point in line["points"] if point[0] == 120]
            self.assertAlmostEqual(point[1] / value, 1, places=5)

    def test_every_kept_file_of_benchmarks_becomes_a_figure(self):
        for folder in sorted((ROOT / "results/reference").iterdir()):
            if folder.is_dir():
                done = project.run(PYTHON, "-B", ROOT / "scripts/report", folder, "--out", self.folder / "report.html")
                self.assertIn(done.returncode, (0, 5), done.stderr)
                drawn = {figure["panel"] for figure in self.figures((self.folder / "report.html").read_text(encoding="utf-8"))}
                # No number varies in that of the harness's cost; a machine's calibration is no file of benchmarks.
                others = {"instructions.json", "harness_cost.json", "machine.json"}
                kept = {path.name for path in folder.glob("*.json")} - others
                self.assertLessEqual(kept, drawn)

    def test_a_damaged_file_among_good_ones_is_named_and_skipped(self):
        self.write([samples.result()])
        (self.results / "half.json").write_text('{"schema": 1,', encoding="utf-8")
        (self.results / "zz.json").write_text(json.dumps(samples.result()), encoding="utf-8")
        done = self.run_report(code=5)
        self.assertEqual(done.stderr.count("skipped: "), 2)
        html = (self.folder / "report.html").read_text(encoding="utf-8")
        self.assertIn("half.json", html)
        self.assertIn("zz.json: the same configuration", done.stderr)

    def made(self, name, document):
        """What a report of it skips, when the page has been made of the rest."""
        (self.results / name).write_text(json.dumps(document), encoding="utf-8")
        found = material.read(self.results)
        page.page(found, self.results, "scripts/report")
        return found.skipped

    def test_a_field_that_is_absent_is_unknown_and_one_of_another_type_is_named(self):
        self.write([samples.result(algorithm="mutex")])
        for workload in ("append", "ycsb"):
            whole = samples.whole(samples.result(workload))
            whole["repetitions"][0]["activity"] = samples.activity(["steal: 7 %"])
            whole = json.loads(json.dumps(whole))  # nothing in it stands at two places
            for place in places(whole):
                for change, damaged in damages(whole, place):
                    with self.subTest(place=place, change=change):
                        skipped = self.made("damaged.json", damaged)
                        self.assertFalse("\n" in "".join(skipped))
                        if skipped:
                            self.assertRegex(skipped[0], rf"damaged.json: {place[0]}|damaged.json: not a result of muster run")
                        if change == "type" and place != ("schema",):
                            self.assertIn(f"damaged.json: {'.'.join(map(str, place))}", "".join(skipped))

    def test_a_damaged_file_of_benchmarks_is_named(self):
        self.write([samples.result()])
        whole = samples.google_benchmarks(algorithms=["bound", "mutex"], repetitions=1)
        for place in places(whole):
            for change, damaged in damages(whole, place):
                with self.subTest(place=place, change=change):
                    for line in self.made("damaged.json", damaged):
                        self.assertIn("damaged.json: ", line)

    def test_damaged_verdicts_are_skipped(self):
        self.write([samples.result()])
        for damaged in ("{", "[]", '{"figures": [3]}'):
            (self.results / "verdicts.json").write_text(damaged, encoding="utf-8")
            self.assertIn("verdicts.json", self.run_report(code=5).stderr)

    def test_nothing_to_report_is_refused(self):
        self.refused(2, "holds no results")
        self.refused(2, "nowhere: want a folder", place=self.folder / "nowhere")
        (self.results / "half.json").write_text("{", encoding="utf-8")
        self.refused(2, "half.json")

    def test_a_packed_file_that_is_none_is_refused(self):
        path = self.folder / "x.jsonl.gz"
        path.write_bytes(gzip.compress(b"")[:5])
        self.refused(2, "x.jsonl.gz", place=path)

    def test_an_output_that_cannot_be_written_is_refused(self):
        self.write([samples.result()])
        (self.folder / "file").touch()
        self.refused(3, "--out", out=self.folder / "file/report.html")
        self.refused(2, "folder", out=self.results)

    def test_a_thousand_results_stay_small(self):
        found = [
            samples.whole(samples.result("ycsb", name, t, seed)) for name in samples.RATES for t in (1, 2, 4, 8, 16, 32, 64) for seed in range(1, 22)
        ]
        self.assertGreater(len(found), 1000)
        self.write(found)
        self.run_report()
        self.assertLess(os.path.getsize(self.folder / "report.html"), 20_000_000)


if __name__ == "__main__":
    unittest.main()
