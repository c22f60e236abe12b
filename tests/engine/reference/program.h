#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "engine/isolation.h"
#include "engine/lsm/lsm_options.h"
#include "engine/types.h"

namespace muster::reference {

/// What a program may do. A change, a read or a savepoint outside a transaction begins one. What makes no sense where it stands,
/// such as a commit outside a transaction, does nothing: so a program stays one whatever is taken out of it.
enum class Kind : std::uint8_t {
  begin,  ///< number: how its commit is acknowledged
  insert,
  update,
  remove,
  find,
  find_for_update,
  scan,       ///< from the key on; number: rows at most, 0 for all
  increment,  ///< by number, at offset 0
  append,
  modify,           ///< turns the value round
  compare_and_set,  ///< an even number expects what is there, an odd one something else
  savepoint,
  roll_back,  ///< number: to which of the savepoints, modulo how many there are
  commit,
  abort,
  snapshot,       ///< number: the slot, here and below; a snapshot that is there stays
  snapshot_find,  ///< number: the slot
  snapshot_scan,  ///< number: the slot
  snapshot_end,
  checkpoint,
  flush_log,
  compare,    ///< the whole content
  close,      ///< what is open is aborted; the database is checked, closed and opened again
  kill,       ///< kill -9 at this place; the database is opened again
  kill_soon,  ///< kill -9 within `number` microseconds, wherever the program is by then
};
inline constexpr std::uint32_t kSnapshots = 4;

struct Operation {
  Kind kind = Kind::compare;
  std::uint32_t key = 0;     ///< of Program::keys
  std::uint32_t number = 0;  ///< names a value (value_of()), or what the kind says
};

/// Under what a program runs. Small memtables, log segments and caches: everything happens all the time.
struct Setting {
  TableKind table = TableKind::btree;
  Isolation level = Isolation::snapshot;
  lsm::LsmOptions lsm;
};

struct Program {
  Setting setting;
  std::vector<std::string> keys;
  std::vector<Operation> operations;
};

/// Every choice follows from the seed: settings, keys, operations. `keys`: how many; 0: that, too.
Program make_program(TableKind table, std::uint64_t seed, std::size_t operations, std::size_t keys);

/// From empty ones to some that are too long.
std::string value_of(std::uint32_t number);

/// Two digits a byte; "-" for none.
std::string hex(std::string_view bytes);

/// One line for the setting, one for each operation. parse() reads what print() writes, and throws std::invalid_argument.
void print(std::ostream& to, const Program& program);
std::string text_of(const Program& program, const Operation& operation);
Program parse(std::istream& from);

}  // namespace muster::reference
