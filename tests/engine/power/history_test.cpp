#include "tests/engine/power/history.h"

#include <nlohmann/json.hpp>

#include "tests/catch.h"

namespace muster::power {
namespace {

const RecordName kAlice{History::kAccounts, "alice"}, kBob{History::kAccounts, "bob"};

/// 1 pays 5 from alice to bob, 2 pays 3 back, 3 has nothing to do with them.
History three_transactions() {
  History history;
  const auto journal = [](TransactionNumber number) {
    return std::pair(RecordName{History::kJournal, History::journal_key(number)},
                     std::optional<std::string>(std::to_string(number) + "|"));
  };
  history.add(1, {{journal(1), {kAlice, "1|-5"}, {kBob, "1|5"}}, {}});
  history.add(2, {{journal(2), {kAlice, "2|-2"}, {kBob, "2|2"}}, {1}});
  history.add(3, {{journal(3)}, {}});
  return history;
}

Contents after(std::initializer_list<TransactionNumber> survivors, Contents rest = {}) {
  for (const TransactionNumber number : survivors) {
    rest[History::kJournal][History::journal_key(number)] = std::to_string(number) + "|";
  }
  return rest;
}

std::string judge(const Contents& found, const std::set<TransactionNumber>& promised = {},
                  const std::set<TransactionNumber>& begun = {1, 2, 3}) {
  std::set<TransactionNumber> survivors;
  return History::from_json(three_transactions().to_json()).judge(found, promised, begun, survivors);
}

const Contents kBothPaid{{History::kAccounts, {{"alice", "2|-2"}, {"bob", "2|2"}}}};
const Contents kFirstPaid{{History::kAccounts, {{"alice", "1|-5"}, {"bob", "1|5"}}}};

}  // namespace

TEST_CASE("History: what a crash may leave is accepted") {
  CHECK(judge({}).empty());
  CHECK(judge(after({1}, kFirstPaid), {1}).empty());
  CHECK(judge(after({1, 2, 3}, kBothPaid), {1, 2}).empty());
  CHECK(judge(after({3}), {3}).empty());
}

TEST_CASE("History: what a crash may not leave is named") {
  const auto names = [](const std::string& wrong, const char* what) {
    INFO(wrong);
    return wrong.find(what) != std::string::npos;
  };
  CHECK(names(judge(after({1}, kFirstPaid), {1, 2}), "2 was acknowledged and is lost"));
  CHECK(names(judge(after({1, 2}, kBothPaid), {}, {1}), "2 is there and never asked"));
  CHECK(names(judge(after({2}, kBothPaid)), "2 is there, but not 1"));
  CHECK(names(judge(after({1}, kBothPaid)), "alice holds 2|-2, want 1|-5"));
  CHECK(names(judge(after({}, kFirstPaid)), "alice is there"));
  CHECK(names(judge(after({1}, {{History::kAccounts, {{"alice", "1|-5"}}}})), "bob is missing"));
  CHECK(names(judge(after({1})), "alice is missing"));
}

TEST_CASE("History: transactions that a crash has taken are forgotten") {
  History history = three_transactions();
  history.forget_all_but({1, 3});
  CHECK(history.writer_of(kAlice) == 1);
  std::set<TransactionNumber> survivors;
  CHECK(history.judge(after({1, 3}, kFirstPaid), {1, 3}, {1, 3}, survivors).empty());
  CHECK(survivors == std::set<TransactionNumber>{1, 3});
}

}  // namespace muster::power
