#include "workloads/ycsb_operations.h"

#include <algorithm>

#include "engine/storage/slotted_page.h"
#include "workloads/ycsb_value.h"

namespace muster {

using Kind = YcsbOperation::Kind;

namespace {

/// Records that the first leaf surely holds: half of what fits, since a full page may be split in the middle.
std::uint64_t records_of_first_leaf(std::uint32_t value_bytes) {
  const std::size_t fences = 2 * padded(sizeof(YcsbKey));
  return std::max<std::uint64_t>(1,
                                 (kPageCapacity - fences) / record_bytes(sizeof(YcsbKey), value_bytes) / 2);
}

}  // namespace

YcsbOperations::Mix YcsbOperations::mix_of(const YcsbOptions& options) {
  switch (options.mix) {
    case YcsbMix::a:
      return {options.reads.value_or(0.5), Kind::update};
    case YcsbMix::b:
      return {options.reads.value_or(0.95), Kind::update};
    case YcsbMix::c:
      return {1.0, Kind::read};
    case YcsbMix::e:
      return {options.reads.value_or(0.95), Kind::insert};
    case YcsbMix::f:
      return {options.reads.value_or(0.5),
              options.modify == YcsbModify::increment ? Kind::increment : Kind::read_modify_write};
    case YcsbMix::load:
      break;
  }
  return {0.0, Kind::insert};
}

YcsbOperations::Range YcsbOperations::range_of(const YcsbOptions& options, std::uint32_t worker,
                                               std::uint32_t workers) {
  if (options.distribution == KeyDistribution::partitioned) {
    const std::uint64_t begin = options.records * worker / workers;
    return {begin, options.records * (worker + 1) / workers - begin};
  }
  if (options.distribution == KeyDistribution::same_page) {
    return {0, std::min(options.records, records_of_first_leaf(options.value_bytes))};
  }
  return {0, options.records};
}

YcsbOptions YcsbOperations::options_of(const YcsbOptions& options, std::uint32_t worker) {
  YcsbOptions its = options;
  if (worker < options.readers) {
    its.mix = YcsbMix::c;
    its.operations = options.reader_operations;
  }
  return its;
}

YcsbOperations::YcsbOperations(const YcsbOptions& options, std::uint64_t seed, std::uint64_t stream,
                               std::uint32_t worker, std::uint32_t workers)
    : options_(options_of(options, worker)),
      mix_(mix_of(options_)),
      range_(range_of(options, worker, workers)),
      random_(seed, stream),
      scatter_(options.records),
      next_insertion_(ycsb_insertion(stream, 0)) {
  if (options.distribution == KeyDistribution::zipf) zipf_.emplace(options.records, options.theta);
}

void YcsbOperations::next(std::vector<YcsbOperation>& into) {
  into.clear();
  for (std::uint32_t i = 0; i < options_.operations; ++i) into.push_back(draw());
  if (options_.think.count() != 0) {
    std::ranges::stable_partition(into, [](const YcsbOperation& one) { return !one.writes(); });
  }
}

YcsbOperation YcsbOperations::draw() {
  if (options_.mix == YcsbMix::load) return {Kind::insert, next_insertion_++};
  const Kind kind = random_.uniform() < mix_.reads ? Kind::read : mix_.otherwise;
  if (options_.mix != YcsbMix::e) return {kind, draw_key()};
  if (kind == Kind::insert) return {Kind::insert, next_insertion_++};
  const std::uint64_t key = draw_key();
  return {Kind::scan, key, static_cast<std::uint32_t>(1 + random_.below(options_.scan_records))};
}

std::uint64_t YcsbOperations::draw_key() {
  return zipf_ ? scatter_(zipf_->draw(random_) - 1) : range_.begin + random_.below(range_.count);
}

}  // namespace muster
