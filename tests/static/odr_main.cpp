/// Two files that include everything: a function that is not inline fails to link here, and a
/// variable that is not inline has two addresses.

#include <d2c/d2c.hpp>
#include <d2c/version.hpp>

std::string_view version_seen_by_second_file();

int main() {
  return version_seen_by_second_file().data() == d2c::version.data() ? 0 : 1;
}
