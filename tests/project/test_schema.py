"""results/schema.json against what `muster run` writes, and against what it must not accept."""

import copy
import json
import math
import random
import re
import tempfile
import unittest
from pathlib import Path

import project
from lab import results
from lab.statistics import Spread
from lab.wording import title
import samples


def measured(*settings):
    """A real result of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        words = ["warmup_s=0.01", "window_s=0.02", "windows=3", *settings]
        if "workload=ycsb" in settings:
            words += [f"engine.directory={folder}/data", "ycsb.records=500"]
            (Path(folder) / "data").mkdir()
        command = [project.MUSTER, "run", "--out", out]
        for word in words:
            command += ["--set", word]
        done = project.run(*command)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
        return json.loads(out.read_text(encoding="utf-8"))


class RealOutput(unittest.TestCase):
    def fits(self, *settings):
        document = measured(*settings)
        results.check(document, " ".join(settings))
        return document

    def test_append_fits(self):
        for settings in (
            ["algorithm=border_collie", "repetitions=2"],
            ["algorithm=bound"],
            ["algorithm=mutex", "threads=4", "oversubscribe=true", "placement=none"],
            ["algorithm=eleda", "append.bytes=[48,120]", "placement=[0]"],
        ):
            with self.subTest(settings=" ".join(settings)):
                self.fits("workload=append", *settings)

    def test_ycsb_fits(self):
        for settings in (
            ["algorithm=border_collie"],
            ["algorithm=mutex", "ycsb.mix=C", "log.device=memory", "engine.policy=pipelined"],
            ["algorithm=mutex", "ycsb.mix=A", "ycsb.reads=0"],
            ["algorithm=mutex", "ycsb.mix=load", "log.device=memory"],
            ["algorithm=mutex", "ycsb.mix=E", "engine.table=lsm", "lsm.memtable_bytes=65536"],
            ["algorithm=consolidation", "ycsb.mix=F", "threads=4", "oversubscribe=true", "repetitions=2"],
        ):
            with self.subTest(settings=" ".join(settings)):
                self.fits("workload=ycsb", *settings)

    def test_the_series_is_of_the_same_time_and_work_as_the_windows(self):
        found = self.fits("workload=commit", "algorithm=mutex", "log.device=memory", "window_s=0.25", "windows=2", "load.rate=2000")
        (repetition,) = found["repetitions"]
        series, windows = repetition["series"], repetition["windows"]
        self.assertEqual((len(series["seconds"]), series["interval_s"]), (6, 0.25 / 3))
        self.assertEqual({len(column) for column in series.values() if isinstance(column, list)}, {6})
        self.assertIn("commit_latency_p999_us", series)
        for key in ("operations", "bytes", "seconds"):
            self.assertAlmostEqual(sum(series[key]), sum(w[key] for w in windows), places=6)
        for before, seconds, start in zip(series["start_s"], series["seconds"], series["start_s"][1:]):
            self.assertAlmostEqual(before + seconds, start, places=6)
        lag = measured("workload=append", "algorithm=mutex")["repetitions"][0]["series"]
        self.assertNotIn("commit_latency_p50_us", lag)
        self.assertIn("boundary_lag_max_bytes", lag)

    def test_a_workload_without_rows_in_the_schema_fits(self):
        document = self.fits("workload=commit", "algorithm=mutex", "log.device=memory")
        self.assertEqual(document["throughput"]["unit"], "transactions/s")

    def test_spread_is_that_of_all_windows(self):
        document = measured("workload=append", "algorithm=mutex", "repetitions=2")
        spread = Spread.of(results.rates(document))
        self.assertEqual((spread.count, document["throughput"]["windows"]), (6, 6))
        for key in ("median", "q1", "q3"):
            self.assertAlmostEqual(getattr(spread, key) / document["throughput"][key], 1, places=6)


class Schema(unittest.TestCase):
    # What was not there when the first results were kept, and a place, which later ones leave out.
    OPTIONAL = {
        "algorithm",
        "title",
        "muster.build_id",
        "machine.host_id",
        "machine.host_name",
        "machine.transparent_huge_pages",
        "machine.verdicts",
        "not_measured",
        "repetitions.0.activity",
        "repetitions.0.storage",
        "repetitions.0.lsm",
        "configuration.lsm",
        "configuration.engine.table",
        "configuration.engine.directory",
        *(f"configuration.log_buffer.{key}" for key in ("delegation_chain", "slot_pool", "insert_locks", "link_window", "lock")),
        *(f"repetitions.0.activity.counters.{key}" for key in ("cycles", "instructions", "cache_misses")),
    }

    def test_samples_fit(self):
        for workload in ("append", "ycsb"):
            results.check(samples.result(workload), workload)

    def refused(self, workload, change):
        document = copy.deepcopy(samples.result(workload))
        change(document)
        with self.assertRaises(results.ResultError):
            results.check(document, workload)

    def test_what_is_unknown_missing_or_of_another_type_is_refused(self):
        def objects(value, path=()):
            if isinstance(value, dict):
                yield path
            for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
                yield from objects(item, (*path, key))

        def at(document, path):
            for step in path:
                document = document[step]
            return document

        for workload in ("append", "ycsb"):
            for path in objects(samples.result(workload)):
                with self.subTest(workload=workload, path=path):
                    self.refused(workload, lambda d: at(d, path).update(unknown=1))
                    for key in at(samples.result(workload), path):
                        if ".".join(map(str, (*path, key))) not in self.OPTIONAL:
                            self.refused(workload, lambda d: at(d, path).pop(key))
                        self.refused(workload, lambda d: at(d, path).update({key: {"another": "type"}}))

    def test_a_series_is_optional_and_each_of_its_columns_a_list(self):
        def with_series(change):
            def apply(document):
                (repetition,) = document["repetitions"]
                repetition["series"] = samples.series(repetition["windows"], random.Random(1))
                change(repetition["series"])

            return apply

        document = samples.result("ycsb")
        with_series(lambda series: None)(document)
        results.check(document, "ycsb")
        for key in document["repetitions"][0]["series"]:
            with self.subTest(key=key):
                self.refused("ycsb", with_series(lambda series: series.update({key: "another"})))
        self.refused("ycsb", with_series(lambda series: series.update(unknown=[1])))
        self.refused("ycsb", with_series(lambda series: series.pop("seconds")))
        self.refused("ycsb", with_series(lambda series: series["operations"].append(None)))

    def test_what_belongs_to_the_other_workload_is_refused(self):
        self.refused("append", lambda d: d["repetitions"][0].update(transactions={"committed": 1, "aborted": 0, "deadlocks": 0}))
        self.refused("ycsb", lambda d: d["repetitions"][0].update(log=None))
        self.refused("ycsb", lambda d: d["throughput"].update(unit="records/s"))
        self.refused("append", lambda d: d["configuration"].update(log={"device": "file"}))

    def test_a_failed_verification_is_no_result(self):
        self.refused("append", lambda d: d["verification"].update(ok=False))
        self.refused("append", lambda d: d["repetitions"].clear())


def kept_sweeps():
    """Of results/, but for this machine's own and for the gate's trials, which are no results of runs."""
    for path in sorted((project.ROOT / "results").rglob("*" + results.PACKED)):
        if not {"local", "gate"} & set(path.parts):
            yield path


class Kept(unittest.TestCase):
    def test_every_kept_sweep_fits_the_schema_of_today(self):
        seen = 0
        for path in kept_sweeps():
            for name, document in results.documents(path):
                with self.subTest(file=path.name, result=name):
                    self.assertNotIsInstance(document, results.ResultError)
                    results.check(document, name)
                    seen += 1
        self.assertGreater(seen, 400)

    def test_no_kept_sweep_names_a_path_of_its_machine(self):
        for path in kept_sweeps():
            text = json.dumps(list(results.documents(path)))
            self.assertIsNone(re.search(r"""(?<=[\s"'=`])/(tmp|home|root|work|mnt)/""", text), path)


class Reading(unittest.TestCase):
    """What readers use is looked at; the rest may be absent, or be more than is known here."""

    def refused(self, words, change):
        document = copy.deepcopy(samples.result())
        change(document)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "one.json").write_text(json.dumps(document), encoding="utf-8")
            done = project.run(project.PYTHON, "-B", project.ROOT / "scripts/table.py", folder)
        self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done.stderr)
        for word in ("one.json", *words):
            self.assertIn(word, done.stderr)

    def test_a_field_that_readers_use_is_named_where_it_is_missing_or_no_number(self):
        def window(**change):
            return lambda d: d["repetitions"][0]["windows"][1].update(change)

        for words, change in (
            (["schema = 2", "later"], lambda d: d.update(schema=2)),
            (["not a result"], lambda d: d.update(schema="1")),
            (["configuration.threads = null"], lambda d: d["configuration"].pop("threads")),
            (["configuration.algorithm = 7"], lambda d: d["configuration"].update(algorithm=7)),
            (["configuration.workload = null"], lambda d: d.update(configuration=[])),
            (["muster.git_commit"], lambda d: d.pop("muster")),
            (["throughput.unit"], lambda d: d["throughput"].pop("unit")),
            (["repetitions = {}"], lambda d: d.update(repetitions={})),
            (["repetitions.0.windows = []"], lambda d: d["repetitions"][0]["windows"].clear()),
            (["repetitions.0.windows.1.operations = -1"], window(operations=-1)),
            (["repetitions.0.windows.1.operations = NaN"], window(operations=math.nan)),
            (["repetitions.0.windows.1.seconds = 0"], window(seconds=0)),
            (["repetitions.0.windows.1.seconds = Infinity"], window(seconds=math.inf)),
            (["repetitions.0.windows.1.seconds = null"], window(seconds=None)),
        ):
            with self.subTest(words=words):
                self.refused(words, change)

    def test_what_is_absent_or_unknown_is_no_mistake(self):
        document = samples.result()
        document["tomorrow"] = document["configuration"]["tomorrow"] = {"a": 1}
        for key in ("placement", "command", "time", "verification"):
            document.pop(key)
        document["configuration"].pop("append")
        results.check_used(document, "one.json")
        self.assertEqual(title(results.groups([document])[0]), "append")

    def test_a_title_is_that_of_the_result(self):
        document = {**samples.result(), "title": "append, as the executable has it"}
        self.assertEqual(title(results.groups([document])[0]), "append, as the executable has it")

    def test_where_a_database_lay_separates_no_results(self):
        here, there = samples.result("ycsb", seed=1), samples.result("ycsb", seed=2)
        there["configuration"]["engine"]["directory"] = "elsewhere"
        self.assertEqual(len(results.groups([here, there])), 1)


if __name__ == "__main__":
    unittest.main()
