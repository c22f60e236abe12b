#!/usr/bin/python3
"""An interleaving that the explorer found: a column a thread, a row a step, time downwards."""

import json
import textwrap

import command
import style
from matplotlib import patches, pyplot
from matplotlib.textpath import TextPath

from lab import results
from lab.command import Parser

READS = ("load", "await", "compare_exchange_failed")
UPDATES = ("exchange", "fetch_add", "fetch_sub", "compare_exchange")  # each reads and writes
WRITES = ("store", *UPDATES)
LOCKS = ("lock", "unlock")
BARRIERS = ("light_barrier", "heavy_barrier")
DATA = ("copy", "read")
MARKERS = (
    *("reserve", "reserved", "publish", "published", "advance", "boundary"),
    *("attach", "attached", "detach", "detached", "recycle", "note", "violation"),
)
OPERATIONS = (*READS, *WRITES, *LOCKS, *BARRIERS, *DATA, *MARKERS)
STEPS_MAX = 400
ROUND_MAX = 8  # steps of a round that is looked for at a trace's end

# Inches; y grows downwards.
ROW = 0.255
MARKER_ROW = 0.2
STALE_ROW = 0.4
HEAD = 0.36
GAP = 0.62  # between columns, where the brackets stand and the arrows run
NUMBERS = 0.42
LINES = 1.4
TEXT, SMALL = 7.5, 6  # points
PNG_DPI = 120  # the picture is large, and is read at its size

WORKERS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#882255", "#117733", "#332288")
DRAINER = "#8A6100"
WRONG = "#D40000"
STALE = "#D55E00"
GREY = "#777777"


def read(path):
    """The trace, its form checked."""
    try:
        with open(path, encoding="utf-8") as file:
            trace = json.load(file)
    except OSError as error:
        raise results.ResultError(f"trace = {path}: {error.strerror}; want a file that can be read") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise results.ResultError(f"trace = {path}: {error}; want JSON") from error

    def want(holds, key, value, what):
        if not holds:
            raise results.ResultError(f"{path}: {key} = {json.dumps(value)[:100]}: want {what}")

    want(isinstance(trace, dict), "trace", trace, "an object")
    want(trace.get("schema") == 1, "schema", trace.get("schema"), "1")
    for key in ("algorithm", "mutant", "violation", "search", "command"):
        want(isinstance(trace.get(key), str), key, trace.get(key), "a text")
    for key, missing in (("seed", None), ("preemptions", 0)):  # of a replay nobody knows how many it took
        want(isinstance(trace.get(key, missing), int), key, trace.get(key), "a number")
    want(isinstance(trace.get("configuration"), dict), "configuration", trace.get("configuration"), "an object")
    threads, steps = trace.get("threads"), trace.get("steps")
    want(isinstance(threads, list) and threads, "threads", threads, "a list of names")
    want(isinstance(steps, list) and steps, "steps", steps, f"a list of 1 to {STEPS_MAX}")
    for i, step in enumerate(steps):
        want(isinstance(step, dict), f"steps[{i}]", step, "an object")
        thread, source, operation = step.get("thread"), step.get("source"), step.get("operation")
        want(isinstance(thread, int) and 0 <= thread < len(threads), f"steps[{i}].thread", thread, "a position in threads")
        want(operation in OPERATIONS, f"steps[{i}].operation", operation, "one of " + ", ".join(OPERATIONS))
        earlier = source is None or (isinstance(source, int) and 0 <= source < i)
        want(earlier, f"steps[{i}].source", source, "null or an earlier step")
    if len(steps) > STEPS_MAX:
        trace["steps"] = steps = without_repetitions(steps)
    want(len(steps) <= STEPS_MAX, "steps", steps, f"a list of 1 to {STEPS_MAX}")
    return trace


def without_repetitions(steps):
    """A trace may end in a round that is repeated for ever: two rounds, and a note in the place of the others."""
    *before, violation = steps
    for period in range(1, ROUND_MAX + 1):
        same = 0  # steps at the end, each equal to the one a round earlier
        while same + period < len(before) and before[-1 - same] == before[-1 - same - period]:
            same += 1
        if (left_out := same // period - 1) > 0:
            kept = before[: len(before) - left_out * period]
            note = {"thread": kept[-1]["thread"], "operation": "note", "text": f"and so on, {left_out} times more"}
            return [*kept, note, violation]
    return steps


def without_only_indices(steps):
    """`tail[0]` is `tail` where there is no `tail[1]`."""
    locations = {step.get("location", "") for step in steps}
    many = {location.rpartition("[")[0] for location in locations if not location.endswith("[0]")}
    for step in steps:
        name, _, index = step.get("location", "").rpartition("[")
        if index == "0]" and name not in many:
            step["location"] = name


def said(step):
    """What stands in the step's box."""
    operation, location, value = step["operation"], step.get("location", ""), step.get("value", "")
    if operation == "note":
        return step["text"]
    name = operation.replace("_", "-")
    if operation == "store":
        words = f"store {location} ← {value}"
    elif operation in UPDATES:
        words = f"{name} {location} {step.get('before', '')} → {value}"
    elif operation == "compare_exchange_failed":
        words = f"compare-exchange {location} → {value}, fails"
    elif operation in READS:
        words = f"{name} {location}" + (f" → {value}" if value != "" else "")
    elif operation in LOCKS:
        words = f"{name} {location}"
    else:
        return " ".join(part for part in (name, step.get("text", "")) if part)
    return words + (f" ({step['text']})" if step.get("text") else "")


def inches(text, points):
    return TextPath((0, 0), text, size=points).get_extents().width / 72 if text.strip() else 0.0


def newest(steps, i):
    """The value that a load of step i's location would have returned had it not been stale."""
    for step in reversed(steps[:i]):
        if step["operation"] in WRITES and step.get("location") == steps[i].get("location"):
            return step.get("value", "")
    return None


def offenders(steps):
    """The step that goes wrong: the last, or the mark and what its thread did just before."""
    marks = [i for i, step in enumerate(steps) if step["operation"] == "violation"]
    last = marks[0] if marks else len(steps) - 1
    return {last, last - 1} if marks and last > 0 and steps[last - 1]["thread"] == steps[last]["thread"] else {last}


class Picture:
    def __init__(self, trace):
        self.trace = trace
        self.steps, self.threads = trace["steps"], trace["threads"]
        without_only_indices(self.steps)
        self.offenders = offenders(self.steps)
        shown = [step for step in self.steps if step["operation"] != "violation"] or self.steps
        content = max(inches(said(step), TEXT) + inches(step.get("order", ""), SMALL) + 0.1 for step in shown)
        self.column = min(max(content + 0.16, 1.5), 3.4)
        self.tops = [HEAD]
        for step in self.steps:
            stale = STALE_ROW if step.get("stale") else ROW
            self.tops.append(self.tops[-1] + (MARKER_ROW if step["operation"] in MARKERS else stale))
        self.lines = LINES if any(step.get("line") for step in self.steps) else 0.1
        self.width = NUMBERS + len(self.threads) * (GAP + self.column) + 0.1 + self.lines
        self.caption = self.caption_lines()
        sentence = trace["violation"] or "no violation"
        self.title = textwrap.wrap(sentence[0].upper() + sentence[1:], int(self.width * 11))
        above = 0.2 * len(self.title) + 0.3
        height = above + self.tops[-1] + 0.2 + 0.145 * len(self.caption) + 0.1
        self.figure = pyplot.figure(figsize=(self.width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(height - above, -above)
        self.axes.axis("off")
        self.above = above

    def left(self, thread):
        return NUMBERS + thread * (GAP + self.column) + GAP

    def middle(self, i):
        """Of the box or the mark, not of what hangs below it."""
        return (self.tops[i] + min(self.tops[i + 1], self.tops[i] + ROW)) / 2

    def colour(self, thread):
        return DRAINER if self.threads[thread].startswith("drainer") else WORKERS[thread % len(WORKERS)]

    def caption_lines(self):
        trace = self.trace
        items = trace["configuration"].items()
        configuration = ", ".join(f"{key.replace('_', ' ')} {json.dumps(value)}" for key, value in items)
        preemptions = f"{trace['preemptions']} preemptions" if "preemptions" in trace else ""
        found = ", ".join(part for part in (f"{trace['search']} search", f"seed {trace['seed']}", preemptions) if part)
        paragraphs = [
            f"Configuration: {configuration}. Found by: {found}.",
            "Time runs downwards, one step a row. Filled: writes; white: reads; grey: the record's bytes. An arrow leads from "
            "a store to the load that read it; a load without one read the initial value. Dashed and orange: stale, there "
            "was a newer store. A value with a colon: the word's top two bits, and the rest. Bracket: from reserve's first "
            "access until the record is published." + (" Lines are those of the mutant." if trace["mutant"] else ""),
            f"Replay: {trace['command']}",
        ]
        return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, int(self.width * 17))]

    def text(self, x, y, words, **look):
        self.axes.text(x, y, words, **{"va": "center_baseline", "fontsize": TEXT, "zorder": 6, **look})

    def heads(self):
        colour = WRONG if self.trace["violation"] else "#222222"
        for i, line in enumerate(self.title):
            self.text(0.12, -self.above + 0.16 + 0.2 * i, line, fontsize=10.5, fontweight="bold", color=colour)
        name = self.trace["mutant"]
        mutant = f", mutant: {name if '.' in name else name.replace('_', ' ')}" if name else ", as it is in the tree"
        self.text(0.12, -0.08, self.trace["algorithm"] + mutant, fontsize=8, color="#555555")
        for thread, name in enumerate(self.threads):
            x, colour = self.left(thread), self.colour(thread)
            self.text(x + self.column / 2, HEAD / 2, name, ha="center", fontsize=9, fontweight="bold", color=colour)
            self.axes.plot([x, x + self.column], [HEAD - 0.06] * 2, color=colour, linewidth=1.6, solid_capstyle="butt")
            self.axes.plot([x + self.column / 2] * 2, [HEAD, self.tops[-1]], color="#dddddd", linewidth=0.8, zorder=1)

    def row(self, i):
        step = self.steps[i]
        if i in self.offenders:
            band = {"color": "#fdeaea", "linewidth": 0, "zorder": 0}
            height = self.tops[i + 1] - self.tops[i]
            self.axes.add_patch(patches.Rectangle((0, self.tops[i]), self.width, height, **band))
        self.text(NUMBERS - 0.08, self.middle(i), str(i), ha="right", fontsize=SMALL, color=GREY)
        if step.get("line"):
            x = self.left(len(self.threads) - 1) + self.column + 0.22
            self.text(x, self.middle(i), step["line"], fontsize=SMALL, color=GREY)
        if step["operation"] in MARKERS:
            self.marker(i)
        else:
            self.box(i)

    def marker(self, i):
        step, colour = self.steps[i], self.colour(self.steps[i]["thread"])
        look = {"color": colour, "fontsize": 7, "style": "italic"}
        if step["operation"] in ("boundary", "violation"):
            look.update(style="normal", fontweight="bold")
        if i in self.offenders:
            look["color"] = WRONG
        ground = {"facecolor": "#fdeaea" if i in self.offenders else "white", "edgecolor": "none", "pad": 0.8}
        x = self.left(step["thread"]) + self.column / 2
        words = said(step)
        if step["operation"] == "violation" and step.get("text", "") in self.trace["violation"]:  # the title says it
            words = "violation"
        self.text(x, self.middle(i), words, ha="center", bbox=ground, **look)

    def box(self, i):
        step, left = self.steps[i], self.left(self.steps[i]["thread"])
        colour, operation = self.colour(step["thread"]), step["operation"]
        edge, line, width = colour, "-", 0.9
        if step.get("stale"):
            edge, line, width = STALE, "--", 1.5
        if i in self.offenders:
            edge, width = WRONG, 1.8
        self.axes.add_patch(
            patches.FancyBboxPatch(
                (left, self.tops[i] + 0.025),
                self.column,
                ROW - 0.05,
                boxstyle="round,pad=0,rounding_size=0.045",
                facecolor="#eeeeee" if operation in DATA else tint(colour) if operation not in READS else "white",
                edgecolor=GREY if operation in DATA and i not in self.offenders else edge,
                linestyle=line,
                linewidth=width,
                zorder=4,
            )
        )
        words, order = said(step), step.get("order", "")
        room = self.column - 0.14 - (inches(order, SMALL) + 0.06 if order else 0)
        size = min(TEXT, TEXT * room / max(inches(words, TEXT), 0.01))
        self.text(left + 0.07, self.middle(i), words, fontsize=size, color="#111111")
        self.text(left + self.column - 0.07, self.middle(i), order, ha="right", fontsize=SMALL, color=GREY)
        if step.get("stale"):
            self.stale(i)

    def stale(self, i):
        """A label below the box: stale, and what the newest store has."""
        value = newest(self.steps, i)
        words = "STALE" if value is None else f"STALE, newest: {value}"
        look = {"boxstyle": "round,pad=0.2", "facecolor": STALE, "edgecolor": "white", "linewidth": 0.6}
        right = self.left(self.steps[i]["thread"]) + self.column
        y = self.tops[i] + ROW + 0.055
        self.text(right - 0.06, y, words, ha="right", fontsize=SMALL, color="white", bbox=look, zorder=8)

    def arrow(self, i):
        source, step = self.steps[i].get("source"), self.steps[i]
        if source is None:
            return
        here, there = step["thread"], self.steps[source]["thread"]
        look = {"color": "#444444", "linewidth": 0.8}
        if step.get("stale"):
            look = {"color": STALE, "linewidth": 1.4, "linestyle": (0, (4, 2))}
        start, end, curve = self.left(there), self.left(here), 0.0
        if there < here:
            start += self.column
        elif there > here:
            end += self.column
        else:  # its own store: round the outside
            start, end = start + self.column, end + self.column
            curve = -0.26 / max(self.middle(i) - self.middle(source), 0.5)
        self.axes.add_patch(
            patches.FancyArrowPatch(
                (start, self.middle(source)),
                (end, self.middle(i)),
                arrowstyle="-|>,head_length=3.2,head_width=1.6",
                connectionstyle=f"arc3,rad={curve}",
                shrinkA=0,
                shrinkB=0.5,
                alpha=0.55 if there == here else 0.95,
                zorder=3,
                **look,
            )
        )

    def brackets(self):
        """Beside each worker, from its first access in reserve until the record is published: its range is open.

        What stays open is the darker.
        """
        for thread in range(len(self.threads)):
            reserves, begun, label = False, None, ""
            for i, step in enumerate(self.steps):
                if step["thread"] != thread:
                    continue
                if step["operation"] == "reserve":
                    reserves, begun, label = True, None, ""
                elif step["operation"] not in MARKERS and reserves and begun is None:
                    begun = i
                elif step["operation"] == "reserved":
                    label = step.get("text", "")
                elif step["operation"] == "published":
                    if begun is not None:
                        self.bracket(thread, begun, i, label)
                    reserves, begun = False, None
            if begun is not None:
                self.bracket(thread, begun, None, label)

    def bracket(self, thread, begun, done, label):
        x, colour = self.left(thread) - 0.1, self.colour(thread)
        top = self.middle(begun)
        bottom = self.tops[-1] if done is None else self.middle(done)
        look = {"color": colour, "linewidth": 2.2, "solid_capstyle": "butt", "zorder": 2}
        look["alpha"] = 0.8 if done is None else 0.4
        self.axes.plot([x + 0.07, x, x], [top, top, bottom], **look)
        if done is None:
            self.axes.plot([x, x], [bottom, bottom + 0.12], **{**look, "linestyle": (0, (1, 1))})
        else:
            self.axes.plot([x, x + 0.07], [bottom, bottom], **look)
        words = f"open {label}".strip()
        if bottom - top > inches(words, SMALL) + 0.05:
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            where = {"ha": "center", "va": "center", "rotation": 90}
            self.text(x - 0.1, (top + bottom) / 2, words, fontsize=SMALL, color=colour, bbox=ground, zorder=3.5, **where)

    def draw(self, out):
        self.heads()
        self.brackets()
        for i in range(len(self.steps)):
            self.row(i)
            self.arrow(i)
        look = {"fontsize": 7, "color": "#555555", "va": "top", "linespacing": 1.35}
        self.axes.text(0.12, self.tops[-1] + 0.22, "\n".join(self.caption), **look)
        with pyplot.rc_context({"savefig.dpi": PNG_DPI}):
            return style.save(self.figure, out)


def tint(colour):
    """The colour's light shade."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * 0.2):02x}" for part in parts)


def main():
    parser = Parser(prog="interleaving.py", description=__doc__)
    parser.add_argument("trace", metavar="TRACE.json", help="what the explorer wrote")
    command.report("interleaving", parser, lambda arguments: Picture(read(arguments.trace)).draw(arguments.out))


if __name__ == "__main__":
    main()
