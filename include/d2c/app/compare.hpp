#pragma once
/// d2c::compare: the main function of a program that sets several pipelines side by side.

#include <d2c/app/run.hpp>
#include <d2c/core/named.hpp>

namespace d2c {

/// Like run(), for several arms under one configuration. Each arm has its folder in `arms/<name>/`;
/// stages that are equal in type and inputs run once. Arms are Named<"name", Pipeline<...>>.
template <class... Arms>
int compare(int argc, const char* const* argv) {
  static_assert(sizeof...(Arms) > 0);
  return detail::run_with_torch<Arms...>(argc, argv);
}

} // namespace d2c
