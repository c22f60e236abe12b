"""What all figures share: one colour and one marker an algorithm, fonts, axes, the caption with the machine."""

import atexit
import csv
import logging
import os
import shutil
import sys
import tempfile
import textwrap
import weakref
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from lab.command import MachineError, RequestError  # noqa: E402
from lab.machine import host_title  # noqa: E402
from lab.place import ROOT  # noqa: E402


def plain_matplotlib():
    """Imports it without the user's settings, which must neither get into a figure nor stop it. It looks for them in
    the working directory, in MATPLOTLIBRC and in MPLCONFIGDIR, where it also keeps its list of fonts."""
    settings = ROOT / "build/matplotlib"
    try:
        settings.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings):
            pass
    except OSError:
        settings = Path(tempfile.mkdtemp(prefix="muster-matplotlib-"))
        atexit.register(shutil.rmtree, settings, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = str(settings)
    for name in ("MATPLOTLIBRC", "MPLBACKEND"):
        os.environ.pop(name, None)
    working_directory = os.open(".", os.O_RDONLY)
    os.chdir(settings)
    try:
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it announces that it lists the fonts
        import matplotlib

        matplotlib.use("Agg")  # no window
    finally:
        os.fchdir(working_directory)
        os.close(working_directory)


plain_matplotlib()
import numpy  # noqa: E402
from matplotlib import collections, lines, pyplot, text, ticker  # noqa: E402
from matplotlib.backend_bases import FigureCanvasBase  # noqa: E402
from matplotlib.container import ErrorbarContainer  # noqa: E402
from lab.looks import LOOKS, Look, look  # noqa: E402, F401
from lab.wording import amount  # noqa: E402


HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 1.2}  # a point with a disturbed repetition behind it
HOLLOW_MEANS = "hollow: disturbed"

EXACT = weakref.WeakKeyDictionary()  # lines that stand a little apart -> the x that they mean

HEAT = "viridis"  # of cells: colour-blind readers and grey prints tell its ends apart

pyplot.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e0e0e0",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.4,
        "lines.markersize": 5,
        "errorbar.capsize": 2,
        "legend.frameon": False,
        "pdf.fonttype": 42,  # letters stay letters
        "svg.hashsalt": "muster",  # the same figure is the same file
        "savefig.dpi": 200,
    }
)


def label_ends(axes, ends, size=7):
    """Writes each line's name at its end, in its colour, the names apart. `ends` are (x, y, text, colour); called when
    the axes' limits are set."""
    inches = axes.get_position().height * axes.figure.get_figheight()
    step = size * 1.2 / 72 / inches  # a share of the axes' height
    to_share = axes.transData + axes.transAxes.inverted()
    ends = sorted(ends, key=lambda end: to_share.transform(end[:2])[1])
    heights = [min(1, max(0, to_share.transform(end[:2])[1])) for end in ends]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + step)
    top = max(1, (len(heights) - 1) * step)
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], top)
        top = heights[i] - step
    for (x, y, text, colour), height in zip(ends, heights):
        axes.annotate(
            text,
            (x, y),
            xytext=(1.03, height),
            textcoords="axes fraction",
            fontsize=size,
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.5,
                "alpha": 0.6,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def dodge(position, count):
    """A factor on a log2 axis that sets series a little apart, so that their error bars do not cover each other."""
    return 2 ** ((position - (count - 1) / 2) * min(0.05, 0.3 / max(count, 1)))


def draw_series(axes, group, value):
    """One line an algorithm over threads, named at its end; `value(algorithm, threads)` is a Spread or None."""
    algorithms = group.algorithms()
    tops = {}
    for position, algorithm in enumerate(algorithms):
        points = [(t, value(algorithm, t)) for t in group.threads(algorithm)]
        points = [(t, spread) for t, spread in points if spread is not None]
        if not points:
            continue
        style = look(algorithm, algorithms)
        shift = dodge(position, len(algorithms))
        medians = [s.median for _, s in points]
        bars = [[s.median - s.q1 for _, s in points], [s.q3 - s.median for _, s in points]]
        drawn = axes.errorbar(
            [t * shift for t, _ in points],
            medians,
            yerr=bars,
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            elinewidth=0.9,
            markeredgecolor=style.colour if style.marker in "x_" else "white",
            markeredgewidth=1.4 if style.marker in "x_" else 0.5,
            zorder=3 + position,
            label=f"_{group.known.title(algorithm)}",  # for the CSV; names stand at the ends, not in a legend
        )
        EXACT[drawn[0]] = [t for t, _ in points]
        draw_hollow(axes, [(t * shift, s.median) for t, s in points if group.disturbed(algorithm, t)], style, 3 + position)
        tops[algorithm] = points, max(s.q3 for _, s in points)
    leave_null_above(axes, tops)
    top = axes.get_ylim()[1]
    ends = []
    for position, algorithm in enumerate(algorithms):
        points, _ = tops.get(algorithm, ([], 0))
        if points and points[-1][1].median <= top:
            t, spread = points[-1]
            x, colour = t * dodge(position, len(algorithms)), look(algorithm, algorithms).colour
            ends.append((x, spread.median, group.known.title(algorithm), colour))
    return ends


def draw_hollow(axes, points, style, zorder):
    """Over points that are drawn already; a ring where the marker has no inside. finish() says in the legend what it means."""
    if not points:
        return
    marker = "o" if style.marker in "x_" else style.marker
    x, y = zip(*points)
    axes.plot(x, y, linestyle="", marker=marker, markeredgecolor=style.colour, zorder=zorder + 0.5, **HOLLOW)
    axes.plot([], [], linestyle="", marker="o", markeredgecolor="#555555", label=HOLLOW_MEANS, **HOLLOW)


def disturbed_lines(groups):
    """For the caption: what hollow points are, or nothing."""
    return hollow_lines(sorted({kind for group in groups for point in group.runs for kind in group.disturbed(*point)}))


def hollow_lines(kinds):
    """The same, of kinds of disturbance."""
    if not kinds:
        return []
    return [f"Hollow: disturbed ({', '.join(kinds)}) in one repetition at least, beyond a limit that the result states."]


def leave_null_above(axes, tops):
    """From 0 to the highest of the algorithms that do something; `null`, where it is far above, is said in words."""
    highest = max((top for name, (_, top) in tops.items() if name != "null"), default=0)
    if highest <= 0:
        axes.set_ylim(bottom=0)
        return
    points, null_top = tops.get("null", ([], 0))
    if null_top <= 1.2 * highest:
        axes.set_ylim(0, 1.08 * max(highest, null_top))
        return
    axes.set_ylim(0, 1.2 * highest)
    beyond = [spread.median for _, spread in points if spread.median > 1.2 * highest]
    if beyond:
        least, most = amount(min(beyond)), amount(max(beyond))
        axes.text(
            0.99,
            0.985,
            "Null, above the axis: " + (least if least == most else f"{least} to {most}"),
            transform=axes.transAxes,
            fontsize=7,
            color="#777777",
            ha="right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            zorder=20,
        )


def threads_axis(axes, threads, units, label):
    """log2, a tick a measured number; shaded where there are more threads than processing units."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(threads)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    least, most = threads[0] / 2**0.35, threads[-1] * 2**0.35
    axes.set_xlim(least, most)
    axes.set_xlabel(label)
    if threads[-1] > units:
        axes.axvspan(units * 2**0.5, most, color="#f4f4f4", zorder=0, linewidth=0)


def panel_title(axes, text):
    """The first words as a title, the rest small below it."""
    head, _, tail = text.partition(", ")
    axes.set_title(head[0].upper() + head[1:], pad=18)
    axes.text(0, 1.025, tail, transform=axes.transAxes, fontsize=7.5, color="#555555", va="bottom")


def throughput_axis(axes, unit):
    axes.yaxis.set_major_formatter(ticker.EngFormatter(sep="\N{THIN SPACE}"))
    axes.set_ylabel(unit.replace("/s", " per second"))


def machine_line(found):
    """Where and from what the figure was measured; what a result does not say is left out. Hosts that are alike are
    described once."""
    hosts = {}
    for result in found:
        hosts.setdefault(result["machine"].get("host_id"), []).append(result)
    if len(hosts) == 1:
        return _machine_line(found)
    alike = {}
    for of_host in hosts.values():
        names = alike.setdefault(_machine_line(of_host), [])
        names.append(host_title(of_host[0]))
    said = [f"host {', '.join(names)}" if len(names) == 1 else f"{len(names)} hosts, {', '.join(sorted(names))}" for names in alike.values()]
    return "; ".join(f"{names}: {line}" for names, line in zip(said, alike))


def _machine_line(found):
    machine, build = found[0]["machine"], found[0]["muster"]
    file_systems = sorted({r["machine"]["file_system"] for r in found if r["machine"].get("file_system")})
    count = lambda n, what: f"{n} {what}" + ("" if n == 1 else "s")  # noqa: E731
    cores, nodes = machine.get("cores"), machine.get("numa_nodes")
    parts = [
        machine.get("cpu_model") or machine.get("architecture"),
        count(machine["processing_units"], "processing unit") + (f" on {count(cores, 'core')}" if cores else ""),
        count(nodes, "NUMA node") if nodes else None,
        "virtual machine" if machine.get("hypervisor") else None,
        "data on " + ", ".join(file_systems) if file_systems else None,
        machine.get("kernel"),
        " ".join(build[key] for key in ("compiler", "build_type") if key in build),
        f"{build['sanitizer']} sanitizer, not for figures" if build.get("sanitizer") else None,
        dates(found),
        "commit " + commit(build["git_commit"]),
    ]
    return ", ".join(part for part in parts if part)


def dates(found):
    days = sorted({r["time"][:10] for r in found if "time" in r})
    return " to ".join(dict.fromkeys([*days[:1], *days[-1:]]))


def commit(name):
    return name[:12] + (" with changes" if name.endswith("-dirty") else "")


def windows_line(groups):
    least = min(g.windows()[0] for g in groups)
    most = max(g.windows()[1] for g in groups)
    number = str(most) if least == most else f"{least} to {most}"
    return f"Points: median of {number} windows; bars: first to third quartile."


def finish(figure, axes, caption, out):
    """Legend under the panels, caption under the legend; writes OUT.svg and OUT.png and returns their paths."""
    handles = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    labels = list(handles)
    longest_inches = 0.55 + 0.072 * max(map(len, labels), default=0)  # with its line, in the legend's font
    columns = max(1, min(len(labels), int(figure.get_figwidth() / longest_inches)))
    width = int(figure.get_figwidth() * 17.5)
    text = "\n".join(line for paragraph in caption for line in textwrap.wrap(paragraph, width))
    legend_inches = 0.19 * -(-len(labels) // columns) + 0.15 if labels else 0.1
    inches = legend_inches + 0.145 * (text.count("\n") + 1) + 0.1
    height = figure.get_figheight() + inches
    figure.set_figheight(height)
    figure.tight_layout(rect=(0, inches / height, 1, 1), w_pad=2.5)
    figure.legend(
        [handles[label] for label in labels],
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, inches / height),
        ncol=columns,
        fontsize=8,
        handlelength=2.4,
        columnspacing=1.4,
        borderaxespad=0.2,
    )
    figure.text(0.012, (inches - legend_inches) / height, text, fontsize=7, color="#555555", va="top", linespacing=1.35)
    return save(figure, out)


def caption_and_save(figure, caption, out):
    """The caption under what is there, which keeps its size and place; then as save()."""
    width = int(figure.get_figwidth() * 17.5)
    text = "\n".join(line for paragraph in caption for line in textwrap.wrap(paragraph, width))
    inches = 0.145 * (text.count("\n") + 1) + 0.1
    before = figure.get_figheight()
    height = before + inches
    figure.set_figheight(height)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, (box.y0 * before + inches) / height, box.width, box.height * before / height))
    for words in figure.texts:
        words.set_y((words.get_position()[1] * before + inches) / height)
    figure.text(0.012, inches / height, text, fontsize=7, color="#555555", va="top", linespacing=1.35)
    return save(figure, out)


ORNAMENT = "ornament"  # the gid of a line that repeats points of another: none of the figure's points
FORMATS = (".svg", ".png", ".pdf", ".csv")
COLUMN_INCHES, PAGE_INCHES = 3.33, 7.0  # a paper's column, and both of them
COLUMN_FITS = 6.5  # inches: what is wider on the screen takes both
FONT_MIN = 5  # points, in the PDF


def base_of(out):
    """The path that FORMATS are appended to."""
    base = Path(out)
    if base.suffix in FORMATS:
        return base.with_suffix("")
    if base.suffix[1:].lower() in FigureCanvasBase.filetypes:
        raise RequestError.of("--out", str(out), "a name without ending: FILE.svg, .png, .pdf and .csv are written")
    return base


def save(figure, out):
    """Writes OUT.svg, OUT.png, OUT.pdf at a paper's column width, and OUT.csv, its points; returns their paths."""
    base = base_of(out)
    svg, png, pdf, csv_file = paths = [base.parent / (base.name + suffix) for suffix in FORMATS]
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        # A date of its own would make two drawings of the same results differ.
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png)
        with open(csv_file, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("panel", "series", "x", "y", "low", "high"), *points_of(figure)])
        to_column(figure)
        figure.savefig(pdf, metadata={"CreationDate": None})
    except OSError as error:
        raise MachineError(f"--out = {out}: {error.strerror}; want a file that can be written") from error
    pyplot.close(figure)
    return paths


def to_column(figure):
    """Scales the figure to the width of a paper's column, or of both; no text becomes smaller than FONT_MIN."""
    width, height = figure.get_size_inches()
    factor = (COLUMN_INCHES if width <= COLUMN_FITS else PAGE_INCHES) / width
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            sizes = [label.get_fontsize() for label in axis.get_ticklabels()]
            if sizes:
                axis.set_tick_params(labelsize=max(FONT_MIN, factor * sizes[0]))
    for words in figure.findobj(text.Text):
        words.set_fontsize(max(FONT_MIN, factor * words.get_fontsize()))
    for drawn in figure.findobj(lambda artist: isinstance(artist, (lines.Line2D, collections.LineCollection))):
        drawn.set_linewidth(factor * numpy.max(drawn.get_linewidth()))
        if isinstance(drawn, lines.Line2D):
            drawn.set_markersize(factor * drawn.get_markersize())
    figure.set_size_inches(factor * width, factor * height)


def points_of(figure):
    """A row a point: panel, series, x, y, low and high of its bar; a cell of a table has its column and row as x and y."""
    for number, axes in enumerate(figure.axes, 1):
        panel = axes.get_title(loc="left") or axes.get_xlabel() or str(number)
        in_bars = set()
        for container in axes.containers:
            if isinstance(container, ErrorbarContainer) and container[0] is not None:
                in_bars.update((container[0], *container[1]))
                yield from ((panel, *row) for row in _bar_rows(container))
        for line in axes.lines:
            ornament = line in in_bars or line.get_gid() == ORNAMENT or line.get_label() == HOLLOW_MEANS
            if not ornament and line.get_transform() == axes.transData:
                yield from ((panel, _name(line), x, y, "", "") for x, y in zip(*line.get_data()))
        for image in axes.images:
            for row, values in enumerate(image.get_array()):
                yield from ((panel, f"row {row}", column, row, value, value) for column, value in enumerate(values))


def _bar_rows(container):
    line, _, bars = container
    xs = EXACT.get(line, line.get_xdata())
    segments = bars[0].get_segments() if bars else [()] * len(xs)
    for x, y, segment in zip(xs, line.get_ydata(), segments):
        # Along the axis in which the bar is long.
        ends = sorted(segment[:, 1] if numpy.ptp(segment[:, 1]) else segment[:, 0]) if len(segment) else ("", "")
        yield _name(container), x, y, ends[0], ends[-1]


def _name(line):  # or of a container
    return (line.get_label() or "").lstrip("_")
