"""README.md's line that loads an exported table into pandas, as it stands there. scripts/test --all runs it."""

import importlib.util
import json
import re
import statistics
import subprocess
import tempfile
import unittest
from pathlib import Path

import project
import samples
from project import ROOT


@unittest.skipUnless(importlib.util.find_spec("pandas"), "needs scripts/packages-all.txt: scripts/test --all installs it")
class Pandas(unittest.TestCase):
    def test_the_line_of_the_readme_prints_the_medians(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        (line,) = re.findall(r"^.*pandas\.read_csv.*$", readme, re.MULTILINE)
        found = [samples.result("ycsb", name, 1, seed) for name in ("mutex", "eleda") for seed in (1, 2)]
        with tempfile.TemporaryDirectory() as folder:
            night = Path(folder) / "night"
            night.mkdir()
            for i, result in enumerate(found):
                (night / f"{i}.json").write_text(json.dumps(result), encoding="utf-8")
            self.assertEqual(project.run(ROOT / "scripts/export", night, "--out", f"{folder}/night.csv").returncode, 0)
            done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("mutex", "eleda"):
            rates = [w["operations"] / w["seconds"] for r in found if r["configuration"]["algorithm"] == name for w in r["repetitions"][0]["windows"]]
            (printed,) = re.findall(rf"^{name} +1 +(\S+)$", done.stdout, re.MULTILINE)
            self.assertAlmostEqual(float(printed) / statistics.median(rates), 1, places=5)


if __name__ == "__main__":
    unittest.main()
