#include <stdexcept>

#include "tests/engine/reference/reference.h"

// Where RocksDB is not installed: no command line asks for it then.

namespace muster::reference {

std::unique_ptr<Reference> make_rocksdb_reference(const std::filesystem::path&) {
  throw std::runtime_error("this was built without RocksDB");
}

}  // namespace muster::reference
