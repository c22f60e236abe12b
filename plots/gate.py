#!/usr/bin/python3
"""How often scripts/regress calls something slower, against what was planted; and what it measured."""


import command
import style
from matplotlib import pyplot, ticker

from lab import honesty
from lab.command import Parser
from lab.honesty_report import Trials, found, ratios
from lab.statistics import wilson

COLOUR, FALSE = "#0072B2", "#D55E00"


def draw(trials, out):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4))
    levels = [level for level in (0.0, *honesty.LEVELS) if trials.of(level)]
    names = [f"{level:.0%}" if level else "nothing" for level in levels]
    for at, level in enumerate(levels):
        of_level = trials.of(level)
        count = sum(map(found, of_level))
        low, high = wilson(count, len(of_level))
        share, colour = count / len(of_level), COLOUR if level else FALSE
        left.errorbar(at, share, yerr=[[share - low], [high - share]], marker="o", color=colour)
        words = {"xytext": (7, 0), "textcoords": "offset points", "fontsize": 8, "va": "center"}
        left.annotate(f"{count} of {len(of_level)}", (at, share), **words)
        # A little apart in x, or equal ratios hide each other.
        measured = sorted(ratios(of_level))
        offsets = [at + 0.5 * ((i * 0.618) % 1 - 0.5) for i in range(len(measured))]
        right.scatter(offsets, measured, s=6, alpha=0.5 if level else 0.15, color=colour, linewidths=0)
        if level:
            right.plot([at - 0.35, at + 0.35], [1 - level] * 2, color="black", linewidth=1)
    left.set(title="Called slower", xlabel="planted slowdown", ylim=(-0.04, 1.08), xlim=(-0.4, len(levels) - 0.3))
    left.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    right.set(title="New over base, first measurement", xlabel="planted slowdown (bar: what was planted)")
    right.axhline(1 - trials.header["threshold"], color="#999999", linewidth=1, linestyle="--")
    for panel in (left, right):
        panel.set_xticks(range(len(levels)), names)
    machine, header = trials.header["machine"], trials.header
    caption = [
        f"Each comparison: {len(header['matrix'])} points, {header['blocks']} blocks of each, measured afresh; slower is what "
        f"loses more than {header['threshold']:.0%} (dashed), significantly, twice. Bars: 95 % (Wilson). Nothing planted: every "
        "point of each comparison of a build with itself; else the point that burns the time.",
        f"{machine['cpu_model']}, {machine['processing_units']} processing units, {machine['kernel']}; muster "
        f"{style.commit(header['commit'])}.",
    ]
    return style.finish(figure, [], caption, out)


def main():
    parser = Parser(prog="gate.py", description=__doc__)
    parser.add_argument("trials", metavar="TRIALS.jsonl.gz", help="what scripts/gate_honesty wrote")

    command.report("gate", parser, lambda arguments: draw(Trials.read(arguments.trials), arguments.out))


if __name__ == "__main__":
    main()
