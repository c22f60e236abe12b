"""The explorer's searches of one algorithm in one shape: how far each may come, and what would tell more."""

import dataclasses
import json
import pathlib
import subprocess
import time

from lab import command, place
from explorer.shapes import Shape

PROGRAMS = place.ROOT / "build/release/bin"
MODEL = PROGRAMS / "muster_model"
LOOK_S = 3  # seconds
MOST_S = 3600  # of one search, however large the budget
HOPE = 10  # by how much an estimate after such a look may be too long
SLOWS = 2  # by how much, as a guess, the next bound of preemptions may grow less than the last one has
FAILURES = {2: command.RequestError, 3: command.MachineError}
RUNNING = set()  # explorers, begun by several threads
UNREACHED = {"reached": False, "found": False, "met": False, "executions": 0, "seconds": 0.0, "tried": []}


def want_a_verdict(words, code, errors):
    """Unless an explorer has ended with one, whatever it is, that is a failure."""
    if code not in (0, 1, 4):
        last = (errors.strip() or f"exit code {code}").splitlines()[-1]
        name = pathlib.Path(words[0]).name
        raise FAILURES.get(code, command.Failure)(f"{' '.join([name, *words[1:]])}: {last}")


def call(*arguments):
    words = [str(MODEL), *arguments]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        RUNNING.add(process)
        try:
            output, errors = process.communicate()
        finally:
            RUNNING.discard(process)
    want_a_verdict(words, process.returncode, errors)
    return json.loads(output)


def stop():
    """Ends what explores, of which nothing is kept; for when nobody waits for it any more."""
    for process in list(RUNNING):
        process.kill()


def explore(subject, shape, seconds, *more):
    return call("explore", subject, *shape.arguments, "--seconds", f"{seconds:.3f}", "--json", *more)


def random_search(subject, shape, seconds, seed, *more):
    return explore(subject, shape, seconds, "--search", "random", "--seed", str(seed), *more)


@dataclasses.dataclass(frozen=True)
class Search:
    """One algorithm in one shape: C++20's weak behaviours, or interleavings alone."""

    algorithm: str
    shape: Shape
    sequential: bool = False

    def explore(self, seconds, *more):
        """What of it goes into the results."""
        mode = ("--sequential",) if self.sequential else ()
        run = explore(self.algorithm, self.shape, seconds, *mode, *more)
        keys = ("executions", "abandoned", "seconds", "exhausted", "full", "explored", "violation", "shortest")
        return {"reached": True, **{key: run[key] for key in keys if key in run}}


def ended(result):
    return result.get("exhausted") or result.get("violation")


def estimate(looked):
    """Seconds for all of it, from a look."""
    return looked["seconds"] / max(looked["explored"], 1e-9) if looked["reached"] else 0.0


def with_bound(result, preemptions, run):
    """What is known of a search, with one of bounded preemptions."""
    if run["violation"]:
        return {**result, **run}
    if not run["exhausted"]:
        had = result.get("unfinished", {})
        if had.get("preemptions") == preemptions and had["seconds"] > run["seconds"]:
            return result
        kept = {key: run[key] for key in ("seconds", "full")}
        return {**result, "unfinished": {"preemptions": preemptions, **kept}}
    before = result.get("bounded", {})
    grows = before and before.get("commit") == run.get("commit")
    next_s = run["seconds"] * run["seconds"] / before["seconds"] if grows else 0.0  # it grows as it has grown
    known = {key: value for key, value in result.items() if key != "unfinished"}
    return {**known, "bounded": {"preemptions": preemptions, **run, "next_s": next_s}}


def with_look(known, run):
    """What is known of a search, with one that was to see its end; a shorter one says less."""
    return {**known, **run} if ended(run) or run["seconds"] > known["seconds"] else known


def bounded_search(search, preemptions, seconds):
    return search.explore(seconds, "--search", "bounded", "--preemptions", str(preemptions))


def exhaust(search, looked, phase):
    """All executions of a shape, if that may come to an end; else all with as many preemptions as there is time for.

    Without any hope of that it leaves half of its time to the others.
    """
    seconds = min(phase.allot(), MOST_S)
    if seconds == 0:
        return looked
    begun = time.monotonic()
    result = looked
    if estimate(looked) < HOPE * seconds and looked["seconds"] < 0.75 * seconds:
        result = search.explore(0.75 * seconds)
    else:
        seconds *= 0.5
    for preemptions in range(10):
        left = seconds - (time.monotonic() - begun)
        expected = result.get("bounded", {}).get("next_s", 0.0)
        if ended(result) or "unfinished" in result or left < max(1, expected):
            break
        result = with_bound(result, preemptions, bounded_search(search, preemptions, left))
    return result


def next_search(known, most):
    """What would tell more of a search without an end: (seconds to expect, preemptions; None: any number).

    MOST_S where nothing is known. None where all is known that can be in searches of `most` seconds.
    """
    if ended(known):
        return None
    found = []
    if estimate(known) < HOPE * MOST_S and known["seconds"] < 0.99 * most:
        found.append((max(known["seconds"], estimate(known)), None))
    bounded = known.get("bounded", {})
    expected = bounded.get("next_s", 0.0)
    had = known.get("unfinished", {}).get("seconds", 0.0)
    if had < 0.99 * most and expected < SLOWS * MOST_S:
        found.append((expected or MOST_S, bounded.get("preemptions", -1) + 1))
    return min(found, key=lambda one: one[0], default=None)
