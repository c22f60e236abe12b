#!/usr/bin/python3
"""Latency: percentile curves, or (--load) percentiles against the offered load, with the knee.

Percentile curves need whole distributions, which results of this version hold. Against load, a point is the median over
repetitions; of hollow ones a repetition was disturbed, or could not keep up with the load.
"""

import math

import style  # first: it finds scripts/ and sets matplotlib up
import command
from matplotlib import pyplot, ticker

from lab import distributions, panels, results
from lab.command import Parser
from lab.statistics import Spread

PANELS_MAX = 12
PERCENTS = (0, 50, 90, 99, 99.9, 99.99, 99.999)
AGAINST_LOAD = (("p50", "#56B4E9", "o"), ("p99", "#0072B2", "s"), ("p999", "#D55E00", "D"))
MICROSECONDS = ticker.FuncFormatter(lambda y, _: f"{y:,.0f}" if y >= 1 else f"{y:g}")
KNEE = 2  # times the p99 at the least load: from there on it counts as risen


def parser():
    found = Parser(prog="latency.py", description=__doc__)
    found.add_argument("results", metavar="RESULTS", help="folder that scripts/sweep.py wrote, or a packed one")
    found.add_argument("--load", action="store_true", help="against load.rate")
    panels.add_where(found)
    return found


def draw(arguments):
    found = panels.read(arguments)
    return (draw_load if arguments.load else draw_curves)(found, arguments)


def draw_curves(found, arguments):
    groups = results.groups(found)
    if len(groups) > PANELS_MAX:
        keys = ", ".join(panels.differing(groups))
        raise results.ResultError(
            f"{len(groups)} configurations that differ in {keys}: want {PANELS_MAX} at most; --where KEY=VALUE chooses"
        )
    figure, axes = pyplot.subplots(len(groups), 1, figsize=(7.2, 3.4 * len(groups)), squeeze=False)
    drawn = False
    for panel, group, title in zip(axes.flat, groups, panels.titles(groups)):
        ends = []
        names = group.algorithms()
        for (algorithm, threads), runs in sorted(group.runs.items()):
            whole = distributions.of_results(runs.values(), "commit_latency")
            if not whole:
                continue
            drawn = True
            one = distributions.merged(whole)
            levels = distributions.levels(one.count)[:-1]
            look = style.look(algorithm, names)
            xs = [1 / (1 - percent / 100) for percent in levels]
            ys = [one.percentile(percent) / 1000 for percent in levels]
            label = f"_{algorithm}, {threads}"  # for the CSV; names stand at the ends
            panel.plot(xs, ys, color=look.colour, linestyle=look.line, label=label)
            ends.append((xs[-1], ys[-1], f"{group.known.title(algorithm)}, {threads}", look.colour))
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks([1 / (1 - percent / 100) for percent in PERCENTS], [f"{percent:g}" for percent in PERCENTS])
        panel.xaxis.set_minor_locator(ticker.NullLocator())
        panel.yaxis.set_major_formatter(MICROSECONDS)
        panel.set_xlabel("per cent of transactions")
        panel.set_ylabel("latency, µs, at most")
        style.panel_title(panel, title)
        style.label_ends(panel, ends)
    if not drawn:
        raise results.ResultError(
            f"{arguments.results}: holds no distribution of commit latencies: want results of an engine's run, of this version"
        )
    caption = ["Repetitions merged; names end in the number of threads.", meaning(found), style.machine_line(found) + "."]
    return style.finish(figure, list(axes.flat), caption, arguments.out)


def meaning(found):
    open_loop = [rate_of(result) is not None for result in found]
    due = "from when a transaction was due" if all(open_loop) else "from the call of commit"
    return f"Latency {due} to its acknowledgement." if all(open_loop) or not any(open_loop) else (
        "Latency to the acknowledgement: from when a transaction was due where there is a load.rate, else from the call of commit."
    )


def rate_of(result):
    """None of a closed loop."""
    rate = result["configuration"].get("load", {}).get("rate")
    return rate if isinstance(rate, (int, float)) else None


def draw_load(found, arguments):
    lines = {}
    for result in found:
        rate = rate_of(result)
        if rate is not None and all(map(has_latencies, result["repetitions"])):
            configuration = result["configuration"]
            lines.setdefault((configuration["algorithm"], configuration["threads"]), {}).setdefault(rate, []).append(result)
    if not lines:
        raise results.ResultError(f"{arguments.results}: holds no latency under a load.rate: want a sweep over load.rate")
    if len(lines) > PANELS_MAX:
        raise results.ResultError(f"{len(lines)} algorithms and numbers of threads: want {PANELS_MAX} at most; --where chooses")
    known = results.groups(found)[0].known
    figure, axes = pyplot.subplots(len(lines), 1, figsize=(7.2, 3.2 * len(lines)), squeeze=False)
    for panel, ((algorithm, threads), of_rate) in zip(axes.flat, sorted(lines.items())):
        draw_against_load(panel, of_rate)
        panel.set_title(f"{known.title(algorithm)}, {threads} {'thread' if threads == 1 else 'threads'}")
    caption = [
        "Points: median over repetitions; bars: first to third quartile. Hollow: the backlog only grew, or disturbed. "
        f"Dotted: the knee, the least load whose p99 is {KNEE} times that at the least load of all.",
        meaning(found),
        style.machine_line(found) + ".",
    ]
    return style.finish(figure, list(axes.flat), caption, arguments.out)


def draw_against_load(panel, of_rate):
    rates = sorted(of_rate)
    hollow_at = [any(map(is_hollow, of_rate[rate])) for rate in rates]
    spreads = {}
    for key, colour, marker in AGAINST_LOAD:
        spreads[key] = [Spread.of([r["commit_latency_us"][key] for x in of_rate[rate] for r in x["repetitions"]]) for rate in rates]
        bars = [[s.median - s.q1 for s in spreads[key]], [s.q3 - s.median for s in spreads[key]]]
        medians = [s.median for s in spreads[key]]
        panel.errorbar(rates, medians, yerr=bars, color=colour, linestyle="-", label="p99.9" if key == "p999" else key)
        for rate, median, hollow in zip(rates, medians, hollow_at):
            face = "white" if hollow else colour
            panel.plot(rate, median, marker, color=colour, markerfacecolor=face, gid=style.ORNAMENT)
    knee = next((r for r, s in zip(rates, spreads["p99"]) if s.median > KNEE * spreads["p99"][0].median), None)
    if knee is not None:
        panel.axvline(knee, color="#777777", linestyle=":", linewidth=1)
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(MICROSECONDS)
    panel.xaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    panel.set_xlabel("offered load, transactions per second")
    panel.set_ylabel("latency, µs")


def has_latencies(repetition):
    return all(key in (repetition.get("commit_latency_us") or {}) for key, _, _ in AGAINST_LOAD)


def is_hollow(result):
    return any(is_saturated(repetition) for repetition in result["repetitions"]) or any(results.disturbances(result))


def is_saturated(repetition):
    return bool(repetition.get("load", {}).get("saturated"))


if __name__ == "__main__":
    command.report("latency", parser(), draw)
