#!/usr/bin/python3
"""Every point's ratio with its interval, sorted, from what scripts/compare --json wrote; grey where it cannot tell.

Ratios are turned so that right is better: NEW over BASE of a throughput, BASE over NEW of latency, lag, bytes, syncs.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import command
import style
from matplotlib import pyplot, ticker

from lab.command import Parser
from lab.results import ResultError

COLOURS = {"cannot tell": "#AAAAAA", "within threshold": "#222222", "faster": "#0072B2", "slower": "#D55E00"}
ROWS_CLOSE = 60  # above, rows stand closer, and only what is slower or faster is named, where there is room
RATIO_MAX = 4  # what is further off is drawn at the edge, as an arrow
TICKS = (  # the last whose reach is less than the axis'
    (1, (0.9, 0.92, 0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06, 1.08, 1.1)),
    (1.1, (0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3)),
    (1.3, (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2)),
    (2, (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4)),
)


@dataclass
class Line:
    """A row, turned so that more is better."""

    name: str
    verdict: str
    ratio: float
    ends: list  # of the interval; empty where it is unknown

    @classmethod
    def of(cls, row):
        turn = (lambda ratio: ratio) if row["better"] == "more" else (lambda ratio: 1 / ratio if ratio else math.inf)
        known = row["low"] is not None
        ends = [turn(math.inf if end is None else end) for end in (row["low"], row["high"])] if known else []
        verdict = row["verdict"] if row["verdict"] in COLOURS else "cannot tell"
        return cls(f"{row['title']}, {row['metric']}", verdict, turn(math.inf if row["ratio"] is None else row["ratio"]), ends)


def within(ratio):
    """Where it is drawn."""
    return min(max(ratio, 1 / RATIO_MAX), RATIO_MAX)


def load(path):
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not a comparison: {error}") from error
    if not isinstance(document, dict) or document.get("comparison") != 1 or not document.get("rows"):
        raise ResultError(f"{path}: not a comparison: want what scripts/compare --json wrote")
    return document


def draw_lines(axes, lines, label, colour):
    """`lines` are (height, Line)."""
    for height, line in lines:
        axes.plot([within(end) for end in line.ends], [height] * len(line.ends), color=colour, linewidth=1)
        if within(line.ratio) != line.ratio:
            axes.plot(within(line.ratio), height, "<" if line.ratio < 1 else ">", color=colour, markersize=5, clip_on=False)
    inside = [(line.ratio, height) for height, line in lines if within(line.ratio) == line.ratio]
    axes.plot([x for x, _ in inside], [y for _, y in inside], "o", color=colour, markersize=3.5)
    axes.plot([], [], "o-", color=colour, markersize=3.5, label=label)


def machine_line(side):
    fact = lambda key: ", ".join(map(str, side.get(f"machine.{key}", ["unknown"])))  # noqa: E731
    return f"{fact('cpu_model')}, {fact('processing_units')} processing units on {fact('cores')} cores, {fact('kernel')}"


def side_line(title, side):
    commits = ", ".join(map(style.commit, side.get("muster.git_commit", ["unknown"])))
    builds = ", ".join(side.get("muster.compiler", []) + side.get("muster.build_type", []))
    counts = " to ".join(map(str, sorted({side["repetitions"][0], side["repetitions"][-1]})))
    return f"{title}: commit {commits}, {builds}, {counts} repetitions a point"


def draw(document, out):
    lines = sorted(map(Line.of, document["rows"]), key=lambda line: line.ratio)
    is_close = len(lines) > ROWS_CLOSE
    inches = min(11 / len(lines), 0.1) if is_close else 0.19  # a row
    figure, axes = pyplot.subplots(figsize=(8.2, 1.1 + inches * len(lines)))
    percent = f"{100 * document['threshold']:.3g} %"
    ratio_axis(axes, lines, document["threshold"])
    for verdict, colour in COLOURS.items():
        of_verdict = [(height, line) for height, line in enumerate(lines) if line.verdict == verdict]
        if of_verdict:
            draw_lines(axes, of_verdict, f"{verdict.replace('threshold', percent)} ({len(of_verdict)})", colour)
    named = with_room(lines, 0.099 / inches) if is_close else enumerate(lines)
    heights = dict(named)
    axes.set_yticks(list(heights), [line.name for line in heights.values()], fontsize=7)
    axes.grid(axis="y", visible=not is_close)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_title("NEW against BASE: left is worse, right is better")
    base, new = document["base"], document["new"]
    machines = list(dict.fromkeys(machine_line(side) for side in (base, new)))
    caption = [
        f"Ratios of medians over repetitions, a row a point and metric, {len(lines)} in all; bars: 95 % bootstrap intervals. "
        f"Shaded: the threshold, {percent}. Slower, faster: beyond it, and p at most {document['alpha']} when adjusted for "
        "all rows; grey: cannot tell, or too few repetitions." + (" Named are as many of these as have room." if is_close else ""),
        side_line("BASE", base) + ". " + side_line("NEW", new) + ".",
        "; NEW: ".join(machines) + ".",
    ]
    return style.finish(figure, [axes], caption, out)


def with_room(lines, gap):
    """What is slower or faster, the largest effects first, at least so many rows apart."""
    chosen = {}
    decided = [(height, line) for height, line in enumerate(lines) if line.verdict in ("slower", "faster")]
    for height, line in sorted(decided, key=lambda pair: -max(pair[1].ratio, 1 / pair[1].ratio if pair[1].ratio else math.inf)):
        if all(abs(height - other) >= gap for other in chosen):
            chosen[height] = line
    return chosen.items()


def ratio_axis(axes, lines, threshold):
    """Logarithmic, so that half and double are as far from 1."""
    reach = max([1.02] + [max(x, 1 / x) for line in lines for x in map(within, [line.ratio, *line.ends])]) ** 1.06
    axes.set_xscale("log")
    axes.set_xlim(1 / reach, reach)
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    ticks = [ticks for least, ticks in TICKS if reach > least][-1]
    axes.set_xticks([x for x in ticks if 1 / reach <= x <= reach])
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda ratio, _: f"{ratio:.3g}"))
    axes.set_xlabel("NEW / BASE of throughput, BASE / NEW of time, latency, lag, bytes and syncs")
    axes.axvspan(max(1 - threshold, 1 / reach), min(1 + threshold, reach), color="#f0f0f0", linewidth=0, zorder=0)
    axes.axvline(1, color="#777777", linewidth=0.8, zorder=1)


def main():
    parser = Parser(prog="compare.py", description=__doc__)
    parser.add_argument("comparison", metavar="FILE", help="what scripts/compare --json FILE wrote")

    command.report("compare", parser, lambda arguments: draw(load(arguments.comparison), arguments.out))


if __name__ == "__main__":
    main()
