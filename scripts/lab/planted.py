"""A slowdown that is really there: an append and a commit that burn time, compiled into a build of its own.

The source of a commit is changed in the worktree where it is built: the publish() of `border_collie`, and the engine's
commit, call a loop. Its length comes from the environment, so that one executable serves for every slowdown; a build
that is not planted holds nothing of it. An append takes about 10 ns, of which 3 % is a cycle: so the loop runs once in
BURN_EVERY appends, and as many times longer.
"""

import re

BURN_EVERY = {"append": 64, "commit": 1}
_HEADER = """#pragma once
#include <cstdlib>
namespace muster::planted {
inline unsigned long loops_from(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : std::strtoul(value, nullptr, 10);
}
inline void burn(unsigned long loops) {
  for (unsigned long i = 0; i < loops; ++i) asm volatile("");
}
inline const unsigned long append_loops = loops_from("MUSTER_PLANTED_APPEND");
inline const unsigned long commit_loops = loops_from("MUSTER_PLANTED_COMMIT");
inline thread_local unsigned appends = 0, commits = 0;
}  // namespace muster::planted
"""
_PLACES = {
    "append": ("algorithms/border_collie.h", r"void publish\(WorkerId[^;{}]*\) \{"),
    "commit": ("engine/txn/transaction_session.cpp", r"bool TransactionSession::commit\(Callback[^;{}]*\) \{"),
}


def environment(path, loops):
    """What makes a planted executable burn so many loops in "append" or "commit"."""
    return {f"MUSTER_PLANTED_{path.upper()}": str(loops)}


def plant(tree):
    """Changes the source in a worktree."""
    (tree / "algorithms/planted.h").write_text(_HEADER, encoding="utf-8")
    for path, (name, pattern) in _PLACES.items():
        every = BURN_EVERY[path]
        call = f"\n    if (++planted::{path}s % {every} == 0) planted::burn(planted::{path}_loops);"
        text = (tree / name).read_text(encoding="utf-8")
        changed, places = re.subn(pattern, lambda found: found.group() + call, text)
        if places != 1:
            raise ValueError(f"{name}: {places} places match {pattern}: want one; mend lab/planted.py")
        changed = changed.replace("#include", '#include "algorithms/planted.h"\n#include', 1)
        (tree / name).write_text(changed, encoding="utf-8")
