#!/usr/bin/python3
"""Spin's verdict on border_collie and eleda: every claim holds, and every mutant is refuted."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPTH_MAX = 200_000
MEMORY_MIB_MAX = 6144
# Not optimised: a search waits for memory, and -O2 takes 4 s of compiling to save a fifth of 20 s.
COMPILE = ["-O0", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MIB_MAX}"]
# What a search for each property is compiled and run with. Weak fairness: who can always take a step takes one.
SEARCHES = {
    "safety": (["-DSAFETY", "-DNOCLAIM"], []),
    "liveness": (["-DNFAIR=3"], ["-a", "-f"]),
}
HOLDS, REFUTED, NOT_EXHAUSTED = "holds", "refuted", "not exhausted"


@dataclass
class Claim:
    """One search. A mutant's must end with a counterexample, all others without one and exhausted."""

    model: str
    search: str  # a key of SEARCHES
    parameters: dict
    variant: str = ""  # what is changed in the model
    refuted_by: str = ""  # assertion or cycle; empty: it has to hold
    quick: bool = False

    def title(self):
        parameters = " ".join(f"{key.lower()}={value}" for key, value in self.parameters.items())
        return f"{self.model} {self.search} {parameters}" + (f" {self.variant.lower()}" if self.variant else "")

    def macros(self):
        macros = [f"-D{key}={value}" for key, value in self.parameters.items()]
        return macros + (["-DLIVENESS"] if self.search == "liveness" else []) + ([f"-D{self.variant}"] if self.variant else [])


def holds(model, search, workers, records, quick=False, variant="", **parameters):
    return Claim(model, search, {"WORKERS": workers, "RECORDS": records, **parameters}, variant, quick=quick)


def mutant(model, variant, refuted_by, workers=2, records=2, **parameters):
    search = "safety" if refuted_by == "assertion" else "liveness"
    return Claim(model, search, {"WORKERS": workers, "RECORDS": records, **parameters}, variant, refuted_by, quick=True)


BIG = {"SIZE_MIN": 3}  # records of 3 bytes only: on a ring of 4 every one but the first waits
MUTANTS = [
    mutant("border_collie", "CUTOFF_AFTER_SCAN", "assertion"),
    mutant("border_collie", "BLACK_AFTER_FETCH_ADD", "assertion"),
    mutant("border_collie", "CUTOFF_IS_HIGHEST_FLAG", "assertion"),
    mutant("border_collie", "EMPTY_SLOT_SKIPPED", "assertion", LATE=1, SIZE_MAX=1),
    mutant("border_collie", "COUNT_BEFORE_CUTOFF", "assertion", LATE=1, SIZE_MAX=1),
    mutant("border_collie", "PUBLISHED_BEFORE_COPIED", "assertion"),
    mutant("border_collie", "NO_CUTOFF", "cycle"),
    mutant("border_collie", "NO_TIGHTENED_FLAG", "cycle"),
    mutant("eleda", "COUNTERS_NOT_SPLIT", "assertion"),
    mutant("eleda", "ONE_LAP_OF_COUNTERS", "assertion"),
    mutant("eleda", "COUNTED_BEFORE_LISTED", "assertion"),
    mutant("eleda", "PUBLISHED_BEFORE_COPIED", "assertion"),
    mutant("eleda", "CRAWL_FROM_EQUAL_BEGIN", "assertion"),
    mutant("eleda", "HOP_ONLY", "cycle", **BIG),
]
CLAIMS = [
    holds("border_collie", "safety", 2, 2, quick=True),
    holds("border_collie", "safety", 2, 2, CAPACITY=8),
    holds("border_collie", "safety", 2, 2, LATE=2, SLOTS=3),
    holds("border_collie", "safety", 2, 2, variant="WHITE_ENDS_IGNORED"),
    holds("border_collie", "safety", 2, 3),
    holds("border_collie", "safety", 3, 1),
    holds("border_collie", "safety", 3, 1, LATE=1, SLOTS=2, DETACH=1, quick=True),
    holds("border_collie", "safety", 3, 2, LATE=1, SLOTS=2, DETACH=1, **BIG),
    holds("border_collie", "safety", 3, 2, **BIG),
    holds("border_collie", "safety", 3, 2, CAPACITY=8, **BIG),
    holds("border_collie", "safety", 3, 2, SIZE_MAX=1),
    holds("border_collie", "liveness", 2, 2),
    holds("border_collie", "liveness", 2, 2, quick=True, **BIG),
    holds("border_collie", "liveness", 2, 3, CAPACITY=8, **BIG),
    holds("border_collie", "liveness", 3, 1, LATE=1, SLOTS=2, DETACH=1),
    holds("border_collie", "liveness", 3, 1),
    holds("border_collie", "liveness", 3, 2, **BIG),
    holds("eleda", "safety", 2, 2),
    holds("eleda", "safety", 2, 2, quick=True, **BIG),
    holds("eleda", "safety", 2, 2, CAPACITY=8, RANGE=4),
    holds("eleda", "safety", 2, 2, variant="CRAWL_ONLY"),
    holds("eleda", "safety", 2, 2, LATE=1, **BIG),
    holds("eleda", "safety", 2, 3, START=3, **BIG),
    holds("eleda", "safety", 3, 1),
    holds("eleda", "safety", 3, 1, START=5, **BIG),
    holds("eleda", "safety", 3, 2, **BIG),
    holds("eleda", "liveness", 2, 1),
    holds("eleda", "liveness", 2, 1, quick=True, **BIG),
    holds("eleda", "liveness", 2, 2, **BIG),
    holds("eleda", "liveness", 2, 2, CAPACITY=8, START=15, **BIG),
    holds("eleda", "liveness", 2, 3, **BIG),
    holds("eleda", "liveness", 3, 1, **BIG),
]


class MachineError(Exception):
    """What is missing or broken, in one line."""


@dataclass
class Outcome:
    verdict: str = NOT_EXHAUSTED
    detail: str = ""
    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    trail: str = field(default="", repr=False)


def number(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return int(float(found[1])) if found else 0  # pan writes large ones as 1.2e+07


def judge(text, code):
    """The verdict in pan's output. Whatever it does not say outright is not a verdict."""
    outcome = Outcome(
        states=number(r"^\s*([\d.e+]+) states, stored", text),
        transitions=number(r"^\s*([\d.e+]+) transitions", text),
        depth=number(r"depth reached (\d+)", text),
    )
    error = re.search(r"^pan:\d+: (.*)$", text, re.MULTILINE)
    if error:
        outcome.verdict, outcome.detail = REFUTED, error[1]
    elif (
        code == 0
        and re.search(r"^Full statespace search", text, re.MULTILINE)
        and re.search(r"errors: 0$", text, re.MULTILINE)
        and not re.search(r"Search not completed|max search depth|out of memory|MEMLIM", text)
        and outcome.states > 0
    ):
        outcome.verdict = HOLDS
    else:
        said = re.search(r"^.*(max search depth|out of memory|MEMLIM|Search not completed).*$", text, re.MULTILINE)
        outcome.detail = said[0].strip() if said else f"pan ended with {code}"
    return outcome


def run(command, folder, deadline):
    """Return code and all output; code None: the time was up."""
    left = deadline - time.monotonic()
    if left <= 0:
        return None, ""
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=left, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout


def verify(claim, folder, deadline):
    compile_options, search_options = SEARCHES[claim.search]
    steps = [
        ["spin", "-a", *claim.macros(), str(HERE / f"{claim.model}.pml")],
        ["gcc", *COMPILE, *compile_options, "-o", "pan", "pan.c"],
        ["./pan", *search_options, f"-m{DEPTH_MAX}"],
    ]
    begun = time.monotonic()
    for step in steps:
        code, text = run(step, folder, deadline)
        if code is None:
            return Outcome(detail="the time was up", seconds=time.monotonic() - begun)
        if step is not steps[-1] and (code != 0 or re.search(r"\bError\b|error:", text)):
            raise MachineError(f"{claim.title()}: {step[0]} failed: {text.strip()[:500]}")
    outcome = judge(text, code)
    outcome.seconds = time.monotonic() - begun
    if outcome.verdict == REFUTED and not claim.refuted_by:
        _, outcome.trail = run([*steps[0][:1], "-t", "-p", "-g", *steps[0][2:]], folder, time.monotonic() + 60)
    return outcome


def as_expected(claim, outcome):
    if not claim.refuted_by:
        return outcome.verdict == HOLDS
    return outcome.verdict == REFUTED and claim.refuted_by in outcome.detail


def as_json(claim, outcome):
    return {
        "model": claim.model,
        "search": claim.search,
        "parameters": {key.lower(): value for key, value in claim.parameters.items()},
        "variant": claim.variant.lower(),
        "mutant": bool(claim.refuted_by),
        "verdict": outcome.verdict,
        "detail": outcome.detail,
        "ok": as_expected(claim, outcome),
        "states": outcome.states,
        "transitions": outcome.transitions,
        "depth": outcome.depth,
        "seconds": round(outcome.seconds, 2),
    }


def write(path, document):
    """All of the file or nothing of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MachineError(f"--out = {path}: {error.strerror}; want a file that can be written") from error


def verify_all(claims, deadline):
    found = []
    with tempfile.TemporaryDirectory(prefix="muster-spin-") as folder:
        for claim in claims:
            outcome = verify(claim, folder, deadline)
            ok = as_expected(claim, outcome)
            print(
                f"{'ok  ' if ok else 'FAIL'} {outcome.verdict:13} {outcome.states:>11,} states  depth {outcome.depth:>5}"
                f" {outcome.seconds:>7.1f} s  {claim.title()}" + (f"  [{outcome.detail}]" if outcome.detail else ""),
                flush=True,
            )
            if outcome.trail:
                print(outcome.trail)
            found.append((claim, outcome))
    return found


def seconds(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: want seconds, more than 0")
    return value


def main():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--budget-s", type=seconds, default=3600.0, metavar="N", help="for all searches together (3600)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the verdicts as JSON")
    parser.add_argument("--quick", action="store_true", help="the mutants and a few of the claims, in 20 s or so")
    args = parser.parse_args()
    try:
        for tool in ("spin", "gcc"):
            if shutil.which(tool) is None:
                raise MachineError(f"{tool}: not found; want Debian's package {tool}")
        if args.out and not os.access(args.out.parent, os.W_OK):  # said now and not an hour later
            raise MachineError(f"--out = {args.out}: want a file in a folder that is there and can be written")
        claims = [claim for claim in MUTANTS + CLAIMS if claim.quick or not args.quick]
        begun = time.monotonic()
        found = verify_all(claims, begun + args.budget_s)
        wrong = [claim for claim, outcome in found if not as_expected(claim, outcome)]
        late = [claim for claim, outcome in found if outcome.verdict == NOT_EXHAUSTED]
        if args.out:
            version = subprocess.run(["spin", "-V"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
            claims_json = [as_json(claim, outcome) for claim, outcome in found]
            write(args.out, {"schema": 1, "spin": version, "quick": args.quick, "ok": not wrong, "claims": claims_json})
    except MachineError as error:
        print(f"run.py: {error}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    refuted = sum(bool(claim.refuted_by) for claim, _ in found)
    print(f"{len(found) - refuted} claims, {refuted} mutants, {len(wrong)} not as they should be")
    if wrong and len(wrong) == len(late):
        sys.exit(4)  # nothing is refuted that should hold: the budget, or the memory, was too small for some
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
