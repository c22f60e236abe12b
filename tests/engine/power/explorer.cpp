#include "tests/engine/power/explorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>

namespace muster::power {
namespace {

namespace fs = std::filesystem;
using Kind = Event::Kind;

constexpr int kDepthMax = 2;  // a recovery's recovery is cut, too
constexpr std::uint64_t kRecoveryImages = 14;
constexpr std::uint64_t kThreads = 3;
constexpr std::uint64_t kTransactions = 14;  // of a thread, before and after the close in the middle
constexpr const char* kDatabase = "db";

char at_work[128];

/// Syncs of an image's opening are for nobody.
class WithoutSyncs final : public FileObserver {
 public:
  WithoutSyncs() { observe_files(this); }
  ~WithoutSyncs() override { observe_files(nullptr); }
  FileVerdict before(const FileOperation& operation) override {
    return {.skip = operation.kind == FileOperation::Kind::sync ||
                    operation.kind == FileOperation::Kind::sync_directory};
  }
  void after(const FileOperation&, std::int64_t) override {}
};

Load::Note notes_for(Recorder* recorder) {
  return [recorder](Kind kind, TransactionNumber number) {
    if (recorder != nullptr) recorder->note(kind, number);
  };
}

/// A place at which a scenario is cut: what is on the disk, what was promised.
struct Cut {
  std::size_t place = 0;  // events before it have happened
  Disk disk;
  std::set<TransactionNumber> promised, begun;
};

/// Goes through the cuts of a scenario: before each file operation and at the end.
class Walk {
 public:
  explicit Walk(const Scenario& scenario) : scenario_(scenario) {
    cut_.disk = scenario.disk;
    cut_.promised = scenario.promised;
    cut_.begun = scenario.begun;
    pass_notes();
  }
  const Cut& cut() const { return cut_; }
  bool next() {
    if (cut_.place == scenario_.trace.size()) return false;
    cut_.disk.apply(scenario_.trace[cut_.place], cut_.place);
    ++cut_.place;
    pass_notes();
    return true;
  }

 private:
  void pass_notes() {
    for (; cut_.place < scenario_.trace.size(); ++cut_.place) {
      const Event& event = scenario_.trace[cut_.place];
      if (event.kind == Kind::begun) cut_.begun.insert(event.number);
      if (event.kind == Kind::promised) cut_.promised.insert(event.number);
      if (!is_note(event.kind) && event.kind != Kind::nothing) return;
    }
  }
  const Scenario& scenario_;
  Cut cut_;
};

std::uint64_t cuts_of(const Trace& trace) {
  return 1 + static_cast<std::uint64_t>(std::count_if(trace.begin(), trace.end(), [](const Event& event) {
           return event.kind != Kind::nothing && !is_note(event.kind);
         }));
}

/// Opens what a crash has left, asks the oracle, works on, opens again. Throws std::runtime_error with what is
/// wrong. `history` goes on with the survivors; `next` is moved on.
void open_and_work(const Setting& setting, const fs::path& root, History& history, const Cut& cut,
                   TransactionNumber& next, std::uint64_t seed, Recorder* recorder) {
  const auto judge = [&](Database& database, const std::set<TransactionNumber>& promised,
                         const std::set<TransactionNumber>& begun) {
    std::set<TransactionNumber> survivors;
    const std::string wrong = history.judge(read_all(database), promised, begun, survivors);
    if (!wrong.empty()) throw std::runtime_error(wrong);
    return survivors;
  };
  const DatabaseOptions options = options_of(setting, root / kDatabase);
  {
    const auto database = Database::open(options);
    const auto survivors = judge(*database, cut.promised, cut.begun);
    history.forget_all_but(survivors);
    if (recorder != nullptr) {
      for (const TransactionNumber number : survivors) recorder->note(Kind::promised, number);
    }
    Load load(*database, history, notes_for(recorder), next, setting.tables);
    load.create_tables();
    load.run(CommitPolicy::durable, 1, 3, seed);
    next = load.next();
    database->close();
  }
  const auto all = history.transactions();
  judge(*Database::open(options), all, all);
}

class Exploration {
 public:
  explicit Exploration(const ExplorerOptions& options) : options_(options), random_(options.seed) {}

  /// At most `images`, in shares for the cuts, and a share for recoveries.
  void explore(const Scenario& scenario, std::uint64_t images, int depth, const std::string& prefix) {
    const bool nests = depth < kDepthMax && images >= 4;
    const std::uint64_t recoveries =
        nests ? std::max<std::uint64_t>(1, images * 35 / 100 / kRecoveryImages) : 0;
    const std::uint64_t recovery_images = nests ? std::min(kRecoveryImages, images / 3) : 0;
    std::uint64_t left = images - recoveries * recovery_images;
    std::uint64_t cuts_left = cuts_of(scenario.trace), recoveries_left = recoveries;
    for (Walk walk(scenario);; --cuts_left) {
      // As many as are due; a fraction is due with that probability.
      const std::uint64_t due = left / cuts_left + (random_() % cuts_left < left % cuts_left);
      left -= try_images(scenario, walk.cut(), due, prefix);
      ++findings_.cuts;
      if (random_() % cuts_left < recoveries_left) {
        --recoveries_left;
        recover(scenario, walk.cut(), recovery_images, depth, prefix);
      }
      if (is_over() || !walk.next()) return;
    }
  }

  Findings& findings() { return findings_; }

 private:
  bool is_over() const {
    return (options_.is_enough && options_.is_enough()) ||
           (options_.stop_at_violation && !findings_.violations.empty());
  }

  /// The variants in an order in which the damages take turns.
  std::vector<std::size_t> shuffled(const std::vector<Variant>& variants) {
    std::vector<std::size_t> order(variants.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random_);
    std::map<Damage, std::size_t> seen;
    std::vector<std::pair<std::size_t, std::size_t>> keyed;
    for (const std::size_t index : order) keyed.emplace_back(seen[variants[index].damage]++, index);
    std::stable_sort(keyed.begin(), keyed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = keyed[i].second;
    return order;
  }

  /// How many were opened: fewer than `due` where the others are ones that have been.
  std::uint64_t try_images(const Scenario& scenario, const Cut& cut, std::uint64_t due,
                           const std::string& prefix) {
    if (due == 0) return 0;
    const std::vector<Variant> variants = cut.disk.variants(options_.torn);
    std::uint64_t opened = 0;
    for (const std::size_t index : shuffled(variants)) {
      if (opened == due || is_over()) break;
      const Disk::Image image = cut.disk.image(variants[index]);
      const std::uint64_t known = fingerprint(image) + cut.promised.size() * 31 + cut.begun.size();
      if (!seen_.insert(known).second) continue;
      ++opened;
      ++findings_.images[static_cast<std::size_t>(variants[index].damage)];
      const std::string number = fmt::format("{}{}.{}", prefix, cut.place, index);
      History history = scenario.history;
      TransactionNumber next = scenario.next;
      const std::string wrong = attempt(number, image, [&] {
        const WithoutSyncs observer;
        open_and_work(options_.setting, root(), history, cut, next, options_.seed, nullptr);
      });
      if (!wrong.empty()) {
        findings_.violations.push_back(
            {number, fmt::format("{}: {}", name_of(variants[index].damage), wrong)});
      }
    }
    return opened;
  }

  void recover(const Scenario& scenario, const Cut& cut, std::uint64_t images, int depth,
               const std::string& prefix) {
    const std::vector<Variant> variants = cut.disk.variants(options_.torn);
    const bool killed = random_() % 3 == 0;
    const std::size_t index = random_() % variants.size();
    const std::string number =
        killed ? fmt::format("{}{}.k", prefix, cut.place) : fmt::format("{}{}.{}", prefix, cut.place, index);
    Scenario recovery;
    const std::string wrong =
        record_recovery(scenario, cut, killed ? nullptr : &variants[index], number, recovery);
    ++findings_.recoveries;
    if (!wrong.empty()) {
      findings_.violations.push_back({number, wrong});
    } else {
      explore(recovery, images, depth + 1, number + "/");
    }
  }

 public:
  /// Without a variant: the process is killed, and what was not synced stays pending.
  std::string record_recovery(const Scenario& scenario, const Cut& cut, const Variant* variant,
                              const std::string& number, Scenario& recovery) {
    const Disk::Image image = variant != nullptr ? cut.disk.image(*variant) : cut.disk.visible();
    recovery.disk = variant != nullptr ? Disk::from(image) : cut.disk;
    recovery.disk.begin_trace();
    recovery.history = scenario.history;
    recovery.promised = cut.promised;
    recovery.next = scenario.next;
    const std::string wrong = attempt(number, image, [&] {
      Recorder recorder(root(), recovery.disk.names(), recovery.disk.next_file());
      open_and_work(options_.setting, root(), recovery.history, cut, recovery.next, options_.seed, &recorder);
      recovery.trace = recorder.stop();
    });
    // Who has survived the first recovery, asked to be committed; nobody else does any more.
    recovery.begun = recovery.history.transactions();
    if (options_.fault != nullptr) plant(*options_.fault, recovery.trace);
    return wrong;
  }

  /// Runs `work` on an image's files.
  template <class Work>
  std::string attempt(const std::string& number, const Disk::Image& image, Work work) {
    std::snprintf(at_work, sizeof at_work, "%s", number.c_str());
    fs::remove_all(root());
    write_image(image, root());
    try {
      work();
    } catch (const std::exception& error) {
      return error.what();
    }
    return {};
  }

  fs::path root() const { return options_.directory / "image"; }

 private:
  const ExplorerOptions& options_;
  std::mt19937_64 random_;
  std::set<std::uint64_t> seen_;
  Findings findings_;
};

/// One step of an image's number: the cut, and the variant or 'k'.
std::pair<std::size_t, std::string> step(const std::string& text) {
  std::size_t place = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), place);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') {
    throw std::invalid_argument("--image " + text +
                                ": want a number that a run has printed, such as 112.5/31.0");
  }
  return {place, std::string(end + 1)};
}

}  // namespace

const char* image_at_work() {
  return at_work;
}

std::uint64_t Findings::all_images() const {
  return std::accumulate(images.begin(), images.end(), std::uint64_t{0});
}

Scenario record(const ExplorerOptions& options) {
  const fs::path root = options.directory / "run";
  fs::remove_all(root);
  fs::create_directories(root);
  const DatabaseOptions database_options = options_of(options.setting, root / kDatabase);
  Scenario scenario;
  Recorder recorder(root, {}, 0);
  for (const bool again : {false, true}) {
    const auto database = Database::open(database_options);
    Load load(*database, scenario.history, notes_for(&recorder), scenario.next, options.setting.tables);
    load.create_tables();
    load.run(options.setting.policy, kThreads, kTransactions, options.seed * 2 + again,
             options.setting.level);
    scenario.next = load.next();
    if (again) scenario.trace = recorder.stop();
  }
  if (options.fault != nullptr) plant(*options.fault, scenario.trace);
  fs::remove_all(root);
  return scenario;
}

Findings explore(const Scenario& scenario, const ExplorerOptions& options) {
  fs::create_directories(options.directory);
  Exploration exploration(options);
  exploration.findings().operations = cuts_of(scenario.trace) - 1;
  exploration.explore(scenario, options.images, 0, "");
  fs::remove_all(options.directory);
  return std::move(exploration.findings());
}

std::string replay(const Scenario& scenario, const ExplorerOptions& options, const std::string& image) {
  const std::size_t slash = image.find('/');
  const auto [place, which] = step(image.substr(0, slash));
  Walk walk(scenario);
  while (walk.cut().place < place && walk.next()) {}
  const std::vector<Variant> variants = walk.cut().disk.variants(options.torn);
  const bool killed = which == "k";
  const std::size_t index = killed ? 0 : std::stoul(which);
  if (walk.cut().place != place || index >= variants.size()) {
    throw std::invalid_argument("--image " + image + ": there is no such image; the run has others");
  }
  fs::create_directories(options.directory);
  Exploration exploration(options);
  Scenario recovery;
  const std::string wrong =
      exploration.record_recovery(scenario, walk.cut(), killed ? nullptr : &variants[index], image, recovery);
  if (slash == std::string::npos) {  // its files, as they were before it was opened
    fs::remove_all(exploration.root());
    write_image(killed ? walk.cut().disk.visible() : walk.cut().disk.image(variants[index]),
                exploration.root());
    return wrong;
  }
  if (!wrong.empty()) return wrong;
  return replay(recovery, options, image.substr(slash + 1));
}

}  // namespace muster::power
