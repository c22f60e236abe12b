"""Algorithms as tables and figures show them: titles, and the order of `muster list`. Both come from the documents."""

import math

# Those that put no log together: they find no boundary, and the last three are measured beside appends alone.
WITHOUT_LOG = ("null", "copy_rotating", "copy_counted", "copy_interleaved")
CONTROLS = (*WITHOUT_LOG, "bound")
# What shares are of: what it is called, and the control.
SHARES_OF = {"Bound": "bound", "Copy": "copy_rotating"}


class Algorithms:
    """What documents say of algorithms. One of which they say nothing has its name as its title, and comes last."""

    def __init__(self, described=()):
        """`described` are (name, {"title": ..., "place": ..., "unsafe": ..., ...}) in any order."""
        self._known = {name: about for name, about in described if about}

    @classmethod
    def of_results(cls, found):
        return cls((result["configuration"]["algorithm"], result.get("algorithm")) for result in found)

    @classmethod
    def of_list(cls, listed):
        """`listed` is what `muster list --json` prints."""
        return cls((about["name"], {**about, "place": place}) for place, about in enumerate(listed))

    def title(self, name):
        return self._known.get(name, {}).get("title", name)

    def is_usable(self, name):
        """Whether an engine accepts it."""
        about = self._known.get(name, {"unsafe": name in CONTROLS})
        return not about.get("unsafe") and not about.get("stalls_on_idle")

    def in_order(self, names):
        def place(name):
            return self._known.get(name, {}).get("place", -1 if name in CONTROLS else math.inf)

        return sorted(names, key=lambda name: (place(name), name))
