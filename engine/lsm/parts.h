#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <vector>

#include "engine/types.h"

namespace muster::lsm {

/// What there is of an LSM tree at one moment. Immutable once readers can find it.
template <class Parts>
struct View {
  struct Held {
    typename Parts::Memtable* memtable = nullptr;
    /// Its records begin at this LSN or above; records below it lie in older memtables and in tables.
    Lsn lower = 0;
  };

  std::array<Held, Parts::kMemtables> memtables{};  ///< the active one first, then from new to old
  std::uint32_t count = 0;                          ///< of them, 1 at least
  typename Parts::Tables tables{};
  /// Coordination's own: a list of those that wait to be freed.
  mutable const View* replaced_before = nullptr;
};

/// What a Coordination asks of memtables, table files and the manifest.
///
/// Types      Memtable   what writes go to; its own business how many threads insert and read at a time
///            Table      a table file that is open
///            Tables     which there are, in what order or levels: a value, copied with every change of the view
///            Job        a compaction: `inputs` and `outputs`, ranges of Table*, and whatever else it needs to know
///            kMemtables how many memtables there may be at a time, the active one among them; 2 at least
/// Calls      reserved()         an LSN that no record which is appended after the call begins below: the end of what the
///                               log has reserved. Of the redo at restart: below which all records have been redone
///            make_memtable()    an empty one
///            write_table(m)     a file with the memtable's entries; null where it has none. No write goes on in it
///            sync(table)        returns once the file's content and name are on the disk
///            pick(tables, busy) a compaction, without the tables in `busy`; no inputs: there is nothing to do. Quick: the
///                               view cannot change meanwhile
///            merge(job)         writes job.outputs from job.inputs
///            edit(table)        the manifest has a table more; returns once that is on the disk. One edit at a time
///            edit(job)          in one step, it has job.outputs and not job.inputs
///            tables.add(t)      the table of a memtable: newer than every table that is there
///            tables.replace(job)  the outputs take the place of the inputs: what was newer or older stays so
///            keep(view)         a copy on the heap, until discard(view)
///            discard(...)       a view, memtable or table that no thread uses any more: memory is freed, the file removed
/// Any thread calls; two calls for the same memtable or table never overlap, unless both only read it.
template <class P>
concept LsmParts = requires(P parts, typename P::Memtable* memtable, const typename P::Memtable& full,
                            typename P::Table* table, typename P::Tables tables,
                            const typename P::Tables& there,
                            const std::vector<const typename P::Table*>& busy, typename P::Job job,
                            const View<P>& view) {
  requires P::kMemtables >= 2;
  { parts.reserved() } -> std::same_as<Lsn>;
  { parts.make_memtable() } -> std::same_as<typename P::Memtable*>;
  { parts.write_table(full) } -> std::same_as<typename P::Table*>;
  { parts.pick(there, busy) } -> std::same_as<typename P::Job>;
  { parts.keep(view) } -> std::same_as<const View<P>*>;
  parts.sync(*table);
  parts.merge(job);
  parts.edit(*table);
  parts.edit(job);
  tables.add(*table);
  tables.replace(job);
  parts.discard(&view);
  parts.discard(memtable);
  parts.discard(table);
};

}  // namespace muster::lsm
