#pragma once

#include <cstdint>

#include "workloads/random.h"

namespace muster {

/// Draws k in [1, n] with probability proportional to 1 / k^theta, for any theta >= 0, without a table: by
/// rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996). YCSB's own generator (Gray et al.,
/// SIGMOD'94) is an approximation, wants theta < 1 and sums n terms first.
class Zipf {
 public:
  Zipf(std::uint64_t n, double theta);
  std::uint64_t draw(Random& random) const;

 private:
  double density(double x) const;           // h(x) = x^-theta
  double integral(double x) const;          // H(x), of h
  double integral_inverse(double y) const;  // of H

  std::uint64_t n_;
  double theta_;
  double integral_low_;   // H(3/2) - h(1)
  double integral_high_;  // H(n + 1/2)
  double accept_;         // so close above x a k is taken without another look
};

/// A bijection of [0, n) that takes neighbours far apart: what is hot by rank lies spread over the keys.
class Scatter {
 public:
  explicit Scatter(std::uint64_t n);
  std::uint64_t operator()(std::uint64_t rank) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(rank) * step_ % n_);
  }

 private:
  std::uint64_t n_;
  std::uint64_t step_;  // has no divisor in common with n
};

}  // namespace muster
