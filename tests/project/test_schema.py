"""results/schema.json against what `muster run` writes, and against what it must not accept."""

import copy
import json
import tempfile
import unittest
from pathlib import Path

import project
from lab import results
from lab.statistics import Spread
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
            ["algorithm=consolidation", "ycsb.mix=F", "threads=4", "oversubscribe=true", "repetitions=2"],
        ):
            with self.subTest(settings=" ".join(settings)):
                self.fits("workload=ycsb", *settings)

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
    # Options of algorithms that were not there when the first results were kept, and a place that is no longer said.
    LATER = ("delegation_chain", "slot_pool", "insert_locks", "link_window", "directory")

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
                        if key not in self.LATER:
                            self.refused(workload, lambda d: at(d, path).pop(key))
                        self.refused(workload, lambda d: at(d, path).update({key: {"another": "type"}}))

    def test_what_belongs_to_the_other_workload_is_refused(self):
        self.refused("append", lambda d: d["repetitions"][0].update(transactions={"committed": 1, "aborted": 0, "deadlocks": 0}))
        self.refused("ycsb", lambda d: d["repetitions"][0].update(log=None))
        self.refused("ycsb", lambda d: d["throughput"].update(unit="records/s"))
        self.refused("append", lambda d: d["configuration"].update(log={"device": "file"}))

    def test_a_failed_verification_is_no_result(self):
        self.refused("append", lambda d: d["verification"].update(ok=False))
        self.refused("append", lambda d: d["repetitions"].clear())


if __name__ == "__main__":
    unittest.main()
