#pragma once
/// A list of problems found by a check: all of them at once, never only the first.

#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>

namespace d2c {

/// One problem: where it is (`file:line:col`, a path, a tensor name) and one sentence about it.
struct Problem {
  std::string where;
  std::string what;

  [[nodiscard]] std::string text() const { return where.empty() ? what : where + ": " + what; }
};

/// Collects problems; `raise()` throws InputError with all of them, one a line.
class Problems {
public:
  void add(std::string where, std::string what) {
    list_.push_back({std::move(where), std::move(what)});
  }

  /// Runs `check`; an InputError that it throws becomes a problem at `where`. Whether there was
  /// none.
  template <class Check>
  bool check(std::string where, Check&& check) {
    try {
      std::forward<Check>(check)();
      return true;
    } catch (const InputError& error) {
      add(std::move(where), error.what());
      return false;
    }
  }

  void append(const Problems& other) {
    list_.insert(list_.end(), other.list_.begin(), other.list_.end());
  }

  [[nodiscard]] bool empty() const { return list_.empty(); }

  [[nodiscard]] const std::vector<Problem>& list() const { return list_; }

  [[nodiscard]] std::string text() const {
    std::string all;
    for (const Problem& problem : list_) {
      all += all.empty() ? "" : "\n";
      all += problem.text();
    }
    return all;
  }

  void raise() const {
    if (!empty()) {
      throw InputError(text());
    }
  }

private:
  std::vector<Problem> list_;
};

} // namespace d2c
