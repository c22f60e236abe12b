#include "workloads/zipf.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace muster {
namespace {

/// (e^x - 1) / x and ln(1 + x) / x, whole near 0 too, where theta is near 1.
double expm1_over(double x) {
  return std::abs(x) > 1e-8 ? std::expm1(x) / x : 1 + x / 2;
}
double log1p_over(double x) {
  return std::abs(x) > 1e-8 ? std::log1p(x) / x : 1 - x / 2;
}

}  // namespace

Zipf::Zipf(std::uint64_t n, double theta) : n_(n), theta_(theta) {
  integral_low_ = integral(1.5) - 1;
  integral_high_ = integral(static_cast<double>(n) + 0.5);
  accept_ = 2 - integral_inverse(integral(2.5) - density(2));
}

std::uint64_t Zipf::draw(Random& random) const {
  for (;;) {
    const double u = integral_high_ + random.uniform() * (integral_low_ - integral_high_);
    const double x = integral_inverse(u);
    const auto k = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(x + 0.5), 1, n_);
    const auto exact = static_cast<double>(k);
    if (exact - x <= accept_ || u >= integral(exact + 0.5) - density(exact)) return k;
  }
}

double Zipf::density(double x) const {
  return std::exp(-theta_ * std::log(x));
}

double Zipf::integral(double x) const {
  const double log_x = std::log(x);
  return expm1_over((1 - theta_) * log_x) * log_x;
}

double Zipf::integral_inverse(double y) const {
  const double t = std::max(-1.0, y * (1 - theta_));  // below -1 by rounding only
  return std::exp(log1p_over(t) * y);
}

Scatter::Scatter(std::uint64_t n) : n_(n) {
  constexpr double kGoldenRatio = 0.6180339887498949;  // multiples of it are spread most evenly
  step_ = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(n) * kGoldenRatio));
  while (std::gcd(step_, n) != 1) ++step_;
}

}  // namespace muster
