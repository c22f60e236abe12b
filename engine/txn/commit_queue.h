#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "engine/log/log_manager.h"

namespace muster {

/// Group commit before the log: requests wait for one another before any of them has a commit record. For comparison
/// with CommitPolicy::group, which appends the record and then waits.
///
/// Protocol   A request joins the queue. The one that completes a group, or whose time is up first, takes all that are
///            queued: it appends their commit records, makes the log durable once, and wakes the others.
/// Price      A queued transaction is a loser if the process dies, whatever else has flushed the log meanwhile; and it
///            keeps its locks, so that a transaction that waits for them cannot come to complete the group.
/// Source     Final report of a course, Database System (ITE2038, 2020-2), In-depth Analysis, 2.
/// Progress   blocking: one mutex. Thread-safe.
class CommitQueue {
 public:
  /// `size` 1 or more; a request waits `timeout` at most before it is served.
  CommitQueue(LogManager& log, std::uint32_t size, std::chrono::nanoseconds timeout)
      : log_(log), size_(size), timeout_(timeout) {}

  /// Blocks until the transaction's commit record is durable, and returns where that ends. `last`: the transaction's
  /// newest record. Throws as LogManager's calls do; all of a group get the error of any of them.
  Lsn commit(WorkerId worker, TransactionId transaction, Lsn last) {
    Request request{.transaction = transaction, .last = last};
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    std::unique_lock guard(mutex_);
    queued_.push_back(&request);
    if (queued_.size() < size_) served_.wait_until(guard, deadline, [&] { return request.taken; });
    if (!request.taken) serve(guard, worker);
    served_.wait(guard, [&] { return request.served; });
    if (request.failure) std::rethrow_exception(request.failure);
    return request.end;
  }

 private:
  /// In its thread's stack, where it stays until it is served. All of it under the mutex, but for what the server uses
  /// between `taken` and `served`.
  struct Request {
    TransactionId transaction = 0;
    Lsn last = 0;
    Lsn end = 0;
    bool taken = false;
    bool served = false;
    std::exception_ptr failure{};
  };
  using Group = std::vector<Request*>;

  void serve(std::unique_lock<std::mutex>& guard, WorkerId worker) {
    Group group;
    group.swap(queued_);
    for (Request* const request : group) request->taken = true;
    guard.unlock();
    const std::exception_ptr failure = append_and_force(group, worker);
    guard.lock();
    for (Request* const request : group) {
      request->failure = failure;
      request->served = true;
    }
    served_.notify_all();
  }

  std::exception_ptr append_and_force(const Group& group, WorkerId worker) {
    try {
      for (Request* const request : group) {
        request->end = log_.append_mark(worker, request->transaction, request->last, RecordType::commit).end;
      }
      log_.flush(group.back()->end);
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  LogManager& log_;
  const std::uint32_t size_;
  const std::chrono::nanoseconds timeout_;
  std::mutex mutex_;
  std::condition_variable served_;  // a request was taken, or served
  Group queued_;
};

}  // namespace muster
