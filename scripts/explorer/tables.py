"""What scripts/model found, for a reader: tables.md from what stands in model.json."""

import collections

from explorer import search
from explorer.shapes import is_of_engine

PARTS = ("exhaustive", "sequential", "random", "mutants", "weakenings")  # of model.json, lists
DRAWN_STEPS = 80  # a longer counterexample is no picture any more: its trace is linked


def subject_of(entry):
    return entry.get("name") or entry["algorithm"]


def trace_name(subject):
    return subject.replace(":", "-")


def markdown(document):
    parts = (exhaustive, sequential, random, mutants, weakenings, spin)
    lines = [
        "# Executions explored",
        "",
        *runs(document),
        "w workers, r records each, a advances of the drainer among their steps; C++20's weak behaviours included.",
        "Of a part of the engine: its threads, a letter an operation, as the head of its program in tests/model says.",
        "Where the budget did not see a search's end, it may have seen all executions of at most so many preemptions.",
    ]
    for part in parts:
        lines += part(document)
    return "\n".join(lines) + "\n"


def head(context):
    machine = f"{context['processing_units']} processing units of {context['cpu_model']}"
    build = f"commit {short(context['git_commit'])}"
    return f"Made by `{context['command']}` on {machine}: {context['seconds']:.0f} s, {build}, {context['compiler']}."


def runs(document):
    """Of the run of all, and of later ones of some algorithms, each with what is its in the document."""
    lines = [head(document["context"])]
    entries = [entry for part in PARTS for entry in document[part]]
    for run in document.get("later", []):
        found = dict.fromkeys(subject_of(entry) for entry in entries if entry.get("run") == run["run"])
        names = [name for name in found if name.split(":")[0] not in found or ":" not in name]  # with their mutants
        command, build = f"`{run['command']}`", f"commit {short(run['git_commit'])}"
        lines.append(f"Later, {', '.join(names)}: {command}: {run['seconds']:.0f} s, {build}, {run['compiler']}.")
    return lines


def short(commit):
    return f"{commit[:12]}{'-dirty' * commit.endswith('-dirty')}"


def by_shape(results, cell):
    """A row an algorithm, a column a shape; then of parts of the engine a row a shape."""
    of_engine = [result for result in results if is_of_engine(result["algorithm"])]
    lines = log_buffers([result for result in results if result not in of_engine], cell)
    rows = [[result["algorithm"], f"`{result['shape']}`", cell(result)] for result in of_engine]
    return lines + (["", *table(["part of the engine", "threads", "executions"], rows)] if rows else [])


def log_buffers(results, cell):
    shapes = list(dict.fromkeys(result["shape"] for result in results))
    rows = collections.defaultdict(dict)
    for result in results:
        rows[result["algorithm"]][result["shape"]] = cell(result)
    return table(
        ["algorithm", *shapes], [[name, *(cells.get(shape, "") for shape in shapes)] for name, cells in rows.items()]
    )


def table(head_cells, rows):
    lines = [head_cells, ["---"] * len(head_cells), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def searched(result):
    if not result["reached"]:
        return "not reached"
    if result["violation"]:
        return f"**{result['violation']}**"
    if result["exhausted"]:
        return f"{result['executions']:,} ({result['seconds']:.1f} s)"
    text = f"{result['executions']:,} in {result['seconds']:.0f} s, not all"
    if not result.get("bounded"):
        return text
    bounded = result["bounded"]
    return f"{text}; all {bounded['executions']:,} of {at_most(bounded['preemptions'])} ({bounded['seconds']:.0f} s)"


def at_most(preemptions):
    return f"at most {preemptions} preemption{'' if preemptions == 1 else 's'}"


def longer(document):
    """What --longer has seen of the searches that had no end."""

    def row(result):
        bounded = result.get("bounded", {})
        of_bounded = ["", "", ""]
        if bounded:
            of_bounded = [at_most(bounded["preemptions"]), f"{bounded['executions']:,}", duration(bounded["seconds"])]
        reduced = searched({**result, "bounded": None})
        found = [result["algorithm"], result["shape"], reduced, *of_bounded, one_more(result)]
        commits = dict.fromkeys([result["commit"], bounded.get("commit", result["commit"])])
        return [*found, ", ".join(map(short, commits))]

    columns = ["algorithm", "shape", "every execution", "by preemptions", "executions", "time", "one more", "commit"]
    lines = ["# Longer searches", "", head(document["context"])]
    lines += [
        f"What tables.md has left without an end, for longer: {duration(search.MOST_S)} a search at most. Where no",
        "end of all executions came within that, all of at most so many preemptions were looked at, in the time that",
        "stands there. What one preemption more takes is more than it took without coming to an end; or about as much",
        "as it would if it grew as before, a guess, and not tried where that is far more than it would have had.",
        "Forgetful: it had no memory left for places that it had been to, and went on from some of them once more. The",
        "commit is that of both searches, or one each. The time above is that of all runs of the command.",
    ]
    titles = {"exhaustive": "With C++20's weak behaviours", "sequential": "By interleavings alone"}
    for part, title in titles.items():
        if document[part]:
            lines += ["", f"## {title}", "", *table(columns, [row(result) for result in document[part]])]
    return "\n".join(lines) + "\n"


def one_more(result):
    if search.ended(result):
        return ""
    if "unfinished" in result:
        unfinished = result["unfinished"]
        return f"more than {duration(unfinished['seconds'])}" + (", forgetful" if unfinished.get("full") else "")
    expected = result.get("bounded", {}).get("next_s", 0)
    return f"about {duration(expected)}" if expected else "not tried"


def duration(seconds):
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} h"


def exhaustive(document):
    heading = ["", "## Safe algorithms, every execution up to equivalence", ""]
    return heading + by_shape(document["exhaustive"], searched)


def sequential(document):
    heading = ["", "## The same by interleavings alone", ""]
    why = "A load reads the newest value: whoever waits for one that comes and goes may miss it, a deadlock."
    return [*heading, why, "", *by_shape(document["sequential"], searched)]


def random(document):
    def cell(result):
        if not result["reached"]:
            return "not reached"
        violation = f" **{result['violation']}**" if result["violation"] else ""
        return f"{result['executions']:,} ({result['seconds']:.0f} s){violation}"

    return ["", "## Larger shapes, random schedules (PCT)", "", *by_shape(document["random"], cell)]


def tried(result):
    """How far somebody was looked at who was not found out."""
    reduced = [t for t in result["tried"] if t["search"] == "reduced"]
    executions = sum(t["executions"] for t in result["tried"] if t["search"] == "random")
    exhausted = sum(t["exhausted"] for t in reduced)
    return f"{exhausted} of {len(reduced)} shapes exhausted, {executions:,} random executions"


def mutants(document):
    def row(mutant):
        shortest = mutant.get("shortest") or {}
        if mutant["found"]:
            verdict = "found: " + shortest.get("violation", mutant["violation"])
        else:
            verdict = f"passes: {tried(mutant)}" if mutant["reached"] else "not reached"
        steps = shortest.get("steps", "")
        ending = "svg" if shortest and steps <= DRAWN_STEPS else "json"
        name = mutant["name"]
        linked = f"[{name}](counterexamples/{trace_name(name)}.{ending})" if shortest else name
        why = mutant["why"] or "unsafe as published"
        return [linked, why, verdict, f"{mutant['executions']:,}", mutant.get("shape", ""), steps]

    columns = ["mutant", "what is wrong", "verdict", "executions", "smallest shape", "steps of the counterexample"]
    heading = ["", "## Mutants, and variants that are safe", ""]
    return heading + table(columns, [row(mutant) for mutant in document["mutants"]])


def weakenings(document):
    def verdict(found):
        if found["found"]:
            return found["violation"].split(":")[0]
        if found.get("guided"):
            return "found by guided_test"
        if found["met"]:
            return f"**survives**: {tried(found)}"
        return "never met" if found["reached"] else "not reached"

    def row(weaker):
        source = weaker["source"].replace("|", "\\|")
        place = [weaker["algorithm"], weaker["site"], f"`{source}`"]
        return [*place, weaker["order"], weaker["weaker"], verdict(weaker), f"{weaker['executions']:,}"]

    found = document["weakenings"]
    killed = sum(weaker["found"] or weaker.get("guided", False) for weaker in found)
    heading = ["", "## Memory orders, each made weaker in turn", "", f"{killed} of {len(found)} found out.", ""]
    columns = ["algorithm", "place", "source", "order", "weaker", "verdict", "executions"]
    return heading + table(columns, [row(weaker) for weaker in found])


def spin(document):
    return ["", "## Spin", "", "```", document["spin"]["table"], "```"] if document["spin"] else []
