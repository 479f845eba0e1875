// In the other order than d2c.hpp has by itself: none may hide a name of another.
#include <d2c/core.hpp>
#include <d2c/d2c.hpp>
#include <d2c/version.hpp>

std::string_view version_seen_by_second_file() {
  return d2c::version;
}
