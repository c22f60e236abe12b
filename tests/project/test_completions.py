"""scripts/completions.bash in a real bash: what a user gets to choose from is what the programs take."""

import json
import subprocess
import unittest

import project
import samples
from lab import measures
from project import MUSTER, ROOT


def complete(line):
    """What bash offers behind the line, as its function leaves it in COMPREPLY."""
    words = line.split() + ([""] if line.endswith(" ") else [])
    script = f"""
        source {ROOT}/scripts/completions.bash
        compopt() {{ :; }}  # wants a completion that the shell began itself
        COMP_LINE=$1 COMP_POINT=${{#1}}; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        name=${{COMP_WORDS[0]##*/}}
        [[ $(complete -p "$name") =~ -F\\ ([a-z_]+) ]] && ${{BASH_REMATCH[1]}}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script, "bash", line, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not done.stderr, done.stderr
    return done.stdout.split()


class Completions(unittest.TestCase):
    def test_subcommands_and_their_options(self):
        self.assertLessEqual({"run", "list", "topology", "keys"}, set(complete(f"{MUSTER} ")))
        self.assertEqual(complete(f"{MUSTER} topo"), ["topology"])
        self.assertLessEqual({"--set", "--out", "--keep"}, set(complete(f"{MUSTER} run --")))
        self.assertEqual(complete(f"{MUSTER} lsm "), ["dump", "verify"])
        self.assertEqual(complete(f"{MUSTER} log v"), ["verify"])
        self.assertEqual(complete(f"{MUSTER} lsm dump --e"), ["--entries"])
        self.assertEqual(complete(f"{MUSTER} run "), [], "bash's own: any file")

    def test_every_key_and_the_values_that_have_names(self):
        keys = {f"{key['name']}=" for key in json.loads(project.run(MUSTER, "keys", "--json").stdout)}
        self.assertEqual(set(complete(f"{MUSTER} run --set ")), keys)
        algorithms = {a["name"] for a in json.loads(project.run(MUSTER, "list", "--json").stdout)}
        self.assertEqual(set(complete(f"{MUSTER} run --set algorithm=")), algorithms)
        self.assertEqual(complete(f"{MUSTER} run --set workload=ap"), ["append"])

    def test_options_of_scripts(self):
        self.assertIn("--dry-run", complete(f"{ROOT}/scripts/sweep.py --d"))
        self.assertIn("--markdown", complete(f"{ROOT}/scripts/compare --m"))

    def test_a_sweeps_subcommands_and_matrices(self):
        self.assertEqual(complete("scripts/sweep.py st"), ["status"])
        self.assertEqual(complete("scripts/sweep.py scripts/qui"), ["scripts/quickstart.json"])
        self.assertLessEqual({"pack", "status", "results"}, set(complete("scripts/sweep.py ")))
        self.assertEqual(complete("scripts/sweep.py pack results/re"), ["results/reference"])
        self.assertEqual(complete("scripts/sweep.py pack --o"), ["--out"])

    def test_figures_of_papers(self):
        self.assertEqual(complete("scripts/reproduce aether-e"), ["aether-elr"])
        self.assertIn("--preset", complete("scripts/reproduce all --pr"))
        self.assertEqual(complete("scripts/reproduce all --preset s"), ["smoke"])

    def test_keys_measures_and_conditions_of_a_figure(self):
        keys = {key["name"] for key in json.loads((ROOT / "results/keys.json").read_text(encoding="utf-8"))}
        for option in ("--x", "--by"):
            self.assertEqual(set(complete(f"plots/plot.py results {option} ")), keys)
        self.assertEqual(complete("plots/plot.py results --where thr"), ["threads="])
        self.assertEqual(complete("plots/plot.py results --where algorithm=mutex,ele"), ["mutex,eleda"])
        self.assertEqual(complete("plots/plot.py results --log x"), ["x", "xy"])

    def test_measures_are_those_that_a_result_has(self):
        made = [samples.result(workload) for workload in ("append", "ycsb")]
        found = {measure.key for result in made for measure in measures.of_repetition("", result, result["repetitions"][0])}
        offered = set(complete("plots/plot.py results --y "))
        self.assertEqual({key for key in found - offered if not key.startswith("activity.counters.")}, set())
        self.assertLessEqual({"throughput", "commit_latency_us.p95", "waits.room.ns", "load.backlog"}, offered)

    def test_results_and_choices_of_what_reads_them(self):
        sweep = "results/reference/2026-11-29-epyc-2-units/"
        for script in ("scripts/export", "scripts/report", "scripts/hgrm", "plots/plot.py", "plots/latency.py"):
            packed = sorted(f"{sweep}{path.name}" for path in (ROOT / sweep).glob("*.jsonl.gz"))
            self.assertEqual(sorted(complete(f"{script} {sweep}")), [f"{sweep}boundary", *packed])
        self.assertEqual(complete("scripts/hgrm results --of st"), ["start_delay"])
        self.assertEqual(complete("scripts/export --sq"), ["--sqlite"])
        self.assertEqual(complete("scripts/report results --out "), [], "bash's own: any file")

    def test_every_command_that_people_type_is_there(self):
        said = (ROOT / "scripts/completions.bash").read_text(encoding="utf-8")
        for path in (ROOT / "scripts").iterdir():
            if path.is_file() and path.stat().st_mode & 0o100 and path.name not in ("format", "readme_table.py"):
                self.assertRegex(said, rf"\b{path.name}\b")


if __name__ == "__main__":
    unittest.main()
