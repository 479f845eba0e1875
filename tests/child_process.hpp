#pragma once
/// Test cases that run in a process of their own, to be killed there.

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace d2c_test {

/// Where the parent says what the child is to do: a folder, and a number of the test's own.
constexpr const char* child_folder_variable = "D2C_TEST_CHILD_FOLDER";
constexpr const char* child_number_variable = "D2C_TEST_CHILD_NUMBER";

/// Starts this test program anew for the hidden test case `name`, without its output. A new process
/// instead of a fork: threads of the tensor library do not survive one. Its temporary files lie in
/// `folder`, so that a killed child leaves nothing elsewhere.
inline pid_t start_child(const std::string& name, const std::filesystem::path& folder,
                         int number = 0) {
  std::vector<std::string> variables{std::string(child_folder_variable) + "=" + folder.string(),
                                     std::string(child_number_variable) + "=" +
                                         std::to_string(number),
                                     "TMPDIR=" + folder.string()};
  std::vector<char*> environment;
  for (std::string& variable : variables) {
    environment.push_back(variable.data());
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("TMPDIR=")) {
      environment.push_back(*variable);
    }
  }
  environment.push_back(nullptr);
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string test = name;
  char* arguments[] = {self.data(), test.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw std::runtime_error("cannot start " + self);
  }
  return child;
}

/// Waits for the end of a child: true if it was killed, false if it passed. Throws if it failed.
inline bool was_killed(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) {
    throw std::runtime_error("cannot wait for a child process");
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    return true;
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("the child process failed");
  }
  return false;
}

/// In the child: what the parent handed over.
inline std::filesystem::path child_folder() {
  const char* folder = std::getenv(child_folder_variable);
  if (folder == nullptr) {
    throw std::runtime_error("this test case is started by another one");
  }
  return folder;
}

inline int child_number() {
  const char* number = std::getenv(child_number_variable);
  return number == nullptr ? 0 : std::atoi(number);
}

} // namespace d2c_test
