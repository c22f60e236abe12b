#!/usr/bin/python3
"""What an append costs beside a control: every algorithm's share of its throughput, a panel a number of threads."""

import benchmark_files
import style
from matplotlib import pyplot

from lab import results
from lab.wording import two_digits

COLUMNS_MAX = 3
BEST = 1.1  # colours end here, or a few that come far above would leave none for the rest
SPREAD_LETTERS = 11  # that a cell has room for


def draw_panel(axes, of_panel, algorithms, sizes, known):
    """A cell an algorithm and record size: median, quartiles below it."""
    shares = [[of_panel.get((algorithm, size)) for size in sizes] for algorithm in algorithms]
    medians = [[share["median"] if share else float("nan") for share in row] for row in shares]
    image = axes.imshow(medians, cmap=style.HEAT, vmin=0, vmax=BEST, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            if share is None:
                continue
            colour = "white" if share["median"] < 0.55 * BEST else "black"
            axes.text(x, y - 0.12, two_digits(share["median"]), ha="center", va="center", fontsize=8, color=colour)
            spread = f"{two_digits(share['q1'])}\N{EN DASH}{two_digits(share['q3'])}"
            size = 4.8 * min(1, SPREAD_LETTERS / len(spread))
            axes.text(x, y + 0.27, spread, ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_yticks(range(len(algorithms)), [known.title(name) for name in algorithms])
    axes.set_xlabel("bytes a record")
    axes.grid(False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


# What the caption says of each control that shares may be of: title, what it is the limit of.
CONTROLS = {
    "bound": (
        "Bound (fetch-add and copy, no tracking)",
        "Bound's own tell how far the machine is to be trusted. Algorithms that take space without a fetch-add a record may exceed it.",
    ),
    "copy": (
        "Copy (each worker into slices of its own, which go round the ring; nothing is shared)",
        "Copy is the limit of copying; Copy and count adds a counter, whose value no worker waits for, Copy side by side puts the workers' "
        "records next to each other and counts nothing, and Bound does both: what it loses to each is what the other one costs.",
    ),
}


def draw(shares, context, out):
    units = int(context["processing_units"])
    control = context["of"]
    if control != "bound":
        shares = [{**share, **share[control]} for share in shares if control in share]
    if not shares:
        raise results.ResultError(f"--of = {control}: no such control in the files: want one that was measured beside the others")
    threads = sorted({share["threads"] for share in shares})
    sizes = sorted({share["bytes"] for share in shares})
    # `null` does nothing: many times `bound`, and no share of it.
    algorithms = context["known"].in_order({share["algorithm"] for share in shares} - {"null"})
    if not algorithms:
        raise results.ResultError("holds no algorithm beside null: want those to compare")
    columns = min(len(threads), COLUMNS_MAX)
    rows = -(-len(threads) // columns)
    height = 0.9 + 0.33 * len(algorithms)
    figure, panels = pyplot.subplots(
        rows, columns, figsize=(1.6 + 3.1 * columns, height * rows), squeeze=False, sharey=True
    )
    for unused in list(panels.flat)[len(threads) :]:
        unused.set_visible(False)
    for axes, count in zip(panels.flat, threads):
        of_panel = {(s["algorithm"], s["bytes"]): s for s in shares if s["threads"] == count}
        draw_panel(axes, of_panel, algorithms, sizes, context["known"])
        over = ", oversubscribed" if count > units else ""
        axes.set_title(f"{count} thread{'' if count == 1 else 's'}{over}")
    caption = [
        f"Appended bytes per second as a share of {CONTROLS[control][0]}. "
        + benchmark_files.count_line(shares, "Large")
        + "; small: first and third quartile. "
        + CONTROLS[control][1],
        context["placement"].split(" advance: ")[0].replace("append: ", "Placement: "),
        benchmark_files.machine_line(context),
    ]
    return style.finish(figure, [], caption, out)


if __name__ == "__main__":
    of = {"choices": list(CONTROLS), "default": "bound", "help": "the control that shares are of: bound, or copy, which is copy_rotating"}
    benchmark_files.main("append_shares", __doc__, "shares", draw, of=of)
