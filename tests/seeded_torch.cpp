// Every test case draws the same numbers from LibTorch, which seeds itself differently in every C++
// program.

#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch.hpp>

#include <d2c/tensor/torch.hpp>

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif

struct SeededTorch : Listener {
  using Listener::Listener;

  void testCaseStarting(const Catch::TestCaseInfo&) override { at::manual_seed(17); }
};

CATCH_REGISTER_LISTENER(SeededTorch)

} // namespace
