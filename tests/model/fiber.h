#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace muster::model {

/// A stack of its own for a function that is run in turns. What is left on the stack of a fibre that was not
/// run to its end is forgotten, without destructors: an abandoned execution costs nothing.
class Fiber {
 public:
  Fiber() : stack_(new std::byte[kStackBytes]) {}

  void start(std::function<void()> body) {
    body_ = std::move(body);
    inside_ = boost::context::detail::make_fcontext(stack_.get() + kStackBytes, kStackBytes, &Fiber::enter);
  }

  /// From outside: runs it until it leaves.
  void resume() { inside_ = boost::context::detail::jump_fcontext(inside_, this).fctx; }

  /// From inside: back to who resumed it.
  void leave() { outside_ = boost::context::detail::jump_fcontext(outside_, nullptr).fctx; }

 private:
  static constexpr std::size_t kStackBytes = std::size_t{128} << 10;

  static void enter(boost::context::detail::transfer_t from) {
    auto* const self = static_cast<Fiber*>(from.data);
    self->outside_ = from.fctx;
    self->body_();
    for (;;) self->leave();  // finished: nobody resumes it, and if somebody does, nothing happens
  }

  std::unique_ptr<std::byte[]> stack_;
  std::function<void()> body_;
  boost::context::detail::fcontext_t inside_ = nullptr;
  boost::context::detail::fcontext_t outside_ = nullptr;
};

}  // namespace muster::model
