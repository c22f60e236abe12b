#!/usr/bin/python3
"""Mutants of the engine's durability: what power_loss must find out.

Each is one source of the engine with a place changed; it is linked before the library, whose own is left out
then. A place that is not there exactly once is an error, so that a mutant cannot silently become the original.
Those whose name begins with lsm_ are found where tables are LSM trees, the others where they are B+ trees.
Faults that are an operation left out need no source: faults.cpp.
"""

import argparse
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass
class Mutant:
    name: str
    what: str
    source: str
    old: str
    new: str

    @property
    def path(self):
        return f"{self.name}/{pathlib.Path(self.source).name}"

    def text(self):
        text = (ROOT / self.source).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.source} has this {text.count(self.old)} times, want once: {self.old!r}")
        return text.replace(self.old, self.new)


MUTANTS = [
    Mutant(
        "acknowledged_before_sync",
        "a commit is acknowledged when it is written; the next flush syncs it",
        "engine/log/flusher.cpp",
        "    put_on_device(begin, end);\n    device_.sync();\n",
        "    device_.sync();\n    put_on_device(begin, end);\n",
    ),
    Mutant(
        "page_before_log",
        "a page is evicted before the log that says why is durable",
        "engine/storage/eviction.cpp",
        "  if (batch.lsn() > 0) flush_log_(batch.lsn());  // the WAL rule, once for all and while none is latched\n",
        "",
    ),
    Mutant(
        "copies_not_kept",
        "a page is written to its place and its copy nowhere else before",
        "engine/storage/buffer_manager.cpp",
        "  return double_write_->keep(batch);\n",
        "  return {};\n",
    ),
    Mutant(
        "page_checksum_not_looked_at",
        "a page that is read from a file is taken for whole, whatever its checksum is",
        "engine/storage/page_checksum.cpp",
        "  return word == checksum_word(page, table, number);\n",
        "  return checksum_word(page, table, number) != 0;\n",
    ),
    Mutant(
        "undo_next_lost",
        "a compensation record does not say what is to be undone after it",
        "engine/txn/undo.cpp",
        "  undo_next_ = undo_next;\n",
        "  static_cast<void>(undo_next);\n",
    ),
    Mutant(
        "checksum_not_looked_at",
        "a record's checksum is not looked at",
        "engine/log/record_codec.cpp",
        "  if (header.crc != finish(summed, {incarnation, lsn, header.previous, header.size})) return std::nullopt;\n",
        "  static_cast<void>(summed);\n  static_cast<void>(incarnation);\n",
    ),
    Mutant(
        "master_before_tables",
        "the master is written before the tables are",
        "engine/database.cpp",
        "  buffers_.flush_all();\n  master.write(master_path());\n",
        "  master.write(master_path());\n  buffers_.flush_all();\n",
    ),
    Mutant(
        "checkpoint_before_tables",
        "a checkpoint writes the master before the tables are written",
        "engine/database.cpp",
        "  buffers_.flush_all();\n  engine_->throw_if_failed();\n  master.write(master_path());\n",
        "  engine_->throw_if_failed();\n  master.write(master_path());\n  buffers_.flush_all();\n",
    ),
    Mutant(
        "checkpoint_forgets_the_running",
        "a checkpoint keeps the log from its own beginning, whatever runs beside it",
        "engine/database.cpp",
        "std::min(master.redo_begin, engine_->active.oldest())",
        "master.redo_begin",
    ),
    Mutant(
        "table_before_log",
        "create_table does not flush the log before the catalogue names the table",
        "engine/database.cpp",
        "  log_->flush(creation.end());\n",
        "",
    ),
    Mutant(
        "segment_removed_early",
        "segments are removed before the master says that nobody needs them",
        "engine/database.cpp",
        "  const Lsn log_begin = log_->reserved();\n  log_->flush(log_begin);\n",
        "  const Lsn log_begin = log_->reserved();\n  log_->flush(log_begin);\n  log_->remove_below(log_begin);\n",
    ),
    Mutant(
        "order_of_a_page_lost",
        "redo gives a page's changes to its workers in turn",
        "engine/txn/redo_workers.cpp",
        "  return *workers_[(hash >> 32) % workers_.size()];\n",
        "  static_cast<void>(hash);\n  return *workers_[added_ % workers_.size()];\n",
    ),
    Mutant(
        "lsm_flush_before_log",
        "a memtable's file is written before the log that says why is durable",
        "engine/lsm/tree_parts.cpp",
        "  surroundings_.flush_log(std::max(memtable.greatest_lsn(), flushed_to_));\n",
        "",
    ),
    Mutant(
        "lsm_flushed_above_the_log",
        "a manifest says flushed of an LSN that the log on the disk has not reached",
        "engine/lsm/tree_parts.cpp",
        "  surroundings_.flush_log(std::max(memtable.greatest_lsn(), flushed_to_));\n",
        "  surroundings_.flush_log(memtable.greatest_lsn());\n",
    ),
    Mutant(
        "lsm_checkpoint_before_flush",
        "a checkpoint lets the log go before the memtables are in files",
        "engine/database.cpp",
        "  master.redo_begin = std::min(master.redo_begin, lsm_.write_back());\n",
        "",
    ),
    Mutant(
        "lsm_master_before_flush",
        "the master says that the log is not needed before the memtables are in files",
        "engine/database.cpp",
        "  if (lsm_.write_back() < log_begin) throw std::logic_error(\"a tree needs the log from below its end\");\n",
        "",
    ),
    Mutant(
        "lsm_inputs_removed_early",
        "a compaction removes its inputs before the edit that replaces them is durable",
        "engine/lsm/level_store.cpp",
        "  apply(std::move(edit), tables);\n  if (compaction.moves) {\n",
        "  if (!compaction.moves) {\n"
        "    for (const TablePtr& table : compaction.inputs) remove_file(table_path(directory_, table->info().number));\n"
        "  }\n"
        "  apply(std::move(edit), tables);\n  if (compaction.moves) {\n",
    ),
    Mutant(
        "lsm_edit_checksum_not_looked_at",
        "a record of a manifest is taken for whole, whatever its checksum is",
        "engine/lsm/manifest.cpp",
        "  if (header.crc != checksum(offset, header.bytes, payload)) return std::nullopt;\n",
        "",
    ),
    Mutant(
        "lsm_manifest_not_made_anew",
        "an opening takes for durable what the page cache shows of a manifest",
        "engine/lsm/manifest.cpp",
        "  if (!rewrite()) {\n",
        "  file_ = File::open(directory_ / kName, O_RDWR);\n  state_bytes_ = end_;\n  if (end_ == 0) {\n",
    ),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--list", action="store_true", help="the files that --write makes, one a line")
    group.add_argument("--write", metavar="DIR", help="write the sources there; what is right already is not touched")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(mutant.path for mutant in MUTANTS))
        return 0
    try:
        sources = {mutant.path: mutant.text() for mutant in MUTANTS}
    except ValueError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    for path, text in sources.items():
        file = pathlib.Path(arguments.write) / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
