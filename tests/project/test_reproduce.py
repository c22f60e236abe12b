"""Figures of papers: what a claim comes to, what a recipe may say, and one figure measured, drawn and judged."""

import importlib.machinery
import importlib.util
import json
import math
import tempfile
import types
import unittest
from pathlib import Path

import project
import samples
from lab import claims, command, recipes
from lab.claims import CANNOT_TELL, DOES_NOT, HOLDS, Table
from lab.statistics import median_interval
from project import PYTHON, ROOT

REPRODUCE = ROOT / "scripts/reproduce"
MACHINE = {"processing_units": 4}


def table(of, repetitions=6, noise=0.01):
    """Of {(algorithm, threads): value}: as many repetitions, which scatter a little."""
    spread = [1 + noise * (i - repetitions // 2) for i in range(repetitions)]
    values = {
        (("algorithm", algorithm), ("threads", threads)): {i: value * factor for i, factor in enumerate(spread)}
        for (algorithm, threads), value in of.items()
    }
    return Table("throughput", "records/s", values)


def verdict(claim, of, **options):
    claim = {"text": "so", **claim}
    claims.check(claim, "claim")
    judged = claims.judge(claim, table(of, **options), MACHINE)
    assert judged["why"], judged
    return judged["verdict"]


class Claims(unittest.TestCase):
    TWO = {("a", 1): 100, ("b", 1): 50}

    def test_a_ratio_holds_fails_or_cannot_be_told(self):
        ratio = {"kind": "ratio", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}}
        self.assertEqual(verdict({**ratio, "above": 1.5}, self.TWO), HOLDS)
        self.assertEqual(verdict({**ratio, "above": 3}, self.TWO), DOES_NOT)
        self.assertEqual(verdict({**ratio, "above": 1, "below": 1.5}, self.TWO), DOES_NOT)
        noisy = table(self.TWO)
        for i, of in enumerate(noisy.values.values()):
            for repetition in of:
                of[repetition] *= 1 + 0.5 * (repetition + i) % 2
        judged = claims.judge({"text": "so", **ratio, "above": 2}, noisy, MACHINE)
        self.assertEqual(judged["verdict"], CANNOT_TELL)
        self.assertLess(judged["interval"][0], 2)
        self.assertGreater(judged["interval"][1], 2)

    def test_noise_that_both_sides_share_cancels(self):
        ratio = {"kind": "ratio", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}, "above": 1.9, "below": 2.1}
        self.assertEqual(verdict(ratio, self.TWO, noise=0.15), HOLDS)

    def test_orders_lines_peaks_and_crossings(self):
        order = {"kind": "order", "series": [{"algorithm": name} for name in "abc"]}
        self.assertEqual(verdict(order, {("a", 1): 3, ("b", 1): 2, ("c", 1): 1}), HOLDS)
        self.assertEqual(verdict(order, {("a", 1): 3, ("b", 1): 1, ("c", 1): 2}), DOES_NOT)
        line = {"along": "threads", "at": {"algorithm": "a"}}
        falls = {("a", 1): 10, ("a", 2): 20, ("a", 4): 10}
        self.assertEqual(verdict({"kind": "peak", **line, "above": 1.5}, falls), HOLDS)
        self.assertEqual(verdict({"kind": "flat", **line, "within": 1.2}, falls), DOES_NOT)
        self.assertEqual(verdict({"kind": "grows", **line, "above": 1.5}, falls), DOES_NOT)
        self.assertEqual(verdict({"kind": "flat", **line, "within": 2.5}, falls), HOLDS)
        crossing = {"kind": "crossing", "along": "threads", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}}
        crosses = {("a", 1): 2, ("b", 1): 1, ("a", 8): 1, ("b", 8): 2}
        self.assertEqual(verdict(crossing, crosses), HOLDS)
        self.assertEqual(verdict(crossing, {**crosses, ("a", 8): 3}), DOES_NOT)

    def test_least_and_most_are_what_was_measured(self):
        ratio = {"kind": "ratio", "at": {"algorithm": "a"}, "of": {"threads": "most"}, "to": {"threads": "least"}, "above": 5}
        self.assertEqual(verdict(ratio, {("a", 2): 1, ("a", 4): 9, ("a", 16): 6}), HOLDS)

    def test_near_and_far_are_the_nodes_that_were_measured(self):
        ratio = {"kind": "ratio", "of": {"algorithm": "near"}, "to": {"algorithm": "far"}, "above": 1.5}
        self.assertEqual(verdict(ratio, {("node:2", 1): 2, ("node:10", 1): 1}), HOLDS)
        self.assertEqual(verdict(ratio, {("node:2", 1): 2, ("interleave", 1): 1}), CANNOT_TELL)

    def test_a_stall_is_a_ratio_of_nothing_or_without_end(self):
        ratio = {"kind": "ratio", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}}
        self.assertEqual(verdict({**ratio, "below": 0.01}, {("a", 1): 0, ("b", 1): 5}), HOLDS)
        self.assertEqual(verdict({**ratio, "above": 100}, {("a", 1): 5, ("b", 1): 0}), HOLDS)
        judged = claims.judge({"text": "so", **ratio, "above": 100}, table({("a", 1): 5, ("b", 1): 0}), MACHINE)
        json.dumps(judged, allow_nan=False)

    def test_what_a_machine_cannot_tell(self):
        ratio = {"kind": "ratio", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}, "above": 1.5}
        self.assertEqual(verdict({**ratio, "needs": {"units": 5}}, self.TWO), CANNOT_TELL)
        self.assertEqual(verdict({**ratio, "needs": {"units": 4}}, self.TWO), HOLDS)
        self.assertEqual(verdict({**ratio, "needs": {"nodes": 2}}, self.TWO), CANNOT_TELL)
        self.assertEqual(verdict({**ratio, "needs": {"siblings": 2}}, self.TWO), CANNOT_TELL)
        self.assertEqual(verdict(ratio, self.TWO, repetitions=5), CANNOT_TELL)
        self.assertEqual(verdict(ratio, {("a", 1): 1}), CANNOT_TELL)
        self.assertEqual(verdict({"kind": "grows", "along": "threads", "at": {"algorithm": "a"}}, self.TWO), CANNOT_TELL)

    def test_a_claim_that_names_no_one_point_is_refused(self):
        with self.assertRaisesRegex(command.RequestError, "threads"):
            verdict({"kind": "ratio", "of": {"algorithm": "a"}, "to": {"algorithm": "b"}}, {**self.TWO, ("a", 2): 1})
        for wrong in ({"kind": "faster"}, {"kind": "flat", "above": 2}, {"kind": "flat", "text": 3}):
            with self.assertRaises(command.RequestError):
                claims.check({"text": "so", **wrong}, "claim")

    def test_the_interval_of_a_median_keeps_its_confidence(self):
        self.assertIsNone(median_interval(range(5)))
        for count in range(6, 40):
            low, high = median_interval(range(count))
            inside = sum(math.comb(count, k) for k in range(low + 1, high + 1)) / 2**count
            self.assertGreaterEqual(inside, 0.95)
            self.assertLess(sum(math.comb(count, k) for k in range(low + 2, high)) / 2**count, 0.95)


class Recipes(unittest.TestCase):
    def test_every_recipe_is_there_and_right(self):
        found = recipes.load()
        self.assertEqual(list(found), [str(number) for number in range(1, 42)])
        self.assertEqual([number for number, recipe in found.items() if recipe.unsupported], ["7", "13"])
        for recipe in found.values():
            if not recipe.unsupported:
                self.assertGreaterEqual(len(recipe.claims), 3, recipe.name)
                for preset in recipes.PRESETS:
                    recipe.matrix(preset)

    def recipe(self, **keys):
        document = {"figure": 1, "name": "n", "title": "t", "source": "s", "published": "p", **keys}
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "1.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return recipes.Recipe(path)

    STEPS = [
        {"label": "a lock", "set": {"algorithm": "mutex", "threads": 1, "append.bytes": 48}},
        {"label": "none", "set": {"algorithm": "eleda"}},
        {"label": "two", "set": {"threads": 2}},
    ]
    PANEL = {"name": "p", "y": "throughput", "x": "step", "by": [], "bars": True}

    def test_each_step_goes_on_from_the_one_before(self):
        recipe = self.recipe(sweep={"base": {"workload": "append"}}, steps=self.STEPS, panels=[self.PANEL])
        bases = [part["base"] for part in recipe.matrix("smoke")["parts"]]
        self.assertEqual([(base["algorithm"], base["threads"]) for base in bases], [("mutex", 1), ("eleda", 1), ("eleda", 2)])
        self.assertTrue(all(base["append"] == {"bytes": 48} and base["windows"] for base in bases))
        measured = [
            samples.result(algorithm=algorithm, threads=threads, rate=rate, size=48, seed=seed)
            for seed in range(6)
            for algorithm, threads, rate in (("mutex", 1, 1e6), ("eleda", 1, 3e6), ("eleda", 2, 2e6), ("eleda", 4, 9e6))
        ]
        found = recipes.of_results(measured, self.PANEL, recipe.steps)
        steps = sorted(dict(point).get("step", 0) for point in found.values)
        self.assertEqual(steps, [0, 1, 2, 3])  # 0: no step's
        claim = {"text": "so", "kind": "ratio", "of": {"step": 2}, "to": {"step": 1}, "above": 2.5}
        self.assertEqual(claims.judge(claim, found, MACHINE)["verdict"], HOLDS)

    def test_no_step_goes_back_to_an_earlier_one(self):
        steps = [*self.STEPS[:2], {"label": "a lock again", "set": {"algorithm": "mutex"}}]
        with self.assertRaisesRegex(command.RequestError, "differ"):
            self.recipe(sweep={"base": {}}, steps=steps, panels=[self.PANEL])

    def test_the_first_step_sets_all_that_later_ones_change(self):
        steps = [self.STEPS[0], {"label": "seeds", "set": {"log_buffer.capacity": 4096}}]
        with self.assertRaisesRegex(command.RequestError, "log_buffer.capacity"):
            self.recipe(sweep={"base": {}}, steps=steps, panels=[self.PANEL])

    def test_a_benchmarks_measure_is_a_field_of_its_entry(self):
        entries = [{"name": f"crash/group/group:{n}/iterations:1", "real_time": 5, "lost": n / 2} for n in (4, 16)]
        table = recipes.of_benchmarks({"benchmarks": entries}, {"name": "p", "y": "lost", "x": "group", "by": ["algorithm"]})
        self.assertEqual([of for of in table.values.values()], [{(0, 0): 2}, {(0, 0): 8}])

    def test_presets_have_repetitions_enough_for_an_interval(self):
        for preset in recipes.PRESETS.values():
            self.assertIsNotNone(median_interval(range(preset.repetitions)))
            self.assertIsNotNone(median_interval(range(preset.benchmark_repetitions)))

    def test_shares_of_hits_and_of_begins(self):
        repetition = {"windows": [{"operations": 40}, {"operations": 10}], "buffers": {"misses": 20}, "begins": {"retracted": 3, "kept": 1}}
        result = {"configuration": {"ycsb": {"operations": 2}}}
        self.assertEqual(recipes.MEASURES["hit_share"][2](result, repetition), 80)
        self.assertEqual(recipes.MEASURES["retracted_share"][2](result, repetition), 75)
        old = {"windows": repetition["windows"], "begins": {"retracted": 0, "kept": 0}}
        self.assertIsNone(recipes.MEASURES["hit_share"][2](result, old))
        self.assertIsNone(recipes.MEASURES["retracted_share"][2](result, old))

    def test_ratios_of_points_pair_repetitions(self):
        panel = {"name": "p", "y": "throughput", "x": "x", "by": [], "over": {"elr": [True, False]}}
        points = {(("elr", on), ("x", 1)): {i: (3 if on else 1) * 10**i for i in range(3)} for on in (True, False)}
        shaped = recipes._shaped(Table("t", "u", points), panel)
        self.assertEqual(shaped.values, {(("x", 1),): {0: 3, 1: 3, 2: 3}})


@unittest.skipUnless(project.is_release(), "it runs the release build")
class Reproduce(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def reproduce(self, *words, code=0):
        done = project.run(PYTHON, "-B", REPRODUCE, *words, "--out", self.folder / "out", "--directory", self.folder / "data")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_figures_are_listed_with_their_time_or_what_they_lack(self):
        listed = self.reproduce("list").stdout
        self.assertRegex(listed, r" 1  aether-threads +about ")
        self.assertRegex(listed, r"13  taurus +needs several streams")

    def test_mistakes_are_one_line(self):
        for words, said in (
            (["99"], "the nearest is"),
            (["aether-slot"], "the nearest is aether-slots"),
            (["7"], "several streams"),
            (["all", "--preset", "week"], "invalid choice"),
        ):
            done = self.reproduce(*words, code=2)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(said, done.stderr)
        self.assertFalse((self.folder / "out").exists())

    def script(self):
        loader = importlib.machinery.SourceFileLoader("reproduce", str(REPRODUCE))
        script = importlib.util.module_from_spec(importlib.util.spec_from_loader("reproduce", loader))
        loader.exec_module(script)
        return script

    def test_benchmarks_of_this_build_are_kept_and_of_another_refused(self):
        script = self.script()
        reproduction = script.Reproduction(script.parse(["11", "--out", str(self.folder)]))
        recipe, path = types.SimpleNamespace(filter=script.SHORTEST), self.folder / "benchmarks.json"
        reproduction.benchmark(recipe, path)
        written = path.read_text(encoding="utf-8")
        reproduction.benchmark(recipe, path)
        self.assertEqual(path.read_text(encoding="utf-8"), written)
        other = json.loads(written)
        other["context"]["build_id"] = "0" * 40
        path.write_text(json.dumps(other), encoding="utf-8")
        with self.assertRaisesRegex(command.RequestError, "another build.*build_id"):
            reproduction.benchmark(recipe, path)

    def test_what_takes_too_long_wants_a_yes(self):
        script = self.script()
        script.LONG_S = 1
        arguments = script.parse(["1", "--preset", "full", "--out", str(self.folder / "out")])
        reproduction = script.Reproduction(arguments)
        with self.assertRaisesRegex(command.RequestError, "--yes"):
            reproduction.make(recipes.chosen(reproduction.recipes, ["1"]), is_agreed=False)
        self.assertFalse((self.folder / "out").exists())

    def test_a_figure_is_measured_drawn_and_judged_and_made_once(self):
        first = self.reproduce("1").stdout
        self.assertRegex(first, r"sweep: [1-9][0-9]* runs")
        (figure,) = json.loads((self.folder / "out/verdicts.json").read_text(encoding="utf-8"))["figures"]
        self.assertEqual((figure["figure"], len(figure["claims"])), ("1", 3))
        for claim in figure["claims"]:
            self.assertIn(claim["verdict"], (HOLDS, DOES_NOT, CANNOT_TELL))
        for suffix in ("svg", "png", "pdf", "csv"):
            self.assertTrue((self.folder / f"out/figure-1.{suffix}").stat().st_size > 500)
        again = self.reproduce("1").stdout
        self.assertIn("sweep: 0 runs", again)
        done = project.run(PYTHON, "-B", ROOT / "scripts/report", self.folder / "out", "--out", self.folder / "report.html")
        self.assertEqual(done.returncode, 0, done.stderr)
        html = (self.folder / "report.html").read_text(encoding="utf-8")
        self.assertIn(figure["claims"][0]["text"], html)
        self.assertIn("data:image/svg+xml;base64,", html)

    def test_verdicts_of_something_else_are_not_written_over(self):
        (self.folder / "out").mkdir()
        (self.folder / "out/verdicts.json").write_text("[]", encoding="utf-8")
        self.assertIn("another --out", self.reproduce("1", code=2).stderr)


if __name__ == "__main__":
    unittest.main()
