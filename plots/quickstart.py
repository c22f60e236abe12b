#!/usr/bin/python3
"""The first picture of a machine, a row an algorithm: how fast an append is by record size, what finding the boundary
costs, and whether an engine over it notices. Draws what scripts/quickstart measured."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import benchmark_files
import command
import style
from matplotlib import patches, pyplot, ticker

from lab import panels, results
from lab.algorithms import WITHOUT_LOG
from lab.benchmarks import CLOCK_NS
from lab.wording import amount, two_digits

ADVANCES = "boundary/advance.json"  # in the folder of results, or beside a packed one
BYTES = 120  # records of about this size stand for the boundary's lag
BEST = 1.25  # colours end here, or a few that come far above would leave none for the rest
FULL, HOLLOW = "#0072B2", "#D55E00"

NB = "\N{NO-BREAK SPACE}"

# Inches.
ROW = 0.3
NAMES, CELL, DOTS, GAP, LARGE_GAP, RIGHT = 2.1, 0.54, 1.5, 0.18, 0.45, 0.6
ANSWER_LINE, TITLES, FOOT = 0.165, 0.62, 0.5
QUESTION_CHARACTER, ANSWER_CHARACTER = 0.108, 0.072


@dataclass
class Column:
    """One panel."""

    width: float
    title: str
    below: list  # the title, small: (text, colour)
    draw: object  # of axes and names


@dataclass
class Part:
    """The panels that answer a question."""

    question: str
    answer: str
    columns: list

    def __post_init__(self):
        """Panels wide enough for the question above them."""
        missing = QUESTION_CHARACTER * len(self.question) - self.width()
        for column in self.columns:
            column.width += max(0, missing) / len(self.columns)

    def width(self):
        return sum(column.width for column in self.columns) + GAP * (len(self.columns) - 1)


def threads_text(count, units):
    if count == units > 1:
        return f"all{NB}{count}{NB}units"
    return f"{count}{NB}thread{'' if count == 1 else 's'}"


def bytes_of(group):
    sizes = group.configuration["append"]["bytes"]
    return sizes if isinstance(sizes, list) else [sizes]


def draw_shares(axes, names, sizes, threads):
    """A cell an algorithm and record size."""
    shares = [[g.share_of_bound(name, threads) if (name, threads) in g.runs else None for g in sizes] for name in names]
    medians = [[share.median if share else float("nan") for share in row] for row in shares]
    axes.imshow(medians, cmap=style.HEAT, vmin=0, vmax=BEST, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            if share is None:
                continue
            noisy = panels.is_noisy(share)
            dark = share.median < 0.5 * BEST and not noisy
            place = {"ha": "center", "va": "center", "color": "white" if dark else "black"}
            text = two_digits(share.median)
            axes.text(x, y - 0.15 * noisy, text, fontsize=9.5 if len(text) < 6 else 8, **place)
            if noisy:
                axes.add_patch(patches.Rectangle((x - 0.5, y - 0.5), 1, 1, color="white", alpha=0.6, linewidth=0))
                axes.text(x, y + 0.31, f"±{share.relative():.0%}", fontsize=6, **place)
            if sizes[x].disturbed(names[y], threads):
                axes.plot(x + 0.36, y - 0.3, marker="o", markersize=3.5, markeredgecolor="black", **style.HOLLOW)
    labels = ["\N{EN DASH}".join(str(size) for size in bytes_of(g)) + " B" for g in sizes]
    axes.set_xticks(range(len(sizes)), labels, fontsize=8.5)
    axes.grid(False)


def draw_dots(axes, series, floor, unit):
    """`series` are (colour, whether full, [(row, Spread)]); logarithmic, from `floor`, where what is less stands."""
    for colour, full, found in series:
        low, middle, high = ([max(getattr(s, key), floor) for _, s in found] for key in ("q1", "median", "q3"))
        axes.errorbar(
            middle,
            [row for row, _ in found],
            xerr=[[m - l for m, l in zip(middle, low)], [h - m for h, m in zip(high, middle)]],
            linestyle="",
            marker="o",
            markersize=6.5,
            color=colour,
            markerfacecolor=colour if full else "white",
            markeredgewidth=1.3,
            elinewidth=1,
            capsize=0,
            zorder=4 if full else 3,
        )
    highest = max((s.q3 for _, _, found in series for _, s in found), default=floor)
    axes.set_xscale("log")
    axes.set_xlim(floor / 2, max(highest, floor * 10) * 2)
    axes.xaxis.set_major_locator(ticker.LogLocator(numticks=5))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.EngFormatter(unit, sep="\N{THIN SPACE}"))
    axes.tick_params(axis="x", labelsize=8)


def append_part(sizes, counts, units, usable):
    columns = []
    for count in counts:
        rates = [g.throughput("bound", count).median for g in sizes]
        below = f"bound: {amount(max(rates))} to {amount(min(rates))} records/s"
        draw = lambda axes, names, count=count: draw_shares(axes, names, sizes, count)  # noqa: E731
        columns.append(Column(CELL * len(sizes), threads_text(count, units), [(below, "#555555")], draw))
    fastest = {}
    for count in counts:
        of_count = [name for name in usable if all((name, count) in g.runs for g in sizes)]
        for name in panels.by_speed(sizes, [count], of_count)[:1]:
            fastest.setdefault(sizes[0].known.title(name), []).append(threads_text(count, units))
    words = [f"{title} ({', '.join(where)})" for title, where in fastest.items()]
    answer = "Share of bound by record size. "
    if panels.noisy_share(sizes, counts, usable) > 0.5:
        answer += "This machine was too noisy to say which is fastest."
    elif words:
        answer += f"Fastest usable: {', '.join(words)}."
    return Part("How fast is an append?", answer, columns)


def cost_column(costs):
    """Of the largest counts that were measured."""
    most = {a: max((c["count"] for c in costs if c["against"] == a), default=0) for a in ("registered", "outstanding")}

    def draw(axes, names):
        series = []
        for against, colour, full in (("registered", FULL, True), ("outstanding", HOLLOW, False)):
            of = {c["algorithm"]: c for c in costs if (c["against"], c["count"]) == (against, most[against])}
            spreads = {name: benchmark_files.spread(of[name], ("ns", "q1", "q3"), 1e-9) for name in names if name in of}
            series.append((colour, full, [(names.index(name), spread) for name, spread in spreads.items()]))
        draw_dots(axes, series, CLOCK_NS * 1e-9, "s")

    below = [(f"● {most['registered']} workers", FULL), (f"○ {most['outstanding']} records outstanding", HOLLOW)]
    return Column(DOTS, "Time of advance", below, draw)


def lag_column(group, threads):
    floor = min(bytes_of(group))

    def draw(axes, names):
        series = []
        for percentile, colour, full in (("p50", FULL, True), ("p99", HOLLOW, False)):
            found = [(y, panels.lag(group, name, threads, percentile)) for y, name in enumerate(names)]
            series.append((colour, full, [(y, lag) for y, lag in found if lag is not None]))
        draw_dots(axes, series, floor, "B")

    below = [("● median", FULL), ("○ one advance in a hundred", HOLLOW)]
    return Column(DOTS, "Lag", below, draw)


def boundary_answer(costs, group, threads, usable):
    """In words: what costs most, and what lags most."""
    words = []
    most = max((c for c in costs if c["algorithm"] in usable), key=lambda c: c["ns"], default=None)
    if most is not None:
        what = "workers" if most["against"] == "registered" else "records outstanding"
        time = ticker.EngFormatter("s", places=0, sep=NB)(most["ns"] * 1e-9)
        words.append(f"Up to {time}: {group.known.title(most['algorithm'])} with {most['count']} {what}.")
    lags = {name: panels.lag(group, name, threads, "p50") for name in usable}
    name = max((name for name in usable if lags[name]), key=lambda name: lags[name].median, default=None)
    if name is None or lags[name].median <= max(bytes_of(group)):
        words.append("No lag beyond a record.")
    else:
        lag = ticker.EngFormatter("B", places=0, sep=NB)(lags[name].median)
        words.append(f"{group.known.title(name)} lags most: {lag}.")
    return " ".join(words)


def engine_part(group, threads, units, reference):
    intervals = panels.relative(group, threads)

    def draw(axes, names):
        for y, name in enumerate(names):
            if name not in intervals:
                continue
            i = intervals[name]
            axes.errorbar(
                [i.median],
                [y],
                xerr=[[i.median - i.low], [i.high - i.median]],
                marker="o",
                markersize=6.5,
                color=FULL,
                elinewidth=1.4,
                capsize=2.5,
                **(style.HOLLOW if group.disturbed(name, threads) else {}),
            )
            axes.text(1.04, y, amount(i.rate), transform=axes.get_yaxis_transform(), va="center", fontsize=9)
        axes.axvline(1, color="#888888", linewidth=0.8, zorder=1)
        axes.set_xlim(0, 1.1 * max(i.high for i in intervals.values()))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
        axes.tick_params(axis="x", labelsize=8)

    configuration = group.configuration
    below = [
        (f"YCSB {configuration['ycsb']['mix']}, {threads_text(threads, units)}", "#555555"),
        (f"{configuration['engine']['policy']}, log on {configuration['log']['device']}", "#555555"),
    ]
    column = Column(DOTS, "Transactions/s", below, draw)
    return Part("Does the engine notice?", engine_answer(group, intervals, reference), [column])


def engine_answer(group, intervals, reference):
    apart = panels.apart(intervals)
    if len(intervals) < 2:
        words = "One algorithm alone cannot tell."
    elif apart is None:
        words = "Not here: all intervals overlap."
    else:
        slow, fast = (group.known.title(name) for name in apart)
        more = intervals[apart[1]].median / intervals[apart[0]].median - 1
        words = f"Yes: {fast} makes {more:.0%} more than {slow}."
    if reference is not None:
        (name, threads), *_ = reference.runs
        words += f" Durable on disk: {amount(reference.throughput(name, threads).median).replace(' ', NB)}/s."
    return words


def waits_for_the_disk(group):
    return group.configuration["engine"]["policy"] in ("durable", "group") and group.configuration["log"]["device"] == "file"


def only(groups, what):
    """The only one; nothing where there is none."""
    if len(groups) > 1:
        keys = ", ".join(panels.differing(groups))
        count = len(groups)
        raise results.ResultError(f"holds {count} configurations of {what}, which differ in {keys}: want one; --where chooses")
    return groups[0] if groups else None


def parts_of(groups, costs, units):
    """The figure's parts, the algorithms in the order of the rows, and the groups of the append."""
    sizes = sorted((g for g in groups if g.configuration["workload"] == "append"), key=bytes_of)
    if set(panels.differing(sizes)) - {"append.bytes"}:
        only(sizes, "append")
    if not sizes or not all(g.threads("bound") for g in sizes):
        raise results.ResultError("no append of bound, of which the others are shares: want it among the algorithms")
    engines = [g for g in groups if g.configuration["workload"] == "ycsb"]
    engine = only([g for g in engines if not waits_for_the_disk(g)], "ycsb that do not wait for the disk")
    reference = only([g for g in engines if waits_for_the_disk(g)], "ycsb that wait for the disk")
    counts = sorted({sizes[0].threads("bound")[0], sizes[0].threads("bound")[-1]})
    names = panels.by_speed(sizes, counts, [name for name in sizes[0].algorithms() if name not in WITHOUT_LOG])
    usable = [name for name in names if sizes[0].known.is_usable(name)]
    middle = min(sizes, key=lambda g: abs(bytes_of(g)[0] - BYTES))
    columns = ([cost_column(costs)] if costs else []) + [lag_column(middle, counts[0])]
    boundary = Part("What does the boundary cost?", boundary_answer(costs, middle, counts[0], usable), columns)
    parts = [append_part(sizes, counts, units, usable), boundary]
    if engine is not None:
        parts.append(engine_part(engine, engine.threads()[-1], units, reference))
    return parts, names, sizes


def draw_parts(parts, names, titles):
    """The figure without its caption."""
    widths = sum(part.width() for part in parts) + LARGE_GAP * (len(parts) - 1)
    answers = [textwrap.wrap(p.answer, int(p.width() / ANSWER_CHARACTER), break_on_hyphens=False) for p in parts]
    head = 0.4 + ANSWER_LINE * max(map(len, answers)) + TITLES
    width, height = NAMES + widths + RIGHT, head + ROW * len(names) + FOOT
    figure = pyplot.figure(figsize=(width, height))
    x = NAMES
    for part, answer in zip(parts, answers):
        figure.text(x / width, 1 - 0.1 / height, part.question, fontsize=12.5, fontweight="bold", va="top")
        figure.text(x / width, 1 - 0.36 / height, "\n".join(answer), fontsize=9, va="top", linespacing=1.25)
        for column in part.columns:
            axes = figure.add_axes((x / width, FOOT / height, column.width / width, ROW * len(names) / height))
            column.draw(axes, names)
            axes.set_ylim(len(names) - 0.5, -0.5)
            first = x == NAMES
            axes.set_yticks(range(len(names)), titles if first else [])
            axes.tick_params(axis="y", length=0, labelsize=10)
            for spine in axes.spines.values():
                spine.set_visible(False)
            above = 0.07 + 0.15 * 2
            figure.text(x / width, 1 - (head - above - 0.05) / height, column.title, fontsize=10, fontweight="bold", va="bottom")
            for line, (text, colour) in enumerate(column.below):
                at = head - above + 0.15 * (line + 1) - 0.03
                figure.text(x / width, 1 - at / height, text, fontsize=7.5, color=colour, va="bottom")
            x += column.width + GAP
        x += LARGE_GAP - GAP
    return figure


def boundary_caption(costs):
    lag = (
        f"Lag: bytes reserved beyond the boundary when an advance has moved it, one worker, records of about {BYTES} B; bars: "
        "quartiles of the repetitions."
    )
    if not costs:
        return lag
    return (
        f"Advance: one thread, less the clock's own time; what is below its resolution stands at {CLOCK_NS} ns. No ○: an "
        "algorithm whose workers publish in turn or under a lock. " + lag
    )


def engine_caption(groups):
    engines = [g for g in groups if g.configuration["workload"] == "ycsb" and not waits_for_the_disk(g)]
    if not engines:
        return "The engine was not run."
    repetitions = min(len(runs) for runs in engines[0].runs.values())
    return (
        "Transactions/s: over the median of all algorithms in the same repetition, the bar from the least to the largest "
        f"of {repetitions} repetitions ({panels.coverage(repetitions):.0%} confidence); on the right the rate itself."
    )


def disturbed_caption(groups):
    """Beside style.disturbed_lines(): cells have no points, and the boundary's have their own meaning of hollow."""
    return [f"{line} A cell has a small ring instead; the boundary's points are not marked." for line in style.disturbed_lines(groups)]


def draw(found, groups, arguments):
    place = Path(arguments.results)
    path = (place if place.is_dir() else place.parent) / ADVANCES
    costs, context = benchmark_files.load([path], "costs") if path.is_file() else ([], None)
    if costs and context["git_commit"] != found[0]["muster"]["git_commit"]:
        raise results.ResultError(f"{path}: of another commit than the results: {context['git_commit']}; want one")
    units = found[0]["machine"]["processing_units"]
    parts, names, sizes = parts_of(groups, costs, units)
    known = sizes[0].known
    titles = [known.title(name) + ("" if known.is_usable(name) or name == "bound" else " *") for name in names]
    figure = draw_parts(parts, names, titles)
    caption = [
        "Cells: the median of all windows over the median of bound (fetch-add and copy, no tracking) in the same "
        f"repetition. A ± stands where half the distance of the quartiles is more than {panels.NOISY:.0%} of the median, and "
        "the cell is pale: noise. Rows are sorted by the geometric mean of their cells. * not usable: unsafe, or idle workers stall it.",
        boundary_caption(costs),
        engine_caption(groups),
        *disturbed_caption(groups),
        style.machine_line(found) + ".",
    ]
    return style.caption_and_save(figure, caption, arguments.out)


if __name__ == "__main__":
    command.main("quickstart", __doc__, draw)
