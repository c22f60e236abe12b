"""scripts/lsm_rivals: what its figures are made of, and a short run of it where RocksDB or LevelDB is installed."""

import json
import tempfile
import unittest
from pathlib import Path

import project
from project import ROOT

from lab import rivals


def run(name, repetition, rate, written=0, workload="write"):
    phases = [
        {"phase": "write", "operations": 10 * rate, "seconds": 10, "processor_seconds": 5, "written_bytes": written, "memory_peak_bytes": 1 << 20},
        {"phase": "settle", "operations": 0, "seconds": 1, "processor_seconds": 1, "written_bytes": written, "memory_peak_bytes": 2 << 20},
        {"phase": "read", "operations": 2 * rate, "seconds": 1, "processor_seconds": 1, "written_bytes": 0, "memory_peak_bytes": 3 << 20},
    ]
    return {"workload": workload, "threads": 1, "repetition": repetition, "name": name, "phases": phases}


class Figures(unittest.TestCase):
    def test_ratios_are_muster_over_each_rival_with_an_interval_that_holds_them(self):
        runs = [run(name, i, rate + i) for i in range(9) for name, rate in (("muster", 300), ("rocksdb", 200))]
        found = {(entry["what"], entry["system"]): entry for entry in rivals.figures(runs)}
        self.assertEqual(found["write", "muster"]["median"], 304)
        self.assertNotIn("muster_over_it", found["write", "muster"])
        over = found["write", "rocksdb"]["muster_over_it"]
        self.assertEqual(over["ratio"], round(304 / 204, 3))
        self.assertTrue(over["low"] <= over["ratio"] <= over["high"])
        self.assertEqual(found["read", "rocksdb"]["median"], 408)

    def test_amplification_counts_what_is_written_after_the_last_put(self):
        written = 3 * 1000 * rivals.RECORD_BYTES
        (write,) = [entry for entry in rivals.figures([run("muster", 0, 100, written)]) if entry["what"] == "write"]
        self.assertEqual(write["write_amplification"], 6)

    def test_processor_time_is_that_of_an_operation_and_a_write_s_that_of_what_it_leaves_behind(self):
        found = {entry["what"]: entry["processor_us"] for entry in rivals.figures([run("muster", 0, 100)])}
        self.assertEqual(found, {"write": 6000, "read": 5000})

    def test_workloads_are_told_apart(self):
        runs = [run("muster", 0, 100), run("muster", 0, 50, workload="large"), run("muster", 0, 10, workload="sync")]
        runs[-1]["phases"] = runs[-1]["phases"][:1]
        medians = {entry["what"]: entry["median"] for entry in rivals.figures(runs)}
        self.assertEqual((medians["write"], medians["large: write"], medians["synced writes"]), (100, 50, 10))
        self.assertEqual(len(rivals.table(rivals.figures(runs)).splitlines()), 1 + len(medians))


class Command(unittest.TestCase):
    def test_mistakes_are_one_line(self):
        for options in (["--only", "reads"], ["--threads", "one"], ["--repetitions", "0"]):
            done = project.run(ROOT / "scripts/lsm_rivals", "--out", "/dev/null", *options)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)

    @unittest.skipUnless(project.is_release() and (ROOT / "build/release/bin/muster_rivals").exists(), "needs librocksdb-dev or libleveldb-dev")
    def test_a_short_run_is_gone_on_with(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            command = [ROOT / "scripts/lsm_rivals", "--out", out, "--directory", folder, "--only", "write,load", "--threads", "2"]
            command += ["--records", "2000", "--seconds", "0.05", "--repetitions"]
            first = project.run(*command, 1)
            self.assertEqual((first.returncode, first.stderr), (0, ""))
            runs = json.loads(out.read_text(encoding="utf-8"))["runs"]
            second = project.run(*command, 2)
            self.assertEqual((second.returncode, second.stderr), (0, ""))
            document = json.loads(out.read_text(encoding="utf-8"))
            self.assertEqual(document["runs"][: len(runs)], runs)
            self.assertEqual(len(document["runs"]), 2 * len(runs))
            for entry in document["runs"]:
                done = {phase["phase"]: phase["operations"] for phase in entry["phases"]}
                self.assertEqual(done.get("write", done.get("load")), 2000)
            other = project.run(*command, 1, "--records", 1000)
            self.assertEqual(other.returncode, 2)
            document["context"]["git_commit"] = "0123"
            out.write_text(json.dumps(document), encoding="utf-8")
            of_another_build = project.run(*command, 2)
            self.assertEqual((of_another_build.returncode, of_another_build.stderr.count("git_commit")), (2, 1))


if __name__ == "__main__":
    unittest.main()
