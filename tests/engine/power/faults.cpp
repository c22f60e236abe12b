#include "tests/engine/power/faults.h"

#include <algorithm>

namespace muster::power {
namespace {

using Kind = Event::Kind;

bool is_segment(const std::string& name) {
  return name.ends_with(".log");
}
bool is_new_segment(const std::string& name) {
  return name.ends_with(".log.new");
}
bool is_replacement(const std::string& name) {
  return name.ends_with("master.new") || name.ends_with("catalogue.new");
}
bool is_table(const std::string& name) {
  return name.ends_with(".table");
}
bool is_lsm_file(const std::string& name) {
  return name.ends_with(".sst");
}
bool is_manifest(const std::string& name) {
  return name.ends_with("/MANIFEST");
}
bool is_new_manifest(const std::string& name) {
  return name.ends_with("/MANIFEST.new");
}
bool is_lsm_directory(const std::string& name) {
  return name.ends_with(".lsm");
}
bool is_area(const std::string& name) {
  return name.ends_with("doublewrite");
}

/// The last change of names in the directory that is synced at `place`.
const Event* last_change(const Trace& trace, std::size_t place) {
  for (std::size_t before = place; before-- > 0;) {
    if (changes_names(trace[before].kind) && parent_of(trace[before].name) == trace[place].name)
      return &trace[before];
  }
  return nullptr;
}

/// Whether it syncs a directory whose last change is one of these.
bool follows_a(Kind kind, bool (*is_one)(const std::string&), const Trace& trace, std::size_t place) {
  if (trace[place].kind != Kind::sync_directory) return false;
  const Event* const change = last_change(trace, place);
  return change != nullptr && change->kind == kind && is_one(change->name);
}

/// Whether the log goes on in another segment behind this sync.
bool is_the_segments_last(const Trace& trace, std::size_t place) {
  const Event& sync = trace[place];
  for (std::size_t next = place + 1; next < trace.size(); ++next) {
    if ((trace[next].kind == Kind::write || trace[next].kind == Kind::sync) && is_segment(trace[next].name))
      return trace[next].file != sync.file;
  }
  return false;
}

bool was_written(const Trace& trace, std::size_t place) {
  return std::any_of(
      trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(place),
      [&](const Event& event) { return event.file == trace[place].file && changes_a_file(event.kind); });
}

}  // namespace

const std::vector<Fault>& faults() {
  static const std::vector<Fault> all{
      {"sync_does_nothing", "a sync of the log does nothing", TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name);
       }},
      {"tables_not_synced", "flush_all does not sync the tables", TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_table(trace[at].name);
       }},
      {"copies_not_synced", "pages are written to their places before their copies are durable",
       TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_area(trace[at].name);
       }},
      {"replacement_not_synced", "replace_file does not sync the new file", TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_replacement(trace[at].name);
       }},
      {"replaced_name_not_synced", "replace_file does not sync the directory", TableMix::btree,
       [](const Trace& trace, std::size_t at) { return follows_a(Kind::rename, is_replacement, trace, at); }},
      {"segment_header_not_synced", "a segment gets its name before its header is synced", TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_new_segment(trace[at].name);
       }},
      {"segment_name_not_synced", "a segment's directory is not synced when it gets its name",
       TableMix::btree,
       [](const Trace& trace, std::size_t at) { return follows_a(Kind::rename, is_new_segment, trace, at); }},
      {"full_segment_not_synced", "a full segment is not synced before its successor is written",
       TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name) && is_the_segments_last(trace, at);
       }},
      {"opening_syncs_nothing", "an opening does not sync the segments that it found", TableMix::btree,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name) && !was_written(trace, at);
       }},
      {"new_table_not_synced",
       "create_table does not sync the directory before the catalogue names the table", TableMix::btree,
       [](const Trace& trace, std::size_t at) { return follows_a(Kind::create, is_table, trace, at); }},
      {"lsm_file_not_synced", "a manifest names a file of a tree that is not synced", TableMix::lsm,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_lsm_file(trace[at].name);
       }},
      {"lsm_file_name_not_synced", "a manifest names a file whose directory is not synced", TableMix::lsm,
       [](const Trace& trace, std::size_t at) { return follows_a(Kind::create, is_lsm_file, trace, at); }},
      {"lsm_edit_not_synced", "an edit of a manifest is not synced", TableMix::lsm,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_manifest(trace[at].name);
       }},
      {"lsm_new_manifest_not_synced", "a new manifest gets its name before it is synced", TableMix::lsm,
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_new_manifest(trace[at].name);
       }},
      {"lsm_manifest_name_not_synced", "the directory is not synced when a new manifest gets its name",
       TableMix::lsm,
       [](const Trace& trace, std::size_t at) {
         return follows_a(Kind::rename, is_new_manifest, trace, at);
       }},
      {"lsm_directory_not_synced",
       "create_table does not sync the database's directory before the catalogue names the tree",
       TableMix::lsm,
       [](const Trace& trace, std::size_t at) {
         return follows_a(Kind::make_directory, is_lsm_directory, trace, at);
       }},
  };
  return all;
}

void plant(const Fault& fault, Trace& trace) {
  std::vector<std::size_t> dropped;
  for (std::size_t place = 0; place < trace.size(); ++place) {
    if (fault.drops(trace, place)) dropped.push_back(place);
  }
  for (const std::size_t place : dropped) trace[place].kind = Kind::nothing;
}

}  // namespace muster::power
