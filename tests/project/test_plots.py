"""Figures and tables of results made by hand: drawn, the same each time, and refused where they would mislead."""

import csv
import json
import os
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from unittest import mock

import project
from lab import panels, results
from lab.statistics import Spread
import samples
from project import PYTHON, ROOT


def texts_of(svg):
    found = re.findall(r"<!-- (.*?) -->", svg.read_text(encoding="utf-8"), re.DOTALL)
    return [text.replace("- -", "--") for text in found]  # a comment must not hold the latter


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "results").mkdir()

    def write(self, found):
        for i, result in enumerate(found):
            (self.folder / "results" / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")

    def draw(self, script, name="figure", *words, **options):
        command = [PYTHON, "-B", ROOT / "plots" / script, self.folder / "results", "--out", self.folder / name, *words]
        return project.run(*command, **{"cwd": "/", **options})

    def texts(self, script, *words):
        """What stands in the figure: matplotlib names each text in a comment beside its glyphs."""
        done = self.draw(script, "figure", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return texts_of(self.folder / "figure.svg")

    def test_both_formats_are_drawn_and_named(self):
        self.write(samples.quickstart())
        for script in ("quickstart.py", "throughput.py"):
            with self.subTest(script=script):
                done = self.draw(script, script)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                svg, png = self.folder / f"{script}.svg", self.folder / f"{script}.png"
                self.assertEqual(done.stdout, "".join(f"figure: {svg.with_suffix(ending)}\n" for ending in (".svg", ".png", ".pdf", ".csv")))
                self.assertTrue(xml.parse(svg).getroot().tag.endswith("svg"))
                self.assertEqual(png.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
                self.assertGreater(png.stat().st_size, 20_000)

    def test_the_pdf_is_as_wide_as_a_papers_column_and_the_csv_has_the_points(self):
        found = [samples.result(algorithm=name, threads=t) for name in ("eleda", "mutex") for t in (1, 2)]
        self.write(found)
        self.assertEqual(self.draw("throughput.py").returncode, 0)
        box = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+)", (self.folder / "figure.pdf").read_bytes())
        self.assertAlmostEqual(float(box[1]) / 72, 3.33, places=1)
        with open(self.folder / "figure.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        (group,) = results.groups(found)
        for algorithm, title in (("eleda", "Eleda"), ("mutex", "Mutex")):
            of_series = [[float(row[key]) for key in ("x", "y", "low", "high")] for row in rows if row["series"] == title]
            spreads = [(t, group.throughput(algorithm, t)) for t in (1, 2)]
            for row, (t, s) in zip(of_series, spreads, strict=True):
                for got, wanted in zip(row, (t, s.median, s.q1, s.q3)):
                    self.assertAlmostEqual(got, wanted, delta=1e-6 * wanted)

    def test_the_same_results_are_the_same_file(self):
        self.write(samples.quickstart())
        self.draw("quickstart.py", "one")
        self.draw("quickstart.py", "two")
        self.assertEqual((self.folder / "one.svg").read_bytes(), (self.folder / "two.svg").read_bytes())

    def test_any_key_is_drawn_against_any_measure(self):
        self.write([samples.result(algorithm=a, threads=t, seed=s) for a in ("mutex", "eleda") for t in (1, 2, 4) for s in (1, 2, 3)])
        texts = self.texts("plot.py", "--x", "threads", "--y", "throughput", "--by", "algorithm", "--log", "x")
        for text in ("threads", "throughput, records/s", "mutex", "eleda", "by algorithm"):
            self.assertIn(text, texts)
        self.assertTrue(any("median of 3 repetitions" in text for text in texts), texts)
        texts = self.texts("plot.py", "--x", "algorithm", "--y", "boundary_lag", "--where", "threads=2")
        for text in ("eleda", "mutex", "threads=2", "boundary lag p50, bytes"):
            self.assertIn(text, texts)

    def test_every_number_of_a_result_is_a_measure(self):
        self.write([samples.result("ycsb", seed=s) for s in (1, 2, 3)])
        for measure, value in (
            ("commit_latency_us.p95", 200.0),
            ("commit_latency_us.max", 500.0),
            ("commit_latency_p999", 400.0),
            ("waits.room.ns", 0),
            ("activity.context_switches.involuntary", 3),
            ("machine.processing_units", 8),
            ("log.flush_bytes.p99", 480),
        ):
            done = self.draw("plot.py", "figure", "--x", "threads", "--y", measure)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            with open(self.folder / "figure.csv", newline="", encoding="utf-8") as file:
                self.assertEqual([float(row["y"]) for row in csv.DictReader(file)], [value], measure)

    def axes_of(self, *words):
        """What plots/plot.py draws, to be looked at."""
        sys.path.insert(0, str(ROOT / "plots"))
        import plot

        arguments = plot.parser().parse_args([str(self.folder / "results"), *words])
        arguments.out = str(self.folder / "figure")
        with mock.patch.object(plot.style, "finish") as finish:
            plot.draw(arguments)
        (axes,) = finish.call_args.args[1]
        return axes

    def test_a_disturbed_point_is_hollow_against_any_key_too(self):
        self.disturb([samples.result(algorithm=name, threads=t) for name in ("eleda", "mutex") for t in (1, 2)], ["steal: much"])
        words = ("--x", "threads", "--y", "throughput", "--by", "algorithm")
        hollow = [line for line in self.axes_of(*words).lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
        self.assertEqual([len(line.get_xdata()) for line in hollow], [2])
        texts = self.texts("plot.py", *words)
        self.assertEqual(texts.count("hollow: disturbed"), 1)
        self.assertIn("Hollow: disturbed (steal)", " ".join(texts))

    def test_numbers_of_threads_are_whole_and_no_bar_is_cut(self):
        for counts in ((1, 2), (1, 2, 4, 8, 16, 32, 64)):
            self.write([samples.result(threads=t, seed=s, rate=1e6 * s) for t in counts for s in (1, 2, 3)])
            axes = self.axes_of("--x", "threads", "--y", "throughput")
            self.assertEqual([t for t in axes.get_xticks() if t != int(t)], [])
            ends = [end for bars in axes.containers[0][2] for bar in bars.get_segments() for _, end in bar]
            self.assertGreater(axes.get_ylim()[1], 1.02 * max(ends))

    def test_what_plot_cannot_draw_is_one_line_that_says_what_would_do(self):
        self.write([samples.result(w, threads=t) for w in ("append", "ycsb") for t in (1, 2)])
        for words, said in (
            (["--x", "threads", "--y", "throughput"], "--where workload=NAME"),
            (["--x", "threads", "--y", "speed"], "commit_latency_p99"),
            (["--x", "threads", "--y", "waits.lok.ns"], "the nearest: waits.lock.ns"),
            (["--x", "threads", "--y", "waits.lock.ns", "--where", "workload=append", "--log", "y"], "waits.lock.ns above 0"),
            (["--x", "thread", "--y", "throughput", "--where", "workload=append"], "a key that these results have"),
            (["--x", "algorithm", "--y", "throughput", "--where", "workload=append"], "--by threads"),
            (["--x", "threads", "--y", "syncs_per_commit", "--where", "workload=append"], "a measure that these results have"),
        ):
            done = self.draw("plot.py", "figure", *words)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(said, done.stderr)

    def test_what_a_result_does_not_say_is_left_out_of_the_caption(self):
        sys.path.insert(0, str(ROOT / "plots"))
        import style

        for section, kept in (("machine", "processing_units"), ("muster", "git_commit")):
            for key in samples.result()[section].keys() - {kept}:
                result = samples.result("ycsb")
                del result[section][key]
                self.assertIn("8 processing units", style.machine_line([result]))
        bare = samples.result("ycsb")
        del bare["time"], bare["repetitions"][0]["boundary_lag_bytes"]
        self.assertIn("commit 0123456789ab", style.machine_line([bare]))
        self.assertIsNone(panels.lag(results.groups([bare])[0], "border_collie", 1, "p50"))

    def test_an_algorithm_without_a_look_is_drawn(self):
        self.write([samples.result(algorithm=name, threads=t) for name in ("silo", "mutex") for t in (1, 2)])
        self.assertEqual(self.draw("throughput.py").returncode, 0)

    def refused(self, script, *words):
        done = self.draw(script)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse((self.folder / "figure.png").exists())

    def test_an_empty_folder_is_refused(self):
        self.refused("throughput.py", "no results")

    def test_results_of_two_machines_or_commits_are_refused(self):
        other = samples.result(seed=2)
        other["machine"]["cpu_model"] = "Another processor"
        self.write([samples.result(), other])
        self.refused("throughput.py", "machine", "Another processor")
        other = samples.result(seed=2)
        other["muster"]["git_commit"] = "f" * 40
        self.write([samples.result(), other])
        self.refused("throughput.py", "commit", "f" * 40)

    def test_the_quickstart_says_what_is_fast_what_lags_and_whether_the_engine_notices(self):
        self.write(samples.quickstart())
        (self.folder / "results/boundary").mkdir()
        (self.folder / "results/boundary/advance.json").write_text(json.dumps(samples.advance_benchmarks()), encoding="utf-8")
        texts = " ".join(self.texts("quickstart.py")).replace("\N{NO-BREAK SPACE}", " ")
        for wanted in (
            "1 thread",
            "all 8 units",
            "4096 B",
            "Fastest usable: Border-Collie (1 thread, all 8 units).",
            "256 workers",
            "16384 records outstanding",
            "Eleda",
            "Yes: Border-Collie",
            "Durable on disk: 11.7 k/s",
            "75% confidence",
        ):
            self.assertIn(wanted, texts)

    def test_the_quickstart_is_drawn_of_two_algorithms_and_of_64_units(self):
        self.write(samples.quickstart(units=64))
        texts = self.texts("quickstart.py", "--where", "algorithm=eleda,bound")
        self.assertIn("Eleda", texts)
        self.assertNotIn("Mutex", texts)
        self.assertIn("all\N{NO-BREAK SPACE}64\N{NO-BREAK SPACE}units", texts)

    def test_intervals_that_overlap_are_said_to(self):
        alike = [result for result in samples.quickstart() if result["configuration"]["algorithm"] != "mutex"]
        for result in alike:
            if result["configuration"]["workload"] == "ycsb":
                for window, operations in zip(result["repetitions"][0]["windows"], (90, 100, 110, 120)):
                    window["operations"] = operations + result["configuration"]["seed"]
        self.write(alike)
        self.assertIn("all intervals overlap", " ".join(self.texts("quickstart.py")))

    def test_noise_is_said(self):
        noisy = samples.quickstart()
        for result in noisy:
            if result["configuration"]["algorithm"] == "eleda":
                result["repetitions"][0]["windows"][0]["operations"] *= 50
                result["repetitions"][0]["windows"][1]["operations"] *= 20
        self.write(noisy)
        self.assertTrue(any(re.fullmatch(r"±\d{3,}%", text) for text in self.texts("quickstart.py")))
        lines = project.run(PYTHON, "-B", ROOT / "scripts/table.py", self.folder / "results").stdout.splitlines()
        self.assertTrue(all(("noisy" in line) == line.startswith("eleda") for line in lines if "M ±" in line and ";" not in line))

    def disturb(self, found, lines):
        """The results, of which one algorithm's have a disturbed repetition."""
        for result in found:
            if result["configuration"]["algorithm"] == "eleda":
                result["repetitions"][0]["activity"] = samples.activity(lines)
        self.write(found)

    def test_points_with_a_disturbed_repetition_are_hollow_and_said_to_be(self):
        quiet, loud = samples.quickstart(), samples.quickstart()
        self.write(quiet)
        for script in ("throughput.py", "quickstart.py"):
            self.assertNotIn("ollow: disturbed", " ".join(self.texts(script)))
        self.disturb(loud, ["steal: other guests had 7 % of the units' time; limit 2 %"])
        texts = self.texts("throughput.py")
        self.assertEqual(texts.count("hollow: disturbed"), 1)  # in the legend, once for all panels
        self.assertIn("Hollow: disturbed (steal)", " ".join(texts))
        self.assertIn("Hollow: disturbed (steal)", " ".join(self.texts("quickstart.py")))

    def test_hollow_are_exactly_the_points_that_are_disturbed(self):
        self.disturb([samples.result(algorithm=name, threads=t) for name in ("eleda", "mutex") for t in (1, 2)], ["steal: much"])
        sys.path.insert(0, str(ROOT / "plots"))
        import style

        (group,) = results.groups(results.load_all(self.folder / "results"))
        _, axes = style.pyplot.subplots()
        style.draw_series(axes, group, group.throughput)
        hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
        self.assertEqual([line.get_markeredgecolor() for line in hollow], [style.LOOKS["eleda"].colour])
        below = [line for line in axes.lines if line.get_color() == style.LOOKS["eleda"].colour]
        self.assertGreater(hollow[0].get_zorder(), max(line.get_zorder() for line in below))
        self.assertEqual(list(hollow[0].get_ydata()), [group.throughput("eleda", t).median for t in (1, 2)])

    def test_a_disturbed_repetition_stays_in_the_table_and_is_marked(self):
        self.disturb([samples.result(algorithm=name) for name in ("eleda", "mutex")], ["waiting: worker 0"])
        lines = project.run(PYTHON, "-B", ROOT / "scripts/table.py", self.folder / "results").stdout.splitlines()
        marked = [line.split()[0] for line in lines if "disturbed" in line]
        self.assertEqual(marked, ["records/s:", "eleda"])

    def test_results_from_before_activity_are_not_called_disturbed(self):
        result = samples.result()
        result["repetitions"][0].pop("activity")
        self.assertEqual(results.disturbances(result), [[]])
        (group,) = results.groups([result])
        self.assertEqual(group.disturbed("border_collie", 1), [])

    def test_a_quickstart_without_bound_is_refused(self):
        self.write([samples.result()])
        self.refused("quickstart.py", "bound")

    def test_many_configurations_are_drawn_and_what_tells_them_apart_is_named(self):
        self.write(samples.many_threads())
        texts = self.texts("throughput.py")
        self.assertEqual(sum("log_buffer.capacity = 65536" in text for text in texts), 2)
        self.assertFalse(any("append.bytes =" in text for text in texts), "the title has it")
        texts = self.texts("throughput.py", "--where", "log_buffer.capacity=65536,1048576", "--where", "append.bytes=48")
        self.assertEqual(sum("log_buffer.capacity" in text for text in texts), 2)

    def test_a_choice_of_what_is_not_there_is_refused(self):
        self.write([samples.result()])
        for choice in ("threads=3", "silo=1", "threads"):
            done = self.draw("throughput.py", "figure", "--where", choice)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("--where", done.stderr)

    def test_another_format_is_refused_and_writes_nothing(self):
        self.write([samples.result()])
        done = self.draw("throughput.py", "x.jpg")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn(".svg, .png, .pdf and .csv", done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["results"])

    def test_the_users_settings_of_matplotlib_neither_show_nor_stop(self):
        self.write(samples.quickstart())
        self.draw("quickstart.py", "plain")
        for name, content in (("broken", b"\xff\xfe: :"), ("dark", b"axes.facecolor: black\nfont.size: 40\n")):
            home = self.folder / name
            home.mkdir()
            (home / "matplotlibrc").write_bytes(content)
            for place in ({"MATPLOTLIBRC": str(home / "matplotlibrc")}, {"MPLCONFIGDIR": str(home)}, {"cwd": home}):
                cwd = place.pop("cwd", "/")
                env = {**os.environ, "MPLBACKEND": "none of them", "LC_ALL": "C", **place}
                done = self.draw("quickstart.py", "mine", env=env, cwd=cwd)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual((self.folder / "plain.svg").read_bytes(), (self.folder / "mine.svg").read_bytes())

    def test_a_table_is_printed_where_the_locale_is_ascii(self):
        self.write([samples.result()])
        environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        done = project.run(PYTHON, "-B", ROOT / "scripts/table.py", self.folder / "results", env=environment, encoding="utf-8")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("±", done.stdout)

    def test_half_a_result_is_refused(self):
        (self.folder / "results" / "half.json").write_text('{"schema": 1,', encoding="utf-8")
        self.refused("throughput.py", "half.json")

    def test_the_table_has_every_point(self):
        self.write(samples.quickstart())
        done = project.run(PYTHON, "-B", ROOT / "scripts/table.py", self.folder / "results", cwd="/")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("±"), 4 * 7 * 2 + 4 + 1 + 6)  # the last: each table's head

    def test_a_small_share_keeps_two_digits_that_count(self):
        self.write([samples.result(algorithm=name, rate=rate) for name, rate in (("bound", 1e9), ("mutex", 2_345_678))])
        done = project.run(PYTHON, "-B", ROOT / "scripts/table.py", self.folder / "results")
        self.assertRegex(done.stdout, r"mutex .* 0\.002[1-6]\n")


class BenchmarkFigures(unittest.TestCase):
    SCRIPTS = {
        "append_shares.py": samples.append_benchmarks,
        "advance_cost.py": samples.advance_benchmarks,
        "lag.py": samples.lag_benchmarks,
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def draw(self, script, *documents, words=()):
        paths = []
        for i, document in enumerate(documents):
            paths.append(self.folder / f"{i}.json")
            paths[-1].write_text(json.dumps(document), encoding="utf-8")
        return project.run(PYTHON, "-B", ROOT / "plots" / script, *paths, "--out", self.folder / "figure", *words, cwd="/")

    def drawn(self, script, *documents, words=()):
        done = self.draw(script, *documents, words=words)
        svg, png = self.folder / "figure.svg", self.folder / "figure.png"
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "".join(f"figure: {svg.with_suffix(ending)}\n" for ending in (".svg", ".png", ".pdf", ".csv")))
        self.assertTrue(xml.parse(svg).getroot().tag.endswith("svg"))
        self.assertGreater(png.stat().st_size, 20_000)
        return svg.read_bytes()

    def test_both_formats_are_drawn_the_same_each_time(self):
        for script, sample in self.SCRIPTS.items():
            with self.subTest(script=script):
                self.assertEqual(self.drawn(script, sample()), self.drawn(script, sample()))

    def test_many_thread_counts_and_unknown_algorithms_are_drawn(self):
        self.drawn("append_shares.py", samples.append_benchmarks((1, 2, 4, 8, 16, 32, 64), ["bound", "silo"]))
        self.drawn("advance_cost.py", samples.advance_benchmarks(["null", "silo"]))
        self.drawn("lag.py", samples.lag_benchmarks(["null", "silo"]))

    def test_one_run_in_several_files_is_drawn(self):
        parts = [samples.append_benchmarks((threads,)) for threads in (1, 2, 8)]
        self.drawn("append_shares.py", *parts)

    def refused(self, script, *documents, word, words=()):
        done = self.draw(script, *documents, words=words)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn(word, done.stderr)
        self.assertFalse((self.folder / "figure.png").exists())

    def test_shares_of_copy_are_drawn_where_copying_was_measured(self):
        of_copy = ("--of", "copy")
        self.refused("append_shares.py", samples.append_benchmarks(), word="--of = copy: no such control", words=of_copy)
        self.drawn("append_shares.py", samples.append_benchmarks(algorithms=[*samples.RATES, "copy_rotating"]), words=of_copy)
        self.assertIn(b"as a share of Copy", (self.folder / "figure.svg").read_bytes())

    def test_files_of_two_commits_or_machines_are_refused(self):
        for script, sample in self.SCRIPTS.items():
            for key in ("git_commit", "cpu_model"):
                other = sample()
                other["context"][key] = "another"
                self.refused(script, sample(), other, word=key)

    def test_files_of_another_script_are_refused(self):
        self.refused("append_shares.py", samples.advance_benchmarks(), word="shares")
        self.refused("advance_cost.py", samples.append_benchmarks(), word="costs")
        self.refused("lag.py", samples.append_benchmarks(), word="lags")

    def test_files_without_anything_to_draw_are_refused(self):
        self.refused("append_shares.py", samples.append_benchmarks(algorithms=[]), word="nothing")
        self.refused("append_shares.py", samples.append_benchmarks(algorithms=["null"]), word="null")
        self.refused("lag.py", samples.lag_benchmarks(algorithms=["null"]), word="null")


class Shares(unittest.TestCase):
    def test_share_is_taken_of_the_same_repetition(self):
        found = []
        for seed, drift in ((1, 1.0), (2, 0.25)):  # the machine slows down to a quarter
            for algorithm, rate in (("bound", 1000), ("mutex", 500)):
                result = samples.result(algorithm=algorithm, seed=seed)
                for window in result["repetitions"][0]["windows"]:
                    window["operations"], window["seconds"] = int(rate * drift), 1.0
                found.append(result)
        (group,) = results.groups(found)
        share = group.share_of_bound("mutex", 1)
        self.assertEqual((share.median, share.q1, share.q3, share.count), (0.5, 0.5, 0.5, 8))

    def test_the_engines_intervals_are_free_of_drift_and_span_all_repetitions(self):
        found = []
        for seed, drift in ((1, 1.0), (2, 0.25), (3, 0.5)):
            for algorithm, rate in (("mutex", 900), ("eleda", 1000), ("border_collie", 1200 + 40 * seed)):
                result = samples.result("ycsb", algorithm, seed=seed)
                for window in result["repetitions"][0]["windows"]:
                    window["operations"], window["seconds"] = int(rate * drift), 1.0
                found.append(result)
        (group,) = results.groups(found)
        intervals = panels.relative(group, 1)
        self.assertEqual((intervals["mutex"].low, intervals["mutex"].high), (0.9, 0.9))
        self.assertEqual((intervals["border_collie"].low, intervals["border_collie"].high), (1.24, 1.32))
        self.assertEqual(panels.apart(intervals), ("mutex", "border_collie"))
        self.assertIsNone(panels.apart({"one": panels.Interval(1, 0.9, 1.1, 3, 5), "two": panels.Interval(1.2, 1.1, 2, 3, 5)}))
        self.assertEqual(panels.coverage(5), 0.9375)

    def test_spread_comes_from_all_windows(self):
        spread = Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
        self.assertEqual((spread.q1, spread.median, spread.q3, spread.count), (2.0, 3.0, 4.0, 5))


class Topologies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def described(self, synthetic):
        path = self.folder / "machine.json"
        done = project.run(project.MUSTER, "topology", "--synthetic", synthetic, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        path.write_text(done.stdout, encoding="utf-8")
        return path

    def draw(self, path, *options):
        return project.run(PYTHON, "-B", ROOT / "plots/topology.py", path, "--out", self.folder / "figure", *options, cwd="/")

    def test_every_unit_stands_in_its_node(self):
        for synthetic, options, words in (
            ("pack:2 [numa(memory=8589934592)] l3:2 core:3 pu:2", ["--policy", "cache", "--threads", "5"], ["node 1, 8 GiB, distances 20 10", "23", "cache, 5 of 24 units"]),
            ("pu:1", [], ["node 0, 1 GiB, distances 10", "compact, 1 of 1 units"]),
            ("pack:4 [numa] l3:4 core:16 pu:2", ["--policy", "smt_last"], ["node 3, distances", "smt_last, 512 of 512 units"]),
        ):
            done = self.draw(self.described(synthetic), *options)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stderr)
            texts = texts_of(self.folder / "figure.svg")
            for word in words:
                self.assertTrue(any(word in text for text in texts), (word, texts))

    def test_what_is_no_machine_is_refused_in_one_line(self):
        for text in ("", "[]", '{"units": []}', '{"units": [{"number": 1}], "compact": [2]}'):
            path = self.folder / "machine.json"
            path.write_text(text, encoding="utf-8")
            done = self.draw(path)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        done = self.draw(self.described("core:4 pu:1"), "--threads", "5")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("want 1 to 4", done.stderr)


class Interleavings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def draw(self, trace, name="figure"):
        path = self.folder / f"{name}.json"
        path.write_text(trace if isinstance(trace, str) else json.dumps(trace), encoding="utf-8")
        return project.run(PYTHON, "-B", ROOT / "plots/interleaving.py", path, "--out", self.folder / name, cwd="/")

    def texts(self, trace, name="figure"):
        """What stands in the picture: matplotlib names each text in a comment beside its glyphs."""
        done = self.draw(trace, name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        svg, png = self.folder / f"{name}.svg", self.folder / f"{name}.png"
        self.assertEqual(done.stdout, "".join(f"figure: {svg.with_suffix(ending)}\n" for ending in (".svg", ".png", ".pdf", ".csv")))
        self.assertEqual(png.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        xml.parse(svg)
        return texts_of(svg)

    def test_a_counterexample_says_what_every_thread_did(self):
        trace = samples.cutoff_after_scan()
        texts = self.texts(trace)
        for wanted in (
            trace["violation"],
            "border_collie, mutant: cutoff after scan",
            *trace["threads"],
            "store flag[0] ← black 0",
            "fetch-add tail 3 → 6",
            "load flag[1] → white 6",
            "copy bytes 3..6",
            "boundary 6",
            "open 0..3",
            "border_collie.h:103",
        ):
            self.assertIn(wanted, texts)
        self.assertTrue(any(trace["command"] in text for text in texts), "how to replay it")
        self.assertFalse(any("STALE" in text for text in texts))

    def test_a_stale_load_is_marked_with_what_it_missed(self):
        texts = self.texts(samples.stale_black_flag())
        self.assertIn("STALE, newest: black 0", texts)
        self.assertIn("load tail → 3", texts, "there is one tail only")

    def test_forty_steps_of_four_threads_are_the_same_file_each_time(self):
        trace = samples.long_trace()
        self.assertIn("worker 2", self.texts(trace, "one"))
        self.texts(trace, "two")
        self.assertEqual((self.folder / "one.svg").read_bytes(), (self.folder / "two.svg").read_bytes())

    def test_a_round_that_is_repeated_for_ever_is_drawn_twice(self):
        steps = [samples.access(0, "store", "length[0]", "release", "2", 1)]
        steps += 500 * [samples.access(1, "load", f"length[{i}]", "acquire", "2", 2, source=0) for i in (0, 1)]
        texts = self.texts(samples.trace(steps=[*steps, samples.step(1, "violation", text="no progress")]))
        self.assertEqual((texts.count("load length[0] → 2"), texts.count("load length[1] → 2")), (2, 2))
        self.assertIn("and so on, 498 times more", texts)

    def test_every_operation_is_drawn(self):
        operations = ["exchange", "fetch_sub", "compare_exchange", "compare_exchange_failed", "await", "lock", "unlock"]
        steps = [samples.access(0, name, "state", "relaxed", "1", 1, before="0") for name in operations]
        steps += [samples.step(0, name) for name in ("attach", "attached", "detach", "detached", "recycle")]
        texts = self.texts(samples.trace(steps=steps))
        for wanted in ("fetch-sub state 0 → 1", "compare-exchange state → 1, fails", "await state → 1", "unlock state", "detach"):
            self.assertIn(wanted, texts)

    def test_a_trace_that_cannot_be_drawn_is_refused_in_one_line(self):
        for trace, word in (
            ('{"schema": 1,', "JSON"),
            (samples.trace(schema=2), "schema"),
            (samples.trace(steps=[]), "steps"),
            (samples.trace(steps=[samples.step(3, "advance")]), "thread"),
            (samples.trace(steps=[samples.step(0, "jump")]), "operation"),
            (samples.trace(steps=[samples.access(0, "load", "tail", "acquire", "0", 1, source=0)]), "source"),
        ):
            with self.subTest(word=word):
                done = self.draw(trace)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn(word, done.stderr)
                self.assertFalse((self.folder / "figure.png").exists())


if __name__ == "__main__":
    unittest.main()
