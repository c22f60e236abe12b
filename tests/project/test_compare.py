"""scripts/compare and plots/compare.py: what is slower is found, what is not is not, and each mistake has its code."""

import copy
import gzip
import json
import random
import re
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

import project
import samples
from lab import comparison, measurements, statistics
from project import MUSTER, PYTHON, ROOT

NOISE = 0.01


def benchmarks(algorithms=("mutex", "eleda"), factor=1.0, repetitions=9, seed=1, **context):
    """What muster_bench writes of appends, and of one advance, which has no throughput."""
    chance = random.Random(seed)
    entries = []
    for algorithm in algorithms:
        for name, key, value in (("append", "bytes_per_second", 1e9 * factor), ("advance", "real_time", 30 / factor)):
            run_name = f"{name}/{algorithm}/bytes:120/real_time/threads:2"
            for i in range(repetitions):
                entry = {"name": run_name, "run_name": run_name, "run_type": "iteration", "repetition_index": i}
                entries.append({**entry, "real_time": 1.0, "time_unit": "ns", key: value * chance.gauss(1, NOISE)})
            entries.append({"name": run_name + "_mean", "run_name": run_name, "run_type": "aggregate", "real_time": 1.0})
    return {"context": {**samples.BENCHMARK_CONTEXT, **context}, "benchmarks": entries}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def results(self, slow=(), factor=0.9, repetitions=8, algorithms=("mutex", "eleda"), threads=(1, 2), seed=1):
        """Results of every combination, append and ycsb; what is `slow` runs at `factor`, and commits as much later."""
        chance = random.Random(seed)
        made = []
        for workload in ("append", "ycsb"):
            for algorithm in algorithms:
                for count in threads:
                    for repetition in range(1, repetitions + 1):
                        result = samples.result(workload, algorithm, count, repetition)
                        speed = factor if (workload, algorithm, count) in slow else 1.0
                        measured = result["repetitions"][0]
                        for window in measured["windows"]:
                            window["operations"] = int(5e5 * speed * chance.gauss(1, NOISE))
                        if workload == "ycsb":
                            for key in ("p50", "p99", "p999"):
                                measured["commit_latency_us"][key] *= chance.gauss(1, NOISE) / speed
                        made.append(result)
        return made

    def write(self, name, made):
        """A folder of results, or a file of benchmarks."""
        path = self.folder / name
        if isinstance(made, dict):
            path.write_text(json.dumps(made), encoding="utf-8")
        else:
            path.mkdir()
            for i, result in enumerate(made):
                (path / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")
        return path

    def compare(self, base, new, *words):
        return project.run(ROOT / "scripts/compare", self.folder / base, self.folder / new, *words, cwd="/")

    def rows(self, base, new, *words):
        """What --json says, and the exit code."""
        out = self.folder / "comparison.json"
        done = self.compare(base, new, "--json", out, *words)
        self.assertTrue(out.exists(), done.stderr)
        return json.loads(out.read_text(encoding="utf-8")), done.returncode

    def refused(self, done, *words):
        self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Verdicts(Case):
    def test_a_slowdown_is_found_in_throughput_and_latency_and_stands_first(self):
        slow = {("ycsb", "eleda", 2)}
        self.write("base", self.results())
        self.write("new", self.results(slow, seed=2))
        found, code = self.rows("base", "new")
        self.assertEqual(code, 1)
        rows = found["rows"]
        self.assertEqual([row["verdict"] for row in rows].count("slower"), 4)
        for row in rows[:4]:
            self.assertEqual((row["title"], row["verdict"]), ("ycsb eleda threads=2", "slower"))
            self.assertLess(row["low"], row["ratio"])
            self.assertLess(row["ratio"], row["high"])
        by_metric = {row["measure"]: row for row in rows[:4]}
        self.assertEqual(by_metric.keys(), {"throughput", "commit_latency_p50", "commit_latency_p99", "commit_latency_p999"})
        self.assertAlmostEqual(by_metric["throughput"]["ratio"], 0.9, delta=0.02)
        self.assertAlmostEqual(by_metric["commit_latency_p99"]["ratio"], 1 / 0.9, delta=0.02)
        back, code = self.rows("new", "base")
        self.assertEqual((code, [row["verdict"] for row in back["rows"][:5]].count("faster")), (0, 4))

    def test_the_same_build_twice_is_within_the_threshold(self):
        self.write("base", self.results())
        self.write("new", self.results(seed=2))
        found, code = self.rows("base", "new", "--strict")
        self.assertEqual((code, {row["verdict"] for row in found["rows"]}), (0, {"within threshold"}))

    def test_an_effect_below_the_threshold_is_not_slower(self):
        self.write("base", self.results())
        self.write("new", self.results({("append", "mutex", 1)}, factor=0.9, seed=2))
        self.assertEqual(self.compare("base", "new").returncode, 1)
        done = self.compare("base", "new", "--threshold", "20")
        self.assertEqual(done.returncode, 0)
        self.assertIn("within 20 %", done.stdout)

    def test_too_few_repetitions_are_never_no_change(self):
        for repetitions in (1, 3):
            self.write(f"base{repetitions}", self.results(repetitions=repetitions))
            self.write(f"new{repetitions}", self.results({("append", "mutex", 1)}, 0.5, repetitions, seed=2))
            found, code = self.rows(f"base{repetitions}", f"new{repetitions}")
            self.assertEqual((code, {row["verdict"] for row in found["rows"]}), (0, {"too few repetitions"}))
            done = self.compare(f"base{repetitions}", f"new{repetitions}", "--strict")
            self.assertEqual(done.returncode, 4)
            want = found["repetitions_wanted"]
            self.assertIn(f"too few repetitions: {repetitions} and {repetitions}, want {want} of each side", done.stdout)
        self.assertLessEqual(statistics.least_mann_whitney(want, want) * len(found["rows"]), comparison.ALPHA)
        self.assertGreater(statistics.least_mann_whitney(want - 1, want - 1) * len(found["rows"]), comparison.ALPHA)

    def test_noise_above_the_threshold_cannot_tell(self):
        noisy = self.results(algorithms=("mutex",), threads=(1,), repetitions=9)
        for i, result in enumerate(noisy):
            for window in result["repetitions"][0]["windows"]:
                window["operations"] = int(5e5 * (0.7 + 0.1 * (i % 9)))
        self.write("base", noisy)
        again = copy.deepcopy(noisy)
        for result in again:
            result["time"] = "2026-11-22T12:00:00Z"
        self.write("new", again)
        done = self.compare("base", "new", "--strict")
        self.assertEqual((done.returncode, done.stderr), (4, ""))
        self.assertRegex(done.stdout, r"cannot tell +append +throughput.*±18.2 %")

    def test_repetitions_of_one_document_count_as_those_of_several(self):
        several = self.results(algorithms=("mutex",), threads=(1,))
        for name, seed in (("base", 1), ("new", 2)):
            made = self.results({("append", "mutex", 1)} if seed == 2 else (), algorithms=("mutex",), threads=(1,), seed=seed)
            whole = [r for r in made if r["configuration"]["workload"] == "append"]
            whole[0]["repetitions"] = [r["repetitions"][0] for r in whole]
            self.write(name, whole[:1])
        self.assertEqual(len(several), 16)
        found, code = self.rows("base", "new")
        self.assertEqual((code, found["rows"][0]["base_repetitions"], found["rows"][0]["verdict"]), (1, 8, "slower"))

    def test_a_packed_sweep_of_ten_thousand_is_read_like_a_folder(self):
        template = json.dumps({"name": "NAME.json", "result": samples.result(threads=7, seed=7777, windows=1)})
        operations = str(samples.result(threads=7, seed=7777, windows=1)["repetitions"][0]["windows"][0]["operations"])
        for side, slow in (("base", 1.0), ("new", 0.9)):
            chance = random.Random(side)
            with gzip.open(self.folder / f"{side}.jsonl.gz", "wt", compresslevel=1, encoding="utf-8") as file:
                for bytes_ in range(100, 1100):
                    for seed in range(1, 11):
                        line = template.replace("7777", str(seed)).replace('"bytes": 120}', f'"bytes": {bytes_}}}')
                        speed = (slow if bytes_ == 500 else 1.0) * chance.gauss(1, NOISE)
                        file.write(line.replace(operations, str(int(5e5 * speed))).replace("NAME", f"{bytes_}-{seed}") + "\n")
        found, code = self.rows("base.jsonl.gz", "new.jsonl.gz")
        self.assertEqual((code, found["base"]["files"], found["new"]["files"], len(found["rows"])), (1, 10_000, 10_000, 2000))
        slower = [(row["title"], row["measure"]) for row in found["rows"] if row["verdict"] == "slower"]
        self.assertEqual(slower, [("append.bytes=500", "throughput")])


class Origins(Case):
    def setUp(self):
        super().setUp()
        self.base = self.results(algorithms=("mutex",), threads=(1,))
        self.write("base", self.base)

    def changed(self, change, only_first=False):
        made = self.results(algorithms=("mutex",), threads=(1,), seed=2)
        for result in made[:1] if only_first else made:
            change(result)
        return made

    def test_another_machine_value_or_uncommitted_build_is_refused_unless_allowed(self):
        for i, (key, change) in enumerate(
            (
                ("machine.cpu_model", lambda r: r["machine"].update(cpu_model="Another processor")),
                ("machine.governor", lambda r: None),
                ("log_buffer.capacity", lambda r: r["configuration"]["log_buffer"].update(capacity=4096)),
                ("window_s", lambda r: r["configuration"].update(window_s=9.0)),
                ("muster.git_commit", lambda r: r["muster"].update(git_commit="f" * 40 + "-dirty")),
            )
        ):
            with self.subTest(key=key):
                self.write(f"new{i}", self.changed(change))
                done = self.compare("base", f"new{i}")
                if key == "machine.governor":  # neither side says
                    self.assertEqual(done.returncode, 0, done.stderr)
                    continue
                self.refused(done, key, f"--allow {key}")
                self.assertEqual(self.compare("base", f"new{i}", "--allow", key).returncode, 0)
                self.refused(self.compare("base", f"new{i}", "--allow", "threads"), key)

    def test_a_section_stands_for_its_keys_and_allow_is_repeatable(self):
        def change(result):
            result["machine"].update(cpu_model="Another processor", kernel="Linux 7")
            result["configuration"]["log_buffer"]["capacity"] = 4096

        self.write("new", self.changed(change))
        self.refused(self.compare("base", "new", "--allow", "machine"), "log_buffer.capacity = 16777216 in BASE, 4096 in NEW")
        done = self.compare("base", "new", "--allow", "machine", "--allow", "log_buffer.capacity")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("log_buffer.capacity=16777216→4096", done.stdout)
        self.assertIn("differs: machine.kernel: Linux 6.1 in BASE, Linux 7 in NEW", done.stdout)

    def test_points_on_one_side_only_are_refused_or_named(self):
        self.write("new", self.results(algorithms=("mutex",), threads=(1, 2)))
        self.refused(self.compare("base", "new"), "threads = 2 in NEW, 1 in BASE", "--allow threads")
        done = self.compare("base", "new", "--allow", "threads")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("left out, on one side only: 2 points", done.stdout)
        appends = [r for r in self.base if r["configuration"]["workload"] == "append"]
        self.write("appends", appends)
        self.refused(self.compare("base", "appends"), "workload = ycsb in BASE, append in NEW", "--allow workload")
        self.assertEqual(self.compare("base", "appends", "--allow", "workload").returncode, 0)

    def test_one_algorithm_is_compared_with_another_where_that_is_allowed(self):
        self.write("new", self.results({("append", "eleda", 1)}, algorithms=("eleda",), threads=(1,)))
        self.refused(self.compare("base", "new"), "algorithm = mutex in BASE, eleda in NEW")
        found, code = self.rows("base", "new", "--allow", "algorithm")
        self.assertEqual((code, found["rows"][0]["title"]), (1, "append mutex→eleda"))

    def test_a_key_that_one_side_does_not_have_yet_counts_as_its_default(self):
        def older(result):
            del result["configuration"]["log_buffer"]["slot_pool"]

        self.write("older", self.changed(older))
        for pair in (("base", "older"), ("older", "base")):
            self.assertEqual(self.compare(*pair).returncode, 0)

        def larger(result):
            result["configuration"]["log_buffer"]["slot_pool"] = 256

        self.write("larger", self.changed(larger))
        self.refused(self.compare("older", "larger"), "log_buffer.slot_pool = 128 in BASE, 256 in NEW")

    def test_places_and_seeds_are_no_configuration(self):
        def elsewhere(result):
            result["configuration"]["seed"] += 100
            if "engine" in result["configuration"]:
                result["configuration"]["engine"]["directory"] = "/elsewhere"

        self.write("new", self.changed(elsewhere))
        self.assertEqual(self.compare("base", "new").returncode, 0)

    def test_two_machines_or_builds_in_one_folder_are_one_line(self):
        self.write("machines", self.changed(lambda r: r["machine"].update(cpu_model="Another processor"), only_first=True))
        self.refused(self.compare("machines", "base"), "machine.cpu_model: BASE holds", "Another processor")
        self.write("commits", self.changed(lambda r: r["muster"].update(git_commit="f" * 40), only_first=True))
        self.refused(self.compare("base", "commits"), "muster.git_commit: NEW holds")

    def test_defaults_are_those_of_the_executable(self):
        listed = project.run(MUSTER, "keys").stdout
        found = re.findall(r"^  (\S+)   \((?:[^;()]*; )?(required|default .*)\)$", listed, re.MULTILINE)
        kept = [
            (key["name"], "required" if key["required"] else f"default {json.dumps(key['default'])}")
            for key in measurements.keys()
        ]
        self.assertEqual(found, kept, "muster keys --json > results/keys.json writes it anew")


class BadInput(Case):
    def setUp(self):
        super().setUp()
        self.write("base", self.results(algorithms=("mutex",)))
        self.new = self.write("new", self.results(algorithms=("mutex",), seed=2))

    def test_a_file_that_cannot_be_used_is_named_and_skipped(self):
        result = self.results(algorithms=("mutex",), repetitions=1, seed=3)[0]

        lagging = copy.deepcopy(result)
        lagging["repetitions"][0]["boundary_lag_bytes"]["p50"] = -1

        def with_window(**values):
            changed = copy.deepcopy(result)
            changed["repetitions"][0]["windows"][0].update(values)
            return json.dumps(changed)

        for text, word in (
            ('{"schema": 1,', "not a result"),
            ("[" * 100_000, "not a result"),
            ("[1]", "not a result"),
            (json.dumps({**result, "schema": 99}), "schema = 99"),
            (with_window(operations=float("nan")), "windows.0.operations = NaN"),
            (with_window(operations=-1), "windows.0.operations = -1"),
            (with_window(seconds=0), "windows.0.seconds = 0: want a number, above 0"),
            (with_window(operations="many"), "windows.0.operations = \"many\""),
            (json.dumps({**result, "repetitions": [{}]}), "repetitions.0.windows = null"),
            (json.dumps({**result, "machine": {"processing_units": 1, "kernel": []}}), "machine.kernel = []: want text"),
            (json.dumps(lagging), "boundary_lag_bytes.p50 = -1: want a number, 0 or more"),
            ((self.new / "0.json").read_text(encoding="utf-8"), "the same measurement as 0.json"),
        ):
            with self.subTest(word=word):
                (self.new / "bad.json").write_text(text, encoding="utf-8")
                done = self.compare("base", "new")
                self.assertEqual((done.returncode, done.stderr.count("\n")), (5, 1), done.stderr)
                self.assertIn("bad.json", done.stderr)
                self.assertIn(word, done.stderr)
                self.assertIn("within 5 %", done.stdout)

    def test_what_is_slower_matters_more_than_what_is_skipped_and_that_more_than_what_is_undecided(self):
        (self.new / "bad.json").write_text("{", encoding="utf-8")
        self.write("slow", self.results({("append", "mutex", 1)}, algorithms=("mutex",)))
        self.assertEqual(self.compare("slow", "new", "--strict").returncode, 5)  # it is faster
        self.assertEqual(self.compare("new", "slow", "--strict").returncode, 1)

    def test_what_holds_nothing_is_one_line(self):
        (self.folder / "empty").mkdir()
        (self.folder / "bad").mkdir()
        (self.folder / "bad/1.json").write_text("{", encoding="utf-8")
        (self.folder / "text").write_text("text", encoding="utf-8")
        for name, word in (("empty", "no results"), ("bad", "1.json"), ("text", "JSON"), ("nowhere", "nowhere")):
            self.refused(self.compare(name, "new"), word)
            self.refused(self.compare("base", name), word)
        for words in (["--threshold", "0"], ["--threshold", "nan"], ["--fast"]):
            self.refused(self.compare("base", "new", *words), words[0])

    def test_a_report_that_cannot_be_written_is_said(self):
        done = self.compare("base", "new", "--json", "/proc/nowhere/out.json")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
        self.assertIn("--json", done.stderr)


class Benchmarks(Case):
    def test_a_slow_benchmark_is_found(self):
        self.write("base", benchmarks())
        self.write("new", benchmarks(factor=0.9, seed=2))
        found, code = self.rows("base", "new")
        self.assertEqual((code, len(found["rows"])), (1, 4))
        self.assertEqual({(row["measure"], row["unit"], row["verdict"]) for row in found["rows"]},
                         {("throughput", "bytes/s", "slower"), ("time", "ns", "slower")})  # fmt: skip
        self.assertEqual(self.compare("base", "base").returncode, 0)

    def test_what_does_not_fit_is_refused(self):
        self.write("base", benchmarks())
        self.write("machine", benchmarks(cpu_model="Another processor"))
        self.write("placement", benchmarks(placement="elsewhere"))
        self.write("points", benchmarks(algorithms=("mutex",)))
        self.write("aggregates", {"context": {}, "benchmarks": [{"name": "a", "run_type": "aggregate"}]})
        self.write("results", self.results())
        for name, words in (
            ("machine", ["machine.cpu_model", "--allow machine.cpu_model"]),
            ("placement", ["placement", "--allow placement"]),
            ("points", ["algorithm = eleda in BASE, mutex in NEW"]),
            ("aggregates", ["no repetition"]),
            ("results", ["benchmarks", "results of muster run"]),
        ):
            self.refused(self.compare("base", name), *words)

    def test_files_of_the_reference_are_read(self):
        for path in sorted((ROOT / "results/reference").glob("*/*.json")):
            if "benchmarks" in json.loads(path.read_text(encoding="utf-8")):
                self.assertIn(self.compare(path, path).returncode, (0,), path)


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.write("base", self.results())
        new = self.write("new", self.results({("append", "eleda", 1)}, seed=2))
        (new / "bad|<&>.json").write_text("{", encoding="utf-8")

    def test_junit_fails_what_is_slower(self):
        done = self.compare("base", "new", "--junit", self.folder / "out.xml")
        self.assertEqual(done.returncode, 1)
        suite = xml.parse(self.folder / "out.xml").getroot().find("testsuite")
        (failed,) = [case for case in suite.iter("testcase") if case.find("failure") is not None]
        self.assertEqual(failed.get("name"), "throughput")
        self.assertIn("append eleda", failed.get("classname"))
        self.assertIn("slower", failed.find("failure").get("message"))
        (error,) = suite.iter("error")
        self.assertIn("bad|<&>.json", error.get("message"))
        counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
        self.assertEqual(counts, {"tests": 4 * 2 + 4 * 7 + 1, "failures": 1, "errors": 1, "skipped": 0})

    def test_an_undecided_row_is_skipped_in_junit(self):
        self.write("few", self.results(repetitions=2))
        self.compare("few", "few", "--junit", self.folder / "out.xml")
        suite = xml.parse(self.folder / "out.xml").getroot().find("testsuite")
        self.assertEqual((suite.get("skipped"), len(list(suite.iter("skipped")))), ("36", 36))

    def test_github_action_benchmark_gets_a_file_for_each_direction(self):
        self.compare("base", "new", "--benchmark-action", self.folder / "out.json")
        directions = {}
        for ending in ("bigger", "smaller"):
            entries = json.loads((self.folder / f"out.{ending}.json").read_text(encoding="utf-8"))
            directions[ending] = {entry["name"].rsplit(": ", 1)[1] for entry in entries}
            for entry in entries:
                self.assertEqual(entry.keys(), {"name", "unit", "value", "range", "extra"})
                self.assertIsInstance(entry["value"], (int, float))
            self.assertEqual(len({entry["name"] for entry in entries}), len(entries))
        self.assertEqual(directions["bigger"], {"throughput"})
        self.assertTrue({"commit latency p99.9", "syncs a commit", "boundary lag p50"} <= directions["smaller"])

    def test_bencher_gets_medians_and_quartiles(self):
        self.compare("base", "new", "--bencher", self.folder / "out.json")
        metrics = json.loads((self.folder / "out.json").read_text(encoding="utf-8"))
        self.assertEqual(len(metrics), 8)
        for measures in metrics.values():
            self.assertIn("throughput", measures)
            for measure, value in measures.items():
                self.assertRegex(measure, "^[a-z][a-z0-9-]*$")
                self.assertLessEqual(value["lower_value"], value["value"])
                self.assertLessEqual(value["value"], value["upper_value"])

    def test_markdown_is_a_table_whose_first_row_is_what_is_slower(self):
        done = self.compare("base", "new", "--markdown")
        table = [line for line in done.stdout.splitlines() if line.startswith("|")]
        self.assertIn("**slower**", table[2])
        self.assertEqual({line.replace("\\|", "").count("|") for line in table}, {11})
        self.assertIn("### 36 rows: 1 slower", done.stdout)

    def test_names_for_a_history_do_not_depend_on_what_else_is_compared(self):
        whole, _ = self.rows("base", "new")
        self.write("one", self.results(algorithms=("mutex",), threads=(2,)))
        one, _ = self.rows("one", "one")
        self.assertLess({row["name"] for row in one["rows"]}, {row["name"] for row in whole["rows"]})

    def draw(self, document, name="figure"):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return project.run(PYTHON, "-B", ROOT / "plots/compare.py", path, "--out", self.folder / name, cwd="/")

    def test_one_row_and_many_are_drawn_the_same_each_time(self):
        found, _ = self.rows("base", "new")
        many = {**found, "rows": [{**row, "ratio": row["ratio"] * (1 + i / 40)} for i in range(6) for row in found["rows"]]}
        endless = {**found, "rows": [{**found["rows"][0], "ratio": None, "low": 0, "high": None}, found["rows"][1]]}
        unknown = {**found, "rows": [{**found["rows"][1], "low": None, "high": None}]}
        for name, document in (("found", found), ("many", many), ("endless", endless), ("unknown", unknown)):
            with self.subTest(name):
                done = self.draw(document, name)
                svg, png = self.folder / f"{name}.svg", self.folder / f"{name}.png"
                self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", "".join(f"figure: {svg.with_suffix(e)}\n" for e in (".svg", ".png", ".pdf", ".csv"))))
                self.assertTrue(xml.parse(svg).getroot().tag.endswith("svg"))
                self.assertEqual(png.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.draw(found, "again")
        self.assertEqual((self.folder / "found.svg").read_bytes(), (self.folder / "again.svg").read_bytes())

    def test_what_is_no_comparison_is_not_drawn(self):
        for document in ({}, {"comparison": 2, "rows": [1]}, {"comparison": 1, "rows": []}, [1]):
            done = self.draw(document)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertFalse((self.folder / "figure.png").exists())


class Statistics(unittest.TestCase):
    def test_mann_whitney_counts_divisions_of_the_ranks_ties_included(self):
        base = [[1, 2, 3], [1, 1, 1], [1, 1, 1], [2, 3, 5]]
        new = [[4, 5, 6], [2, 2, 2], [1, 1, 1], [1, 4, 6]]
        self.assertEqual([round(p, 6) for p in statistics.mann_whitney(base, new)], [0.1, 0.1, 1.0, 1.0])

    def test_large_samples_agree_with_what_is_exact_and_are_never_below_what_is_possible(self):
        chance = random.Random(1)
        base = [[round(chance.gauss(0, 1), 1) for _ in range(20)] for _ in range(20)]
        new = [[round(chance.gauss(0.7, 1), 1) for _ in range(15)] for _ in range(20)]
        exact = statistics.mann_whitney(base, new)
        limit, statistics.EXACT_SUMS_MAX = statistics.EXACT_SUMS_MAX, 0
        try:
            normal = statistics.mann_whitney(base, new)
            apart = statistics.mann_whitney([[1, 2, 3]], [[4, 5, 6]])[0]
        finally:
            statistics.EXACT_SUMS_MAX = limit
        for one, another in zip(exact, normal):
            self.assertAlmostEqual(one, another, delta=0.01)
        self.assertLess(min(exact), 0.05)
        self.assertGreaterEqual(apart, statistics.least_mann_whitney(3, 3))

    def test_samples_that_are_apart_have_the_least_p_there_is(self):
        for sizes in ((3, 3), (5, 9), (10, 10), (2, 100)):
            p = statistics.mann_whitney([list(range(sizes[0]))], [list(range(1000, 1000 + sizes[1]))])[0]
            self.assertAlmostEqual(p / statistics.least_mann_whitney(*sizes), 1, places=9)

    def test_the_bootstrap_covers_the_ratio_and_repeats_itself(self):
        chance = random.Random(2)
        base = [[chance.gauss(100, 5) for _ in range(15)] for _ in range(300)]
        new = [[chance.gauss(90, 5) for _ in range(15)] for _ in range(300)]
        intervals = statistics.bootstrap_ratio(base, new)
        covered = sum(low <= 0.9 <= high for low, high in intervals) / len(intervals)
        self.assertGreater(covered, 0.9)
        self.assertLess(covered, 1.0)
        self.assertTrue((intervals == statistics.bootstrap_ratio(base, new)).all())

    def test_zeros_have_ratios_too(self):
        low, high = statistics.bootstrap_ratio([[0, 0, 0]], [[0, 0, 0]])[0]
        self.assertEqual((low, high), (1, 1))
        self.assertEqual(statistics.ratio(0, 5), float("inf"))
        self.assertTrue((statistics.bootstrap_ratio([[1]], [[2]]) != statistics.bootstrap_ratio([[1]], [[2]])).all())  # NaN


if __name__ == "__main__":
    unittest.main()
