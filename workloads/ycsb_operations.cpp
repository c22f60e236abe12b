#include "workloads/ycsb_operations.h"

namespace muster {
namespace {

using Kind = YcsbOperation::Kind;

struct Mix {
  double reads;  // share
  Kind otherwise;
};

Mix mix_of(YcsbMix mix) {
  switch (mix) {
    case YcsbMix::a:
      return {0.5, Kind::update};
    case YcsbMix::b:
      return {0.95, Kind::update};
    case YcsbMix::c:
      return {1.0, Kind::read};
    case YcsbMix::f:
      break;
  }
  return {0.5, Kind::read_modify_write};
}

}  // namespace

YcsbOperations::YcsbOperations(const YcsbOptions& options, std::uint64_t seed, std::uint64_t stream)
    : options_(options), random_(seed, stream), scatter_(options.records) {
  if (options.distribution == KeyDistribution::zipf) zipf_.emplace(options.records, options.theta);
}

void YcsbOperations::next(std::vector<YcsbOperation>& into) {
  into.clear();
  for (std::uint32_t i = 0; i < options_.operations; ++i) into.push_back(draw());
}

YcsbOperation YcsbOperations::draw() {
  const Mix mix = mix_of(options_.mix);
  const Kind kind = random_.uniform() < mix.reads ? Kind::read : mix.otherwise;
  const std::uint64_t key = zipf_ ? scatter_(zipf_->draw(random_) - 1) : random_.below(options_.records);
  return {kind, key};
}

}  // namespace muster
