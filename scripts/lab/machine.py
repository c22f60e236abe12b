"""Whose result it is: the build and the machine behind it, and how two of them differ."""

# What tells builds and machines apart. host_id and build_id are not in results from before they were written.
BUILD = ("build_id", "git_commit", "version", "compiler", "flags", "build_type", "allocator", "sanitizer")
MACHINE = ("host_id", "cpu_model", "processing_units", "numa_nodes", "kernel")
MODEL = tuple(key for key in MACHINE if key != "host_id")
KINDS = (("build", "muster", BUILD), ("machine", "machine", MACHINE), ("model", "machine", MODEL))


def difference(one, other, of=("build", "machine")):
    """What two results differ in: (what, key, one's value, the other's), or None. A key that a side lacks is unknown.
    `of` says what counts; of a `model`, hosts that differ in nothing else are alike."""
    for what, section, keys in KINDS:
        if what not in of:
            continue
        for key in keys:
            values = [result[section].get(key) for result in (one, other)]
            if None not in values and values[0] != values[1]:
                return what, key, *values
    return None


GROUPINGS = ("host", "model")  # of --group-by; without it, all is of one machine


def want(one_key):
    """What would do where results of several machines lie together and differ in this key first."""
    alike = ", or --group-by model where the hosts are alike" if one_key == "host_id" else ""
    return f"one, or --group-by host to have each apart{alike}"


def with_host(result):
    """The result with `host` as a key of its configuration."""
    return {**result, "configuration": {**result["configuration"], "host": host_of(result)}}


def host_of(result):
    """As people read it: the start of its id."""
    return (result["machine"].get("host_id") or "unknown")[:8]


def host_title(result):
    """With its name, where the result says it."""
    name = result["machine"].get("host_name")
    return host_of(result) + (f" ({name})" if name else "")


def says_its_build(result):
    """Does it name one executable? A commit with changes, or none, may be of several."""
    build = result["muster"]
    commit = build["git_commit"]
    return bool(build.get("build_id")) or not (commit == "unknown" or commit.endswith("-dirty"))
