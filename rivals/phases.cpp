#include "rivals/phases.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace muster::rivals {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<std::byte> make_noise(std::size_t bytes) {
  std::vector<std::byte> noise(bytes);
  Random random(1);
  for (std::byte& b : noise) b = static_cast<std::byte>(random.next());
  return noise;
}

/// What the process has had read from and written to devices, written pages that are still in the cache included.
struct Traffic {
  std::uint64_t read = 0, written = 0;

  static Traffic now() {
    std::ifstream in("/proc/self/io");
    std::map<std::string, std::uint64_t> counts;
    std::string name;
    std::uint64_t count = 0;
    while (in >> name >> count) counts[name] = count;
    return {counts["read_bytes:"], counts["write_bytes:"]};
  }
};

/// Of all threads of the process, background included.
double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void settle() {
  using namespace std::chrono_literals;
  Traffic before = Traffic::now();
  for (int quiet = 0; quiet < 4; ++quiet) {
    std::this_thread::sleep_for(250ms);
    const Traffic now = Traffic::now();
    if (now.written != before.written) quiet = -1;
    before = now;
  }
}

constexpr std::array<std::string_view, 7> kNames{"load", "write", "overwrite", "settle",
                                                 "warm", "read",  "scan"};

}  // namespace

Phases::Phases(Store& store, const StoreOptions& store_options, const PhaseOptions& options)
    : store_(store),
      threads_(store_options.threads),
      sync_(store_options.sync),
      options_(options),
      noise_(make_noise((std::size_t{1} << 20) + options.value_bytes)),
      filled_(threads_) {}

bool Phases::knows(std::string_view name) {
  return std::ranges::find(kNames, name) != kNames.end();
}

/// Big-endian, so that rising numbers make rising keys.
Phases::Key Phases::key_of(std::uint64_t number) const {
  const std::uint64_t key = is_ordered_ ? number : mix(number + 1);
  Key bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(key >> (56 - 8 * i));
  return bytes;
}

/// Of a record that is there. The threads have taken turns in the numbers.
Phases::Key Phases::some_key(Worker& worker) const {
  const std::uint64_t thread = worker.random.below(threads_);
  return key_of(thread + threads_ * worker.random.below(filled_[thread]));
}

Bytes Phases::some_value(Worker& worker) const {
  return Bytes(noise_).subspan(worker.random.below(noise_.size() - options_.value_bytes),
                               options_.value_bytes);
}

void Phases::fill(Worker& worker) {
  std::uint64_t filled = 0;
  for (;; ++filled) {
    const std::uint64_t number = worker.number + threads_ * filled;
    if (number >= options_.records || is_over()) break;
    worker.client.put(key_of(number), some_value(worker));
  }
  filled_[worker.number] = worker.operations = filled;
}

void Phases::overwrite(Worker& worker) {
  for (; !is_over(); ++worker.operations) worker.client.put(some_key(worker), some_value(worker));
}

void Phases::warm(Worker& worker) {
  for (std::uint64_t number = worker.number; number < filled_[worker.number] * threads_; number += threads_) {
    if (!worker.client.get(key_of(number), worker.found))
      throw std::runtime_error("warm: a record is missing");
    ++worker.operations;
  }
}

void Phases::read(Worker& worker) {
  for (; !is_over(); ++worker.operations) {
    if (!worker.client.get(some_key(worker), worker.found) || worker.found.size() != options_.value_bytes)
      throw std::runtime_error("read: a record is missing");
  }
}

void Phases::scan(Worker& worker) {
  for (; !is_over(); ++worker.operations) {
    if (worker.client.scan(some_key(worker), options_.scan_records) == 0)
      throw std::runtime_error("scan: a record is missing");
  }
}

std::pair<std::uint64_t, double> Phases::in_all_threads(Work work) {
  over_.store(false, std::memory_order_relaxed);  // relaxed: the threads' start orders it
  std::mutex mutex;
  std::condition_variable ended;
  std::uint32_t running = threads_;
  std::exception_ptr failure;
  std::uint64_t operations = 0;
  const std::uint64_t stream = ++phases_run_;
  const Clock::time_point begin = Clock::now();
  std::vector<std::jthread> threads;
  for (std::uint32_t number = 0; number < threads_; ++number) {
    threads.emplace_back([&, number] {
      std::exception_ptr mine;
      std::uint64_t done = 0;
      try {
        const std::unique_ptr<Client> client = store_.client();
        Worker worker{.number = number, .client = *client, .random = Random(number, stream), .found = {}};
        (this->*work)(worker);
        done = worker.operations;
      } catch (...) {
        mine = std::current_exception();
      }
      const std::lock_guard guard(mutex);
      operations += done;
      if (mine) failure = mine;
      --running;
      ended.notify_all();
    });
  }
  {
    std::unique_lock lock(mutex);
    const auto all_ended = [&] { return running == 0; };
    if (is_timed_) ended.wait_for(lock, std::chrono::duration<double>(options_.seconds), all_ended);
    over_.store(is_timed_, std::memory_order_relaxed);  // relaxed: see is_over()
    ended.wait(lock, all_ended);
  }
  const double seconds = seconds_since(begin);
  if (failure) std::rethrow_exception(failure);
  return {operations, seconds};
}

nlohmann::json Phases::run(std::string_view name) {
  const Traffic before = Traffic::now();
  const double processors_before = processor_seconds();
  const Clock::time_point begin = Clock::now();
  std::pair<std::uint64_t, double> done{0, 0};
  const bool fills = name == "load" || name == "write";
  is_timed_ = fills ? sync_ : name != "warm";
  if (fills) {
    is_ordered_ = name == "load";
    done = in_all_threads(&Phases::fill);
  } else if (name == "settle") {
    settle();
    done.second = seconds_since(begin);
  } else {
    const std::map<std::string_view, Work> works{{"overwrite", &Phases::overwrite},
                                                 {"warm", &Phases::warm},
                                                 {"read", &Phases::read},
                                                 {"scan", &Phases::scan}};
    if (std::ranges::find(filled_, 0U) != filled_.end())
      throw std::runtime_error(fmt::format("{}: want load or write before", name));
    done = in_all_threads(works.at(name));
  }
  const Traffic now = Traffic::now();
  return {{"phase", name},
          {"operations", done.first},
          {"seconds", done.second},
          {"processor_seconds", processor_seconds() - processors_before},
          {"read_bytes", now.read - before.read},
          {"written_bytes", now.written - before.written}};
}

}  // namespace muster::rivals
