#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"

namespace muster::rivals {

/// What all systems are asked for. What a system has no word for it says in Store::settings().
struct StoreOptions {
  std::filesystem::path directory;  ///< empty, or not there yet
  std::size_t memtable_bytes = std::size_t{64} << 20;
  std::size_t cache_bytes = std::size_t{64} << 20;  ///< of decompressed blocks
  std::uint32_t bloom_bits = 10;                    ///< a key; 0: no filters
  bool sync = false;                                ///< a put returns once it is on the disk
  std::uint32_t threads = 1;                        ///< clients at a time
  std::string isolation = "snapshot";               ///< Muster's; the others have none
};

/// How one thread uses a store. Throws std::runtime_error with what the system said.
class Client {
 public:
  virtual ~Client() = default;
  /// Whether the key is there or not.
  virtual void put(Bytes key, Bytes value) = 0;
  virtual bool get(Bytes key, std::vector<std::byte>& value) = 0;
  /// Reads so many records from the key on, keys and values. Returns how many there were.
  virtual std::size_t scan(Bytes from, std::size_t count) = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  /// Any thread; used by the thread that asked for it. The store outlives it.
  virtual std::unique_ptr<Client> client() = 0;
  /// What the system was told, in its own words, with its version.
  virtual nlohmann::json settings() const = 0;
  /// Bytes that it says it has written, by cause; empty where it does not say.
  virtual nlohmann::json written() const = 0;
  /// Ends the store; errors are thrown.
  virtual void close() = 0;
};

std::unique_ptr<Store> open_muster(const StoreOptions& options);
std::unique_ptr<Store> open_rocksdb(const StoreOptions& options);
std::unique_ptr<Store> open_leveldb(const StoreOptions& options);

}  // namespace muster::rivals
