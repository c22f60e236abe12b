"""scripts/model: what its tables say of what it found, and that it runs."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import project
from project import ROOT

from explorer import documents
from explorer import search
from explorer import shapes
from explorer import tables

CONTEXT = {
    "command": "scripts/model",
    "processing_units": "2",
    "cpu_model": "a processor",
    "git_commit": "0123456789abcdef-dirty",
    "compiler": "GNU 12.2.0",
    "seconds": 59.6,
}
SEARCH = {"algorithm": "mutex", "shape": "2w x 1r", "reached": True, "executions": 1200, "seconds": 0.1, "violation": ""}
HUNT = {"reached": True, "met": True, "found": False, "executions": 40, "violation": ""}
TRIED = [
    {"search": "reduced", "exhausted": True, "executions": 10},
    {"search": "reduced", "exhausted": False, "executions": 10},
    {"search": "random", "exhausted": False, "executions": 20},
]


EMPTY = {"context": CONTEXT, **{part: [] for part in tables.PARTS}, "spin": None}


def markdown(**more):
    return tables.markdown({**EMPTY, **more})


class Tables(unittest.TestCase):
    def test_the_head_says_what_ran_where(self):
        self.assertIn("`scripts/model` on 2 processing units of a processor: 60 s, commit 0123456789ab-dirty", markdown())

    def test_a_search_says_whether_it_came_to_its_end(self):
        bounded = {"preemptions": 1, "executions": 77, "seconds": 3}
        of_cells = {
            "| mutex | 1,200 (0.1 s) |": {"exhausted": True},
            "| mutex | 1,200 in 0 s, not all |": {"exhausted": False},
            "not all; all 77 of at most 1 preemption (3 s) |": {"exhausted": False, "bounded": bounded},
            "| mutex | **a hole** |": {"exhausted": False, "violation": "a hole"},
            "| mutex | not reached |": {"reached": False},
        }
        for cell, more in of_cells.items():
            self.assertIn(cell, markdown(exhaustive=[{**SEARCH, **more}]))

    def test_a_mutant_that_is_found_out_has_its_counterexample_linked(self):
        found = {**HUNT, "name": "a:wrong", "why": "", "found": True, "violation": "a hole"}
        for steps, ending in ((tables.DRAWN_STEPS, "svg"), (tables.DRAWN_STEPS + 1, "json")):
            text = markdown(mutants=[{**found, "shortest": {"steps": steps, "violation": "a hole"}}])
            self.assertIn(f"[a:wrong](counterexamples/a-wrong.{ending})", text)
        text = markdown(mutants=[{**HUNT, "name": "a:safe", "why": "slow", "tried": TRIED}])
        self.assertIn("passes: 1 of 2 shapes exhausted, 20 random executions", text)

    def test_a_weaker_order_that_survives_stands_out(self):
        weaker = {**HUNT, "algorithm": "a", "site": "a.h:1:2", "source": "x | y", "order": "acquire", "weaker": "relaxed"}
        text = markdown(weakenings=[{**weaker, "tried": TRIED}, {**weaker, "found": True, "violation": "data race: of x"}])
        self.assertIn("1 of 2 found out", text)
        self.assertIn("1 of 1 found out", markdown(weakenings=[{**weaker, "guided": True}]))
        self.assertIn("| **survives**: 1 of 2 shapes exhausted, 20 random executions |", text)
        self.assertIn("| data race |", text)
        self.assertIn("`x \\| y`", text)

    def test_a_longer_search_says_how_far_it_came_and_what_one_preemption_more_takes(self):
        bounded = {"preemptions": 1, "executions": 77, "seconds": 3, "next_s": 240}
        of_rows = {
            "| mutex | 2w x 1r | 1,200 (0.1 s) |  |  |  |  | 0123456789ab |": {"exhausted": True},
            "| 1,200 in 0 s, not all | at most 1 preemption | 77 | 3 s | about 4 min | 0123456789ab |": {"bounded": bounded},
            "| at most 1 preemption | 77 | 3 s | about 10 h |": {"bounded": {**bounded, "next_s": 36000}},
            "| at most 1 preemption | 77 | 3 s | more than 60 min |": {
                "bounded": bounded,
                "unfinished": {"preemptions": 2, "seconds": 3600, "full": False},
            },
            "| at most 1 preemption | 77 | 3 s | more than 50 min, forgetful |": {
                "bounded": bounded,
                "unfinished": {"preemptions": 2, "seconds": 3000, "full": True},
            },
            "| mutex | 2w x 1r | **a hole** |": {"violation": "a hole"},
            "| mutex | 2w x 1r | not reached |  |  |  | not tried | 0123456789ab |": {"reached": False},
        }
        other = {**bounded, "commit": "fedcba9876543210"}
        of_rows["| 77 | 3 s | about 4 min | 0123456789ab, fedcba987654 |"] = {"bounded": other}
        for row, more in of_rows.items():
            found = {**SEARCH, "commit": "0123456789abcdef", "exhausted": False, "explored": 1e-9, **more}
            self.assertIn(row, tables.longer({"context": CONTEXT, "exhaustive": [found], "sequential": []}))

    def test_interleavings_alone_have_a_table(self):
        text = markdown(sequential=[{**SEARCH, "exhausted": True}])
        self.assertIn("| mutex | 1,200 (0.1 s) |", text[text.index("interleavings alone") :])


class Documents(unittest.TestCase):
    """What becomes of an earlier run's results when some algorithms are explored anew."""

    SHAPES = [shape.name for shape in shapes.EXHAUSTIVE[:2]]
    SUBJECTS = ["mutex", "mutex:wrong", "decoupled"]

    def document(self, executions, commit, command="scripts/model"):
        searches = [
            {**SEARCH, "shape": shape, "algorithm": name, "executions": executions, "exhausted": False, "explored": 0.5}
            for shape in self.SHAPES
            for name in ("mutex", "decoupled")
        ]
        lists = {"exhaustive": searches, "sequential": [], "random": [], "weakenings": [], "spin": None}
        hunt = {**HUNT, "why": "", "executions": executions, "tried": []}
        mutants = [{**hunt, "name": name} for name in ("mutex:gone", "mutex:wrong")]
        return {"context": {**CONTEXT, "git_commit": commit, "command": command}, **lists, "mutants": mutants}

    def joined(self, earlier, commit, *subjects):
        later = self.document(2, commit, "scripts/model --only some")
        for part in tables.PARTS:
            later[part] = [entry for entry in later[part] if tables.subject_of(entry) in subjects]
        return documents.joined(earlier, later, subjects, self.SUBJECTS)

    def test_what_was_explored_anew_stands_where_it_stood(self):
        found = self.joined(self.document(1, "old"), "new", "decoupled")
        rows = [(entry["shape"], entry["algorithm"], entry["executions"]) for entry in found["exhaustive"]]
        self.assertEqual(rows, [(shape, *one) for shape in self.SHAPES for one in (("mutex", 1), ("decoupled", 2))])
        self.assertEqual([mutant["name"] for mutant in found["mutants"]], ["mutex:wrong"])
        self.assertEqual(found["context"]["git_commit"], "old")

    def test_other_shapes_than_those_explored_stay_as_they_were(self):
        shape = self.SHAPES[1]
        later = self.document(2, "new", "scripts/model --shapes some")
        for part in tables.PARTS:
            later[part] = [entry for entry in later[part] if part in documents.EXHAUSTED and entry["shape"] == shape]
        found = documents.joined(self.document(1, "old"), later, self.SUBJECTS, self.SUBJECTS, [shape])
        for entry in found["exhaustive"]:
            self.assertEqual(entry["executions"], 2 if entry["shape"] == shape else 1)
        self.assertEqual([(m["name"], m["executions"]) for m in found["mutants"]], [("mutex:wrong", 1)])

    def test_its_run_is_named_as_long_as_anything_is_of_it(self):
        found = self.joined(self.document(1, "old"), "new", "decoupled")
        line = "Later, decoupled: `scripts/model --only some`: 60 s, commit new, GNU 12.2.0."
        self.assertIn(line, tables.runs(found))
        again = self.joined(found, "newer", "decoupled")
        self.assertEqual([run["git_commit"] for run in again["later"]], ["newer"])
        other = self.joined(again, "newer", "mutex", "mutex:wrong")
        self.assertRegex("\n".join(tables.runs(other)), "\nLater, decoupled: .*\nLater, mutex: ")
        self.assertIn("Later, mutex:wrong: ", tables.runs(self.joined(again, "newer", "mutex:wrong"))[-1])

    def test_longer_goes_on_with_what_is_of_the_same_source_and_with_nothing_else(self):
        by_name = {shape.name: shape for shape in shapes.EXHAUSTIVE}

        def goes_on(document):
            (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
            return documents.without_end(folder, by_name)

        def executions(parts, algorithm):
            return {entry["executions"] for entry in parts["exhaustive"] if entry["algorithm"] == algorithm}

        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            parts, commit, _ = goes_on(self.document(1, "old"))
            for entry in parts["exhaustive"]:
                entry.update(executions=7, commit="between")
            longer = {"context": {**CONTEXT, "goes_on_from": commit}, **parts}
            (folder / "longer.json").write_text(json.dumps(longer), encoding="utf-8")
            parts, *_ = goes_on(self.joined(self.document(1, "old"), "new", "decoupled"))
            self.assertEqual((executions(parts, "mutex"), executions(parts, "decoupled")), ({7}, {2}))
            with self.assertRaisesRegex(Exception, "of the model.json of old, and that is of another"):
                goes_on(self.document(1, "another"))


class Longer(unittest.TestCase):
    """What is searched for next, of what has no end yet."""

    def setUp(self):
        self.far = {**SEARCH, "exhausted": False, "explored": 1e-9}

    def with_bounds(self, *seconds):
        known = self.far
        for preemptions, took in enumerate(seconds):
            run = {"executions": 1, "seconds": took, "exhausted": True, "violation": "", "commit": "a"}
            known = search.with_bound(known, preemptions, run)
        return known

    def test_what_has_come_to_its_end_or_is_wrong_is_left(self):
        for more in ({"exhausted": True}, {"violation": "a hole"}):
            self.assertIsNone(search.next_search({**self.far, **more}, 3600))

    def test_what_was_not_reached_comes_first(self):
        self.assertEqual(search.next_search({"reached": False, "seconds": 0.0}, 3600), (0, None))

    def test_all_executions_are_tried_where_their_end_may_be_within_reach(self):
        near = {**self.far, "seconds": 30, "explored": 0.5}
        self.assertEqual(search.next_search(near, 3600), (60, None))
        self.assertEqual(search.next_search({**near, "seconds": 3600, "explored": 0.99}, 3600), (3600, 0))
        self.assertEqual(search.next_search(near, 20), (3600, 0))  # it has had more

    def test_bounds_come_first_where_the_end_of_all_seems_far(self):
        had = {"explored": 1 / 5000, "unfinished": {"preemptions": 0, "seconds": 3600}}
        self.assertEqual(search.next_search({**self.far, "seconds": 1, "explored": 1 / 5000}, 3600), (3600, 0))
        self.assertEqual(search.next_search({**self.far, "seconds": 1, **had}, 3600), (5000, None))

    def test_bounds_go_up_as_long_as_the_next_may_end_in_an_hour(self):
        self.assertEqual(search.next_search(self.far, 3600), (3600, 0))
        self.assertEqual(search.next_search(self.with_bounds(1), 3600), (3600, 1))
        self.assertEqual(search.next_search(self.with_bounds(1, 50), 3600), (2500, 2))
        self.assertEqual(search.next_search(self.with_bounds(1, 80), 3600), (6400, 2))
        self.assertIsNone(search.next_search(self.with_bounds(1, 90), 3600))

    def test_growth_is_not_told_from_two_builds(self):
        run = {"executions": 1, "seconds": 50, "exhausted": True, "violation": "", "commit": "b"}
        self.assertEqual(search.with_bound(self.with_bounds(1), 1, run)["bounded"]["next_s"], 0)

    def test_a_bound_that_did_not_end_is_tried_again_unless_it_had_its_hour(self):
        cut = {"executions": 1, "seconds": 700, "exhausted": False, "full": False, "violation": ""}
        known = search.with_bound(self.with_bounds(1, 50), 2, cut)
        self.assertEqual(search.next_search(known, 3600), (2500, 2))
        self.assertIsNone(search.next_search(known, 600))
        self.assertIsNone(search.next_search(search.with_bound(known, 2, {**cut, "seconds": 3600}), 3600))
        ended = search.with_bound(known, 2, {**cut, "exhausted": True})
        self.assertEqual((ended["bounded"]["preemptions"], ended.get("unfinished")), (2, None))

    def test_a_shorter_search_takes_nothing_away(self):
        cut = {"executions": 1, "seconds": 700, "exhausted": False, "full": False, "violation": "", "explored": 0.5}
        known = search.with_bound(self.with_bounds(1, 50), 2, cut)
        self.assertEqual(search.with_bound(known, 2, {**cut, "seconds": 20}), known)
        known = search.with_look(known, cut)
        self.assertEqual(search.with_look(known, {**cut, "seconds": 20}), known)
        self.assertTrue(search.with_look(known, {**cut, "seconds": 20, "exhausted": True})["exhausted"])


class Shapes(unittest.TestCase):
    def test_what_is_found_out_under_guidance_stands_once_in_the_source(self):
        for algorithm, source in shapes.GUIDED.items():
            text = (ROOT / f"algorithms/{algorithm}.h").read_text(encoding="utf-8")
            self.assertEqual(text.count(source), 1, algorithm)

    def test_no_two_have_one_name(self):
        for some in (shapes.EXHAUSTIVE, shapes.SHAPES, shapes.RANDOM):
            self.assertEqual(len({shape.name for shape in some}), len(some))


@unittest.skipUnless(project.is_release(), "scripts/model explores with build/release")
class Runs(unittest.TestCase):
    def model(self, *words):
        return project.run(ROOT / "scripts/model", *words, cwd="/")

    def test_one_algorithm_and_its_mutants(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "made"
            done = self.model("--only", "^mutex", "--budget-s", "30", "--executions", "10", "--out", out)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            document = json.loads((out / "model.json").read_text(encoding="utf-8"))
            self.assertIn("mutex:published_at_once", [m["name"] for m in document["mutants"]])
            self.assertEqual([m["name"] for m in document["mutants"] if not m["found"]], [])
            self.assertTrue(all(search["exhausted"] for search in document["exhaustive"][:2]))
            for picture in ("svg", "png"):
                self.assertTrue((out / f"counterexamples/mutex-published_at_once.{picture}").exists())
            self.assertEqual((out / "tables.md").read_text(encoding="utf-8"), tables.markdown(document))
            done = self.model("--only", "^bound$", "--budget-s", "5", "--out", out)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            joined = json.loads((out / "model.json").read_text(encoding="utf-8"))
            self.assertEqual([m["name"] for m in joined["mutants"]], ["bound", *(m["name"] for m in document["mutants"])])
            self.assertEqual(joined["exhaustive"], document["exhaustive"])
            for broken in ("{}", "null", '{"context": {}}', json.dumps({**EMPTY, "exhaustive": [{}]})):
                (out / "model.json").write_text(broken, encoding="utf-8")
                done = self.model("--only", "^mutex", "--out", out)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))
                self.assertTrue(done.stderr.startswith(f"model: --only: {out}/model.json: is not what "), done.stderr)

    def test_what_had_no_end_is_searched_for_longer_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            shape = shapes.EXHAUSTIVE[2].name
            found = {**SEARCH, "shape": shape, "explored": 0.5, "executions": 1}
            searches = [{**found, "exhausted": False}, {**found, "shape": "an old one", "exhausted": False}]
            searches.append({**found, "algorithm": "decoupled", "exhausted": True})
            document = {**EMPTY, "exhaustive": searches, "sequential": searches[:1]}
            (out / "model.json").write_text(json.dumps(document), encoding="utf-8")
            before = None
            for _ in range(2):  # the second time there is nothing left to do
                done = self.model("--longer", "--budget-s", "20", "--out", out)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                longer = json.loads((out / "longer.json").read_text(encoding="utf-8"))
                for part in ("exhaustive", "sequential"):
                    (entry,) = longer[part]
                    self.assertEqual((entry["algorithm"], entry["shape"], entry["exhausted"]), ("mutex", shape, True))
                    self.assertGreater(entry["executions"], 50)  # not the one of before
                seconds = [longer[part][0]["seconds"] for part in ("exhaustive", "sequential")]
                self.assertIn(before, (None, seconds))
                before = seconds
            self.assertEqual((out / "longer.md").read_text(encoding="utf-8"), tables.longer(longer))

    def folder_with_two_searches(self, made):
        """One that ends at once, and one that takes hours."""
        longest = [shape for shape in shapes.EXHAUSTIVE if shape.fits("wiredtiger_slots")][-1]
        shape = shapes.EXHAUSTIVE[2].name, longest.name
        found = {**SEARCH, "exhausted": False, "explored": 0.5}
        searches = [{**found, "shape": shape[0]}, {**found, "algorithm": "wiredtiger_slots", "shape": shape[1]}]
        document = {**EMPTY, "exhaustive": searches}
        (Path(made) / "model.json").write_text(json.dumps(document), encoding="utf-8")

    def test_what_cannot_be_written_ends_all_searches(self):
        with tempfile.TemporaryDirectory() as made:
            self.folder_with_two_searches(made)
            (Path(made) / "longer.md" / "in the way").mkdir(parents=True)
            done = self.model("--longer", "--jobs", "2", "--budget-s", "36000", "--out", made)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (3, 1))
            self.assertIn("longer.md", done.stderr)

    def test_an_interrupted_run_leaves_nobody_searching(self):
        with tempfile.TemporaryDirectory() as made:
            self.folder_with_two_searches(made)
            command = [ROOT / "scripts/model", "--longer", "--jobs", "2", "--budget-s", "36000", "--out", made]
            with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
                while not (Path(made) / "longer.json").exists():  # the first search has ended
                    self.assertIsNone(process.poll())
                    time.sleep(0.1)
                process.send_signal(signal.SIGINT)
            self.assertEqual(process.returncode, 130)
            with self.assertRaises(ProcessLookupError):  # once the last of its group is gone
                while True:
                    os.killpg(process.pid, 0)
                    time.sleep(0.1)

    def test_the_commands_that_its_readme_shows_run(self):
        readme = (ROOT / "tests/model/README.md").read_text(encoding="utf-8")
        commands = [line.split(" && ")[0].split("#")[0].split() for line in readme.splitlines()]
        commands = [words for words in commands if words and words[0] == "build/release/bin/muster_model"]
        self.assertGreater(len(commands), 3)
        with tempfile.TemporaryDirectory() as folder:
            for program, *words in commands:
                limit = ["--seconds", "1"] if words[0] == "explore" else []
                done = project.run(ROOT / program, *words, *limit, cwd=folder)
                self.assertIn(done.returncode, (0, 1, 4), f"{words}: {done.stderr}")

    def test_what_a_search_does_not_take_is_refused(self):
        for words in (("--preemptions", "3"), ("--seed", "3"), ("--search", "bounded", "--changes", "3")):
            done = project.run(ROOT / "build/release/bin/muster_model", "explore", "mutex", *words, cwd="/")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertRegex(done.stderr, f"^muster_model: {words[-2]}: a [a-z]+ search takes none; want --search [a-z]+\n$")

    def test_a_mistake_is_one_line_and_a_code(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            file.write_text("", encoding="utf-8")
            mistakes = {
                ("--only", "no such"): (2, "--only = no such: matches no algorithm"),
                ("--only", "("): (2, "--only = (: "),
                ("--shapes", "no such"): (2, "--shapes = no such: matches no shape"),
                ("--only", "^mutex", "--out", file): (3, f"--out = {file}: "),
                ("--longer", "--out", folder): (2, f"--longer: {folder}/model.json: "),
                ("--longer", "--seed", "2"): (2, "--seed = 2: "),
                ("--longer", "--shapes", "3w"): (2, "--shapes = 3w: "),
            }
            for words, (code, line) in mistakes.items():
                done = self.model(*words)
                self.assertEqual(done.returncode, code)
                self.assertTrue(done.stderr.startswith(f"model: {line}"), done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
