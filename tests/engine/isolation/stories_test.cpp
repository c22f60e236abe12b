#include <algorithm>
#include <numeric>

#include "tests/catch.h"
#include "tests/engine/isolation/stage.h"

// What goes wrong between people who share data, told as it happens to them, at every level; and what helps. The order of
// events is fixed: what a person is told to do happens at once, or when no other person is in the way any more.
// Source of most: Kleppmann, Designing Data-Intensive Applications, 2017, chapter 7.

namespace muster::isolation {
namespace {

bool is_read_committed(const Level& level) {
  return level.isolation == Isolation::read_committed;
}
bool is_serializable(const Level& level) {
  return !is_read_committed(level) && level.isolation != Isolation::snapshot;
}

int sum_of(const Rows& rows) {
  return std::accumulate(rows.begin(), rows.end(), 0,
                         [](int sum, const auto& row) { return sum + number(row.second); });
}

auto count_of(const Rows& rows, std::string_view value) {
  return std::ranges::count(rows, value, [](const auto& row) { return std::string_view(row.second); });
}

auto equals(std::string_view wanted) {
  return [wanted](std::string_view value) { return value == wanted; };
}

}  // namespace

TEST_CASE("The car: two buyers press the button at once, and the invoice goes to the buyer who is listed") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"buyer", "nobody"}, {"invoice to", "nobody"}});
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    alice.update("buyer", "Alice");
    bob.update("buyer", "Bob");
    bob.update("invoice to", "Bob");
    bob.commit();
    alice.update("invoice to", "Alice");
    alice.commit();
    const Rows& rows = stage.end();
    CHECK(rows.at("buyer") == rows.at("invoice to"));
    CHECK(rows.at("buyer") != "nobody");
  }
}

TEST_CASE("The missing 100: Alice looks at her two accounts while 100 go from one to the other") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"current", "500"}, {"savings", "500"}});
    Actor &alice = stage.actor(), &transfer = stage.actor();
    alice.begin();
    const Step& savings = alice.read("savings");
    transfer.begin();
    transfer.update("savings", "600");
    transfer.update("current", "400");
    transfer.commit();
    const Step& current = alice.read("current");
    alice.commit();
    CHECK(sum_of(stage.end()) == 1000);
    CHECK(number(savings.value) + number(current.value) == (is_read_committed(level) ? 900 : 1000));
  }
}

TEST_CASE("The backup: copied account by account while money moves, it holds what there was at one moment") {
  const Rows before{{"a", "100"}, {"b", "100"}, {"c", "100"}, {"d", "100"}};
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, before);
    Actor &backup = stage.actor(), &teller = stage.actor();
    std::map<std::string, const Step*> copied;
    const auto copy = [&](const std::string& account) { copied[account] = &backup.read(account); };
    const auto move = [&](const std::string& from, const std::string& to) {
      teller.begin();
      for (const auto& [account, change] : {std::pair(to, 10), std::pair(from, -10)}) {
        teller.then([&stage, account = account, change = change](Session& session, Step& step) {
          const Status status = read_for_update(session, stage.table(), account, step.value);
          if (status != Status::ok) return status;
          return update(session, stage.table(), account, std::to_string(number(step.value) + change));
        });
      }
      teller.commit();
    };
    backup.begin();
    copy("a");
    move("d", "a");
    copy("b");
    move("c", "b");
    copy("c");
    copy("d");
    backup.commit();
    CHECK(sum_of(stage.end()) == 400);
    Rows restored;
    for (const auto& [account, step] : copied) restored[account] = step->value;
    if (is_read_committed(level)) {
      CHECK(sum_of(restored) == 380);  // both payments have left, and neither has arrived
    } else {
      CHECK(restored == before);
      // The price: a backup that locks what it has copied lets no payment through. One that looks at a snapshot lets all
      // through.
      const bool by_versions =
          level.isolation == Isolation::snapshot || level.isolation == Isolation::serializable_snapshot;
      CHECK(stage.some_actor_waited() == !by_versions);
    }
  }
}

TEST_CASE("The integrity check: it adds up all accounts twice, and a payment goes through in between") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"a", "100"}, {"b", "100"}});
    Actor &check = stage.actor(), &owner = stage.actor();
    check.begin();
    const Step& first = check.scan();
    owner.begin();
    owner.update("a", "150");
    owner.commit();
    const Step& second = check.scan();
    check.commit();
    CHECK(sum_of(stage.end()) == 250);
    CHECK((first.rows == second.rows) == !is_read_committed(level));
  }
}

namespace {

const Rows kDoctors{{"Alice", "on call"}, {"Bob", "on call"}};

/// The doctor goes home if the scan has shown two on call.
const Step& goes_home(Stage& stage, Actor& doctor, std::string_view name, const Step& seen) {
  return doctor.then([&stage, name, &seen](Session& session, Step&) {
    return seen.rows.size() < 2 ? Status::ok : update(session, stage.table(), name, "at home");
  });
}

/// The doctor looks which doctors are on call, and keeps others from changing it.
const Step& looks_for_update(Stage& stage, Actor& doctor) {
  return doctor.then([&stage](Session& session, Step& step) {
    for (const auto& [name, unused] : kDoctors) {
      std::string state;
      const Status status = read_for_update(session, stage.table(), name, state);
      if (status != Status::ok) return status;
      if (state == "on call") step.rows[name] = state;
    }
    return Status::ok;
  });
}

}  // namespace

TEST_CASE("The doctors on call: both feel unwell, both see that two are there, both go home") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, kDoctors);
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    const Step& seen_by_alice = alice.scan(equals("on call"));
    const Step& seen_by_bob = bob.scan(equals("on call"));
    goes_home(stage, alice, "Alice", seen_by_alice);
    goes_home(stage, bob, "Bob", seen_by_bob);
    alice.commit();
    bob.commit();
    CHECK(count_of(stage.end(), "on call") == (is_serializable(level) ? 1 : 0));
  }
}

TEST_CASE("The doctors on call, remedy: reading for update, one stays at every level") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, kDoctors);
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    const Step& seen_by_alice = looks_for_update(stage, alice);
    const Step& seen_by_bob = looks_for_update(stage, bob);
    goes_home(stage, alice, "Alice", seen_by_alice);
    goes_home(stage, bob, "Bob", seen_by_bob);
    alice.commit();
    bob.commit();
    if (bob.was_refused()) {  // tries again
      bob.begin();
      goes_home(stage, bob, "Bob", looks_for_update(stage, bob));
      bob.commit();
    }
    CHECK(bob.committed());
    CHECK(count_of(stage.end(), "on call") == 1);
  }
}

namespace {

constexpr std::string_view kNoon = "room 1 at 12:00";

/// The actor books the room if the scan has shown no booking.
const Step& books(Stage& stage, Actor& actor, std::string_view booking, const Step& seen) {
  return actor.then([&stage, booking, &seen](Session& session, Step&) {
    return seen.rows.empty() ? insert(session, stage.table(), booking, kNoon) : Status::ok;
  });
}

}  // namespace

TEST_CASE("The meeting room: two look whether it is free at noon, and both book it") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"booking 1", "room 2 at 12:00"}});
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    const Step& seen_by_alice = alice.scan(equals(kNoon));
    const Step& seen_by_bob = bob.scan(equals(kNoon));
    books(stage, alice, "booking 2", seen_by_alice);
    books(stage, bob, "booking 3", seen_by_bob);
    alice.commit();
    bob.commit();
    CHECK(count_of(stage.end(), kNoon) == (is_serializable(level) ? 1 : 2));
  }
}

TEST_CASE(
    "The meeting room: reading for update does not help, since there is no booking that could be locked") {
  for (const Level& level : kLevels) {
    if (is_serializable(level)) continue;
    INFO(level.name);
    Stage stage(level, {{"booking 1", "room 2 at 12:00"}});
    Actor &alice = stage.actor(), &bob = stage.actor();
    const auto looks_for_update = [&](Actor& actor) -> const Step& {
      return actor.then([&](Session& session, Step& step) {
        Status status = scan(session, stage.table(), step.rows);
        std::erase_if(step.rows, [](const auto& row) { return row.second != kNoon; });
        for (auto row = step.rows.begin(); status == Status::ok && row != step.rows.end(); ++row) {
          status = read_for_update(session, stage.table(), row->first, row->second);
        }
        return status;
      });
    };
    alice.begin();
    bob.begin();
    const Step& seen_by_alice = looks_for_update(alice);
    const Step& seen_by_bob = looks_for_update(bob);
    books(stage, alice, "booking 2", seen_by_alice);
    books(stage, bob, "booking 3", seen_by_bob);
    alice.commit();
    bob.commit();
    CHECK(count_of(stage.end(), kNoon) == 2);
  }
}

TEST_CASE(
    "The meeting room, remedy: a row for each slot, read for update, gives the conflict something to be "
    "about") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"booking 1", "room 2 at 12:00"}, {"slot: room 1 at 12:00", "slot"}});
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    alice.read_for_update("slot: room 1 at 12:00");
    bob.read_for_update("slot: room 1 at 12:00");
    // Under snapshot the row has to be written as well: a transaction that only locks it leaves no newer version behind.
    alice.update("slot: room 1 at 12:00", "slot, looked at by Alice");
    const Step& seen_by_alice = alice.scan(equals(kNoon));
    books(stage, alice, "booking 2", seen_by_alice);
    alice.commit();
    const Step& seen_by_bob = bob.scan(equals(kNoon));
    books(stage, bob, "booking 3", seen_by_bob);
    bob.commit();
    CHECK(count_of(stage.end(), kNoon) == 1);
  }
}

TEST_CASE("The user name: two people claim it at once; as a key it is given once, at every level") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {});
    Actor &alice = stage.actor(), &bob = stage.actor();
    alice.begin();
    bob.begin();
    CHECK(alice.read("name: lion").status == Status::not_found);
    bob.read("name: lion");
    const Step& by_alice = alice.insert("name: lion", "Alice");
    const Step& by_bob = bob.insert("name: lion", "Bob");
    alice.commit();
    bob.commit();
    CHECK(stage.end().size() == 1);
    CHECK(by_alice.succeeded() != by_bob.succeeded());
  }
}

TEST_CASE("The user name: as a value, looked for before it is taken, it is given twice below serializable") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    Stage stage(level, {{"user 1", "tiger"}});
    Actor &alice = stage.actor(), &bob = stage.actor();
    const auto takes = [&](Actor& actor, std::string_view user, const Step& seen) {
      actor.then([&stage, user, &seen](Session& session, Step&) {
        return seen.rows.empty() ? insert(session, stage.table(), user, "lion") : Status::ok;
      });
    };
    alice.begin();
    bob.begin();
    const Step& seen_by_alice = alice.scan(equals("lion"));
    const Step& seen_by_bob = bob.scan(equals("lion"));
    takes(alice, "user 2", seen_by_alice);
    takes(bob, "user 3", seen_by_bob);
    alice.commit();
    bob.commit();
    CHECK(count_of(stage.end(), "lion") == (is_serializable(level) ? 1 : 2));
  }
}

namespace {

/// Two people press "like". Each program reads the counter, by `look`, adds one and writes; if it is refused, it tries again.
/// Returns what the counter shows, from 42.
template <class Look>
int likes_after_two(const Level& level, Look look) {
  Stage stage(level, {{"likes", "42"}});
  Actor &alice = stage.actor(), &bob = stage.actor();
  const auto writes = [&](Actor& actor, const Step& seen) {
    actor.then([&stage, &seen](Session& session, Step&) {
      return update(session, stage.table(), "likes", std::to_string(number(seen.value) + 1));
    });
  };
  alice.begin();
  bob.begin();
  const Step& seen_by_alice = look(alice);
  const Step& seen_by_bob = look(bob);
  writes(alice, seen_by_alice);
  writes(bob, seen_by_bob);
  alice.commit();
  bob.commit();
  for (Actor* const actor : {&alice, &bob}) {
    if (!actor->was_refused()) continue;
    actor->begin();
    writes(*actor, look(*actor));
    actor->commit();
  }
  return number(stage.end().at("likes"));
}

}  // namespace

TEST_CASE("The counter: two add one to what they have read, and one of them is lost under read committed") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    const int likes = likes_after_two(level, [](Actor& actor) -> const Step& { return actor.read("likes"); });
    CHECK(likes == (is_read_committed(level) ? 43 : 44));
  }
}

TEST_CASE("The counter, remedy: read for update, both count at every level") {
  for (const Level& level : kLevels) {
    INFO(level.name);
    const int likes =
        likes_after_two(level, [](Actor& actor) -> const Step& { return actor.read_for_update("likes"); });
    CHECK(likes == 44);
  }
}

}  // namespace muster::isolation
