#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/parts/policies.h"
#include "tests/model/log_program.h"

namespace muster::model {

/// An algorithm's own source on the checking platform, or a part of the engine's, or a mutant of one.
struct Subject {
  std::string name;       // of a mutant: algorithm:mutant
  bool scripted = false;  // a part of the engine: its shapes are Shape::scripts
  AlgorithmInfo info;     // of the algorithm
  std::string why;        // of a mutant: what is wrong with it, or why it is not
  bool mutant = false;
  bool wrong = false;  // a mutant that has to be found out
  std::unique_ptr<Program> (*make)(const Shape&) = nullptr;
};

/// The log buffers: the algorithms in their order, then the mutants by name.
std::vector<Subject> subjects();
/// The engine's parts likewise.
std::vector<Subject> scripted_subjects();
/// Mutants are sources of their own; each adds itself here before main().
bool add_mutant(Subject subject);

/// Of the algorithm or mutant with the shape's lock, and with the counter that its type has: a mutant is not compiled
/// with others. Throws std::invalid_argument where it may not have that.
template <class A>
std::unique_ptr<Program> make_log_program(const Shape& shape) {
  std::unique_ptr<Program> program;
  if (const CounterKind counter = shape.options.counter;
      counter != LogBufferOptions{}.counter && counter != CounterOf<A>::kKind) {
    throw_unfit_counter(A::info, counter);
  }
  with_lock<A>(shape.options.lock, [&](auto type) {
    program = std::make_unique<LogProgram<typename decltype(type)::type>>(shape);
  });
  return program;
}

/// Of the algorithm with the shape's lock or counter. Throws std::invalid_argument where it may not have that.
template <class A>
std::unique_ptr<Program> make_log_program_with_policy(const Shape& shape) {
  std::unique_ptr<Program> program;
  with_policy<A>(shape.options, [&](auto type) {
    program = std::make_unique<LogProgram<typename decltype(type)::type>>(shape);
  });
  return program;
}

template <class P>
std::unique_ptr<Program> make_scripted_program(const Shape& shape) {
  return std::make_unique<P>(shape.scripts);
}

}  // namespace muster::model
