#include "algorithms/registry.h"

#include <utility>
#include <vector>

#include "algorithms/all.h"

namespace muster {
namespace {

/// Puts the virtual interface before an algorithm's template. Written once for all of them.
template <LogBufferAlgorithm A>
class Adapter final : public LogBuffer {
 public:
  explicit Adapter(const LogBufferOptions& options) : algorithm_(options) {}

  WorkerId attach() override { return algorithm_.attach(); }
  void detach(WorkerId worker) override { algorithm_.detach(worker); }
  Reservation reserve(WorkerId worker, std::uint32_t size) override {
    return algorithm_.reserve(worker, size);
  }
  void publish(WorkerId worker, const Reservation& r) override { algorithm_.publish(worker, r); }
  Lsn advance() override { return algorithm_.advance(); }
  Lsn boundary() const override { return algorithm_.boundary(); }
  Lsn reserved() const override { return algorithm_.reserved(); }
  void recycle(Lsn upto) override { algorithm_.recycle(upto); }
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const override { return algorithm_.bytes(begin, end); }

 private:
  A algorithm_;
};

const std::vector<AlgorithmInfo>& infos() {
  static const std::vector<AlgorithmInfo> all = [] {
    std::vector<AlgorithmInfo> list;
    for_each_type(AllAlgorithms<NativePlatform>{},
                  [&](auto type) { list.push_back(decltype(type)::type::info); });
    return list;
  }();
  return all;
}

}  // namespace

std::string_view to_string(Progress progress) {
  switch (progress) {
    case Progress::blocking:
      return "blocking";
    case Progress::lock_free:
      return "lock-free";
    case Progress::wait_free:
      break;
  }
  return "wait-free";
}

std::span<const AlgorithmInfo> algorithms() {
  return infos();
}

void throw_unknown_algorithm(std::string_view name) {
  std::string message = "algorithm = " + std::string(name) + ": want one of";
  const char* separator = " ";
  for (const AlgorithmInfo& info : infos()) {
    message.append(separator).append(info.name);
    separator = ", ";
  }
  throw std::invalid_argument(message);
}

std::string locks_of(const AlgorithmInfo& info) {
  std::string names;
  for (std::size_t i = 0; i < kLockNames.size(); ++i) {
    if (may_have(info, static_cast<LockKind>(i)))
      names.append(names.empty() ? "" : ", ").append(kLockNames[i]);
  }
  return "one of " + names + ": " + std::string(info.name) + " takes a lock that another thread may release";
}

AsymmetricBarrierKind barrier_used(const LogBufferOptions& options) {
  return takes_membarrier<NativePlatform>(options) ? AsymmetricBarrierKind::membarrier
                                                   : AsymmetricBarrierKind::exchange;
}

void throw_unfit_lock(const AlgorithmInfo& info, LockKind lock) {
  throw std::invalid_argument("lock = " + std::string(to_string(lock)) + ": want " + locks_of(info));
}

std::string counters_of(const AlgorithmInfo& info) {
  return "hardware: " + std::string(info.name) + " has no counter that every record adds to";
}

void throw_unfit_counter(const AlgorithmInfo& info, CounterKind counter) {
  throw std::invalid_argument("counter = " + std::string(to_string(counter)) + ": want " + counters_of(info));
}

std::unique_ptr<LogBuffer> make_log_buffer(std::string_view name, const LogBufferOptions& options) {
  std::unique_ptr<LogBuffer> buffer;
  with_algorithm(name, options, [&](auto type) {
    buffer = std::make_unique<Adapter<typename decltype(type)::type>>(options);
  });
  return buffer;
}

}  // namespace muster
