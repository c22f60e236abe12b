"""Whose result it is: the build and the machine behind it, and how two of them differ."""

# What tells builds and machines apart. host_id and build_id are not in results from before they were written.
BUILD = ("build_id", "git_commit", "version", "compiler", "flags", "build_type", "allocator", "sanitizer")
MACHINE = ("host_id", "cpu_model", "processing_units", "numa_nodes", "kernel")


def difference(one, other):
    """What two results differ in: (what, key, one's value, the other's), or None. A key that a side lacks is unknown."""
    for what, section, keys in (("build", "muster", BUILD), ("machine", "machine", MACHINE)):
        for key in keys:
            values = [result[section].get(key) for result in (one, other)]
            if None not in values and values[0] != values[1]:
                return what, key, *values
    return None


def says_its_build(result):
    """Does it name one executable? A commit with changes, or none, may be of several."""
    build = result["muster"]
    commit = build["git_commit"]
    return bool(build.get("build_id")) or not (commit == "unknown" or commit.endswith("-dirty"))
