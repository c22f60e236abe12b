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

bool follows_a_rename_of(bool (*is_one)(const std::string&), const Trace& trace, std::size_t place) {
  if (trace[place].kind != Kind::sync_directory) return false;
  const Event* const change = last_change(trace, place);
  return change != nullptr && change->kind == Kind::rename && is_one(change->name);
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
      {"sync_does_nothing", "a sync of the log does nothing",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name);
       }},
      {"tables_not_synced", "flush_all does not sync the tables",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_table(trace[at].name);
       }},
      {"copies_not_synced", "pages are written to their places before their copies are durable",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_area(trace[at].name);
       }},
      {"replacement_not_synced", "replace_file does not sync the new file",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_replacement(trace[at].name);
       }},
      {"replaced_name_not_synced", "replace_file does not sync the directory",
       [](const Trace& trace, std::size_t at) { return follows_a_rename_of(is_replacement, trace, at); }},
      {"segment_header_not_synced", "a segment gets its name before its header is synced",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_new_segment(trace[at].name);
       }},
      {"segment_name_not_synced", "a segment's directory is not synced when it gets its name",
       [](const Trace& trace, std::size_t at) { return follows_a_rename_of(is_new_segment, trace, at); }},
      {"full_segment_not_synced", "a full segment is not synced before its successor is written",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name) && is_the_segments_last(trace, at);
       }},
      {"opening_syncs_nothing", "an opening does not sync the segments that it found",
       [](const Trace& trace, std::size_t at) {
         return trace[at].kind == Kind::sync && is_segment(trace[at].name) && !was_written(trace, at);
       }},
      {"new_table_not_synced",
       "create_table does not sync the directory before the catalogue names the table",
       [](const Trace& trace, std::size_t at) {
         if (trace[at].kind != Kind::sync_directory) return false;
         const Event* const change = last_change(trace, at);
         return change != nullptr && change->kind == Kind::create && is_table(change->name);
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
