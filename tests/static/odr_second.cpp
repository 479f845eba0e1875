#include <d2c/d2c.hpp>
#include <d2c/version.hpp>

std::string_view version_seen_by_second_file() {
  return d2c::version;
}
