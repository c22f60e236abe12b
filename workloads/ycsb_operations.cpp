#include "workloads/ycsb_operations.h"

namespace muster {

using Kind = YcsbOperation::Kind;

YcsbOperations::Mix YcsbOperations::mix_of(const YcsbOptions& options) {
  switch (options.mix) {
    case YcsbMix::a:
      return {options.reads.value_or(0.5), Kind::update};
    case YcsbMix::b:
      return {options.reads.value_or(0.95), Kind::update};
    case YcsbMix::c:
      return {1.0, Kind::read};
    case YcsbMix::f:
      return {options.reads.value_or(0.5), Kind::read_modify_write};
    case YcsbMix::load:
      break;
  }
  return {0.0, Kind::insert};
}

YcsbOperations::YcsbOperations(const YcsbOptions& options, std::uint64_t seed, std::uint64_t stream)
    : options_(options),
      mix_(mix_of(options)),
      random_(seed, stream),
      scatter_(options.records),
      next_insertion_(ycsb_insertion(stream, 0)) {
  if (options.distribution == KeyDistribution::zipf) zipf_.emplace(options.records, options.theta);
}

void YcsbOperations::next(std::vector<YcsbOperation>& into) {
  into.clear();
  for (std::uint32_t i = 0; i < options_.operations; ++i) into.push_back(draw());
}

YcsbOperation YcsbOperations::draw() {
  if (mix_.otherwise == Kind::insert) return {Kind::insert, next_insertion_++};
  const Kind kind = random_.uniform() < mix_.reads ? Kind::read : mix_.otherwise;
  const std::uint64_t key = zipf_ ? scatter_(zipf_->draw(random_) - 1) : random_.below(options_.records);
  return {kind, key};
}

}  // namespace muster
