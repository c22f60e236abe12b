"""What is made of Spin's output: nothing but an exhausted search without errors is a claim that holds."""

import importlib.util
import time
import unittest

from project import ROOT

spec = importlib.util.spec_from_file_location("spin_run", ROOT / "tests/model/spin/run.py")
spin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(spin)

EXHAUSTED = """
(Spin Version 6.5.2 -- 6 December 2019)
\t+ Partial Order Reduction

Full statespace search for:
\tnever claim         \t- (not selected)
\tassertion violations\t+

State-vector 64 byte, depth reached 255, errors: 0
   747163 states, stored
 1.2e+06 transitions (= stored+matched)
"""
ASSERTION = "pan:1: assertion violated ((boundary>=found)) (at depth 281)\npan: wrote x.trail\n\nWarning: Search not completed\n"
CYCLE = "pan:1: acceptance cycle (at depth 669)\npan: wrote x.trail\n\nWarning: Search not completed\n"


def claim(refuted_by=""):
    return spin.Claim("border_collie", "safety", {"WORKERS": 2}, refuted_by=refuted_by)


class Verdicts(unittest.TestCase):
    def test_an_exhausted_search_without_errors_holds(self):
        outcome = spin.judge(EXHAUSTED, 0)
        self.assertEqual((outcome.verdict, outcome.states, outcome.depth), (spin.HOLDS, 747163, 255))
        self.assertEqual(outcome.transitions, 1_200_000)
        self.assertTrue(spin.as_expected(claim(), outcome))

    def test_a_truncated_search_is_not_exhausted(self):
        for text, code in (
            ("error: max search depth too small\n" + EXHAUSTED, 0),
            ("pan: reached -DMEMLIM bound\n" + EXHAUSTED, 0),
            (EXHAUSTED.replace("\nFull", "\nWarning: Search not completed\nFull"), 0),
            (EXHAUSTED.replace("Full statespace", "Bit statespace"), 0),
            (EXHAUSTED.replace("747163 states", "0 states"), 0),
            (EXHAUSTED, 1),
            (EXHAUSTED, -9),
            (EXHAUSTED.replace("errors: 0", "errors: 1"), 0),
            ("", 0),
        ):
            with self.subTest(text=text[:40], code=code):
                outcome = spin.judge(text, code)
                self.assertEqual(outcome.verdict, spin.NOT_EXHAUSTED)
                self.assertNotEqual(outcome.detail, "")
                self.assertFalse(spin.as_expected(claim(), outcome))
                self.assertFalse(spin.as_expected(claim("assertion"), outcome))

    def test_a_search_without_time_is_not_exhausted(self):
        outcome = spin.verify(claim(), "/", time.monotonic())
        self.assertEqual((outcome.verdict, outcome.detail), (spin.NOT_EXHAUSTED, "the time was up"))

    def test_a_violated_claim_fails_and_a_mutant_that_survives_fails(self):
        refuted = spin.judge(ASSERTION + EXHAUSTED.replace("errors: 0", "errors: 1"), 0)
        self.assertEqual(refuted.verdict, spin.REFUTED)
        self.assertFalse(spin.as_expected(claim(), refuted))
        self.assertTrue(spin.as_expected(claim("assertion"), refuted))
        self.assertFalse(spin.as_expected(claim("assertion"), spin.judge(EXHAUSTED, 0)))

    def test_a_mutant_has_to_be_refuted_by_the_claim_that_is_meant_for_it(self):
        cycle = spin.judge(CYCLE + EXHAUSTED.replace("errors: 0", "errors: 1"), 0)
        self.assertTrue(spin.as_expected(claim("cycle"), cycle))
        self.assertFalse(spin.as_expected(claim("assertion"), cycle))


if __name__ == "__main__":
    unittest.main()
