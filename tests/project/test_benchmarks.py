"""The scripts over muster_bench and callgrind: what they make of figures, and that they run."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

import project
from project import MUSTER, ROOT

import advance_benchmarks
import append_benchmarks
from lab import benchmarks, command
import harness_cost
import instructions
import lag_benchmarks


BENCH = project.BUILD / "bin/muster_bench"


def algorithms():
    return [a["name"] for a in json.loads(project.run(MUSTER, "list", "--json").stdout)]


class Figures(unittest.TestCase):
    def test_share_is_that_of_the_bound_at_the_same_point(self):
        entries = []
        for threads, drift in ((1, 1), (2, 10)):
            for algorithm, rates in (("bound", (90, 100, 110)), ("mutex", (40, 50, 80))):
                name = f"append/{algorithm}/bytes:48/real_time/threads:{threads}"
                entries += [{"run_name": name, "bytes_per_second": rate * drift} for rate in rates]
        found = append_benchmarks.shares({"benchmarks": entries})
        self.assertEqual(len(found), 4)
        for share in found:
            if share["algorithm"] == "mutex":
                self.assertEqual((share["median"], share["q1"], share["q3"], share["repetitions"]), (0.5, 0.45, 0.65, 3))
        table = append_benchmarks.table(found, units=1)
        self.assertIn("2 threads, oversubscribed: 1 processing units", table)
        self.assertEqual(table.count("0.50 0.45-0.65"), 2)

    def test_share_of_copy_stands_beside_that_of_bound_where_copying_was_measured(self):
        rates = {"copy_rotating": (180, 200, 220), "bound": (100, 100, 100), "mutex": (40, 50, 60)}
        entries = [
            {"run_name": f"append/{algorithm}/bytes:{size}/real_time/threads:1", "bytes_per_second": rate}
            for size in (48, 120)
            for algorithm, of_algorithm in rates.items()
            for rate in of_algorithm
            if (algorithm, size) != ("copy_rotating", 120)
        ]
        found = append_benchmarks.shares({"benchmarks": entries})
        of_copy = {(s["algorithm"], s["bytes"]): s.get("copy") for s in found}
        self.assertEqual(of_copy["mutex", 48], {"median": 0.25, "q1": 0.225, "q3": 0.275})
        self.assertEqual(of_copy["bound", 48]["median"], 0.5)
        self.assertIsNone(of_copy["mutex", 120])
        tables = append_benchmarks.tables(found, units=2)
        self.assertEqual(tables.count("share of bound in bytes/s"), 1)
        self.assertEqual(tables.count("share of copy (copy_rotating) in bytes/s"), 1)
        self.assertIn("0.25 0.23-0.28", tables)
        without = append_benchmarks.tables([s for s in found if "copy" not in s], units=2)
        self.assertNotIn("copy", without)

    def test_a_benchmark_with_a_far_too_short_repetition_is_named_and_left_out(self):
        entry = {"run_name": "append/bound/bytes:48/real_time/threads:1", "iterations": 1000, "real_time": 50.0}
        enough = {**entry, "run_name": entry["run_name"].replace("bound", "mutex"), "iterations": 2_000_000}
        document = {"benchmarks": [enough, entry, {**entry, "iterations": 2_000_000}]}
        with contextlib.redirect_stderr(io.StringIO()) as said:
            append_benchmarks.leave_out_short(document, 0.1)
        self.assertEqual(document, {"benchmarks": [enough], "too_short_s": {entry["run_name"]: 5e-05}})
        self.assertRegex(said.getvalue(), "bound/bytes:48.*left out\\n")

    def test_cost_of_an_advance_is_without_the_clock(self):
        entries = []
        for algorithm, times in (("null", (30, 31, 32)), ("mutex", (41, 47, 43))):
            name = f"advance/{algorithm}/outstanding:4/iterations:9/manual_time"
            entries += [{"run_name": name, "real_time": time} for time in times]
        entries.append({"run_name": "advance/eleda/outstanding:4/iterations:9/manual_time", "error_occurred": True})
        clock, mutex = advance_benchmarks.costs({"benchmarks": entries})
        self.assertEqual((clock["ns"], mutex["ns"], mutex["q1"], mutex["q3"]), (0, 12, 11, 14))
        self.assertEqual((mutex["ns_per_record"], mutex["clock_ns"], mutex["count"]), (3, 31, 4))
        self.assertIn("12 11-14", advance_benchmarks.table([clock, mutex]))

    def test_the_cost_of_the_harness_is_what_a_workload_takes_longer_than_its_bare_loop(self):
        names = {
            "workload/append/null/bytes:120/workers:2/iterations:1/manual_time": (90e6, 100e6, 110e6),
            "append/null/bytes:120/real_time/threads:2": (120e6, 125e6, 130e6),
            "append/null/bytes:120/real_time/threads:8": (1e6, 2e6, 3e6),  # no workload beside it
            "workload/ycsb/iterations:1/manual_time": (0.9e6,),
            "bare/ycsb/iterations:100000/real_time": (1e6,),
        }
        entries = [{"run_name": name, "items_per_second": rate} for name, rates in names.items() for rate in rates]
        engine, append = harness_cost.costs({"benchmarks": entries})
        self.assertEqual((append["what"], append["bytes"], append["workers"]), ("append/null", 120, 2))
        self.assertEqual((append["ratio"], append["ns"], append["bare"]["q3"]), (0.8, 4, 127_500_000))
        self.assertEqual((engine["what"], engine["ratio"], engine["ns"]), ("ycsb", 0.9, 111.11))
        self.assertRegex(harness_cost.table([append]), r"append/null +120 +2 +125\.00 122\.50-127\.50 +100\.00 95\.00-105\.00 +0\.800 +4\.00")

    def test_a_cost_below_that_of_the_clock_is_said_to_be_below_its_resolution(self):
        name = "advance/{}/registered:4/iterations:9/manual_time"
        times = (("null", (30, 31, 32)), ("mutex", (29, 28, 31)))
        entries = [{"run_name": name.format(of), "real_time": time} for of, all_times in times for time in all_times]
        found = advance_benchmarks.costs({"benchmarks": entries})
        self.assertEqual([(cost["ns"], cost["q1"]) for cost in found], [(0, 0), (0, 0)])
        self.assertRegex(advance_benchmarks.table(found), r"mutex +< 1\n")
        with self.assertRaisesRegex(command.RequestError, "null"):
            advance_benchmarks.costs({"benchmarks": entries[3:]})

    def test_a_variant_stands_behind_what_it_is_of(self):
        entries = []
        for name, values in (("eleda:no_hop", (7, 9)), ("mutex", (0, 2)), ("eleda", (1234.4, 1240)), ("bound", (0, 0))):
            name = f"lag/{name}/idle:64/iterations:9/real_time"
            entries += [{"run_name": name, "lag_p50": v, "lag_p99": 10 * v, "found": 1000 * v} for v in values]
        found = lag_benchmarks.lags({"benchmarks": entries})
        self.assertEqual([lag["algorithm"] for lag in found], ["mutex", "eleda", "eleda:no_hop", "bound"])
        self.assertEqual((found[0]["idle"], found[0]["p50"]["median"], found[0]["p99"]["q3"]), (64, 1, 15))
        self.assertEqual((found[0]["repetitions"], found[0]["found"]["median"]), (2, 1000))
        self.assertRegex(lag_benchmarks.table(found), r"64 idle: p50 +p99 +found\n(.*\n)*eleda +1,237 +12,372 +1,237,200\n")


@unittest.skipUnless(project.is_release(), "the scripts measure build/release")
class Runs(unittest.TestCase):
    def run_script(self, name, *words):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "made" / "out.json"
            done = project.run(ROOT / f"scripts/{name}.py", *words, "--out", out, cwd="/")
            return done, json.loads(out.read_text(encoding="utf-8")) if out.exists() else None

    def test_append_benchmarks_has_every_algorithm(self):
        # Queue locks of eight threads on two units take minutes: one other lock stands for all.
        pattern = "append/[a-z_]+/bytes:1024/real_time/threads:(1|8)$|append/[a-z_]+:std_mutex/bytes:1024/real_time/threads:8$"
        words = ["--repetitions", "2", "--seconds", "0.0001", "--filter", pattern]
        done, document = self.run_script("append_benchmarks", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        measured = [s["algorithm"] for s in document["shares"] if s["threads"] == 8]
        self.assertEqual([name for name in measured if ":" not in name], algorithms())
        self.assertIn("mutex:std_mutex", measured)
        self.assertNotIn("consolidation:std_mutex", measured)
        for key in ("placement", "git_commit", "cpu_model", "command"):
            self.assertTrue(document["context"][key])
        self.assertNotIn("host_name", document["context"])
        for name in algorithms():
            self.assertEqual(done.stdout.count(f"\n{name} "), 4)  # shares of bound and of copying, of one thread and of eight

    def test_harness_cost_compares_a_workload_with_its_bare_loop(self):
        both = r"append/bound/bytes:120/real_time/threads:1$|workload/append/bound/bytes:120/workers:1/"
        done, document = self.run_script("harness_cost", "--repetitions", "2", "--filter", both)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([(c["what"], c["workload"]["repetitions"]) for c in document["costs"]], [("append/bound", 2)])
        done, document = self.run_script("harness_cost", "--filter", "append/null/bytes:120/real_time/threads:1$")
        self.assertEqual((done.returncode, done.stderr.count("\n"), document), (2, 1, None), done.stderr)

    def test_muster_bench_takes_a_placement_as_a_run_does(self):
        unit = min(os.sched_getaffinity(0))
        words = ["--benchmark_filter=append/null/bytes:48/real_time/threads:1$", "--benchmark_min_time=0.001"]
        for placement in ("scatter", "smt_last", "cache", "none", f"[{unit}]"):
            done = project.run(BENCH, f"--placement={placement}", *words, "--benchmark_format=json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["context"]["placement"]), (0, placement))
        for flusher in ("share", str(unit)):
            done = project.run(BENCH, "--flusher.placement", flusher, *words, "--benchmark_format=json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["context"]["flusher_placement"]), (0, flusher))
        for wrong in ("--placement=first", "--placement=[100000]", "--placement=1,0", "--placement", "--flusher.placement=first"):
            done = project.run(BENCH, *words, wrong)
            self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
            self.assertIn("placement = ", done.stderr)

    def test_advance_benchmarks_has_every_algorithm(self):
        done, document = self.run_script("advance_benchmarks", "--repetitions", "1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(list(dict.fromkeys(c["algorithm"] for c in document["costs"])), algorithms())
        counts = {c["count"] for c in document["costs"] if c["algorithm"] == "border_collie" and c["against"] == "registered"}
        self.assertEqual((min(counts), max(counts)), (1, 1024))

    def test_lag_benchmarks_has_every_algorithm_and_shows_who_stalls_on_idle_workers(self):
        done, document = self.run_script("lag_benchmarks", "--repetitions", "1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lags = {(lag["algorithm"], lag["idle"]): lag["p99"]["median"] for lag in document["lags"]}
        self.assertEqual(list(dict.fromkeys(name for name, _ in lags if ":" not in name)), algorithms())
        self.assertTrue({("border_collie:cutoff_and_blacks_only", 64), ("eleda:no_hop", 0)} <= lags.keys())
        self.assertEqual(max(lags, key=lags.get), ("border_collie_naive", 64))

    def test_instructions_of_a_tracked_append_are_more_than_those_of_the_bound(self):
        counts = {name: instructions.instructions(name, "append") for name in ("bound", "border_collie")}
        self.assertGreater(counts["bound"], 8)  # 120 bytes are at least four registers' loads and stores
        self.assertGreater(counts["border_collie"], counts["bound"])
        self.assertLess(counts["border_collie"], 100)
        self.assertGreaterEqual(instructions.instructions("null", "advance"), 1)

    def test_bad_requests_are_refused_in_one_line(self):
        for name, *words in (
            ("append_benchmarks", "--filter", "append/silo"),
            ("append_benchmarks", "--filter", "append/mutex/bytes:48/"),  # no bound beside it
            ("append_benchmarks", "--filter", "advance/null/registered:1/"),
        ):
            done, document = self.run_script(name, *words)
            self.assertEqual((done.returncode, done.stderr.count("\n"), document), (2, 1, None), done.stderr)
        self.assertEqual(self.run_script("append_benchmarks", "--repetitions", "0")[0].returncode, 2)
        for words in (("border_collie", "append", "0"), ("border_collie", "drain", "1"), ("silo", "append", "1"), ("null",)):
            done = project.run(project.BUILD / "bin/muster_instructions", *words)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_what_cannot_be_written_is_said(self):
        words = ["--repetitions", "1", "--seconds", "0.0001", "--filter", "append/bound/bytes:48/real_time/threads:1$"]
        done = project.run(ROOT / "scripts/append_benchmarks.py", *words, "--out", "/proc/nowhere/out.json")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
