#!/usr/bin/python3
"""Mutants of tables and transactions: what reference_loop must find out, and shrink to a few operations.

As tests/engine/power/mutants.py, whose command line this has.
"""

import importlib.util
import pathlib
import sys

spec = importlib.util.spec_from_file_location("mutants", pathlib.Path(__file__).parents[1] / "power/mutants.py")
mutants = importlib.util.module_from_spec(spec)
sys.modules["mutants"] = mutants
spec.loader.exec_module(mutants)

mutants.MUTANTS = [
    mutants.Mutant(
        "removals_dropped_early",
        "a compaction drops a removal although a file that is no input may hold what it hides",
        "engine/lsm/compaction.cpp",
        "!entry.tombstone || older.may_be_hidden_by(entry) || !may_drop(entry)",
        "!entry.tombstone || (static_cast<void>(older), !may_drop(entry))",
    ),
    mutants.Mutant(
        "removals_not_redone",
        "redo puts an empty value where the log has a removal",
        "engine/lsm/lsm_table.cpp",
        "      entry.tombstone = change.kind == ChangeKind::remove;\n",
        "",
    ),
    mutants.Mutant(
        "older_memtable_first",
        "a look-up takes the entry of an older memtable before that of a newer one",
        "engine/lsm/lsm_table.cpp",
        "view.memtables[i].memtable->find(key)",
        "view.memtables[view.count - 1 - i].memtable->find(key)",
    ),
    mutants.Mutant(
        "savepoint_too_far",
        "a transaction that goes back to a savepoint takes the change before it back, too",
        "engine/txn/transaction_session.cpp",
        "    take_back(undo, savepoint.changes);\n",
        "    take_back(undo, savepoint.changes == 0 ? 0 : savepoint.changes - 1);\n",
    ),
]

if __name__ == "__main__":
    sys.exit(mutants.main())
