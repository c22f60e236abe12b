"""Amounts and titles, as tables and figures have them."""


def amount(value):
    """Three digits and a unit prefix."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g}"


def two_digits(share):
    """Two that count, at least."""
    if share >= 10:
        return amount(share)
    return f"{share:.2f}" if share >= 0.1 or share == 0 else f"{share:.2g}"


def title(group):
    return group.title or title_of(group.configuration)


def title_of(c):
    """Of the configuration of results from before the executable wrote a title."""
    try:
        if c["workload"] == "append":
            return f"append, records of {c['append']['bytes']} bytes"
        y = c["ycsb"]
        skew = f"zipf {y['theta']}" if y["distribution"] == "zipf" else "uniform"
        return (
            f"YCSB {y['mix']}, {y['records']} records of {y['value_bytes']} bytes, {skew}, {y['operations']} operation"
            f"{'s' if y['operations'] > 1 else ''} a transaction, {c['engine']['policy']}, log on {c['log']['device']}"
        )
    except (KeyError, TypeError):  # what is absent is unknown
        return c["workload"]
