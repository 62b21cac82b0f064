// One of our programs as a process of its own.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token::testing {

// A folder of the test's own, removed at its end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file that others cannot access, and returns its path.
  std::string Write(const std::string& name, std::string_view text) const;

 private:
  std::string path_;
};

// A started program; ended hard by the destructor if it still runs. When it ends, or is ended, whatever leaks.h finds
// in its output and its audit files is a failure of the test, and so is what it finds in metrics and /proc just before.
class Program {
 public:
  // `name` is that of a program in build/bin. The environment holds only PATH and `environment`.
  // With `standard_error`, a descriptor of the caller's, that is its standard error, and the log is not in Output.
  Program(const std::string& name, std::vector<std::string> args, std::map<std::string, std::string> environment = {},
          const std::string& standard_input = "", int standard_error = -1);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // The port of the listener `http`, `grpc` or `admin`, from the log. 0 if the program ends before it listens.
  int AwaitPort(const std::string& listener);
  // Waits until the log has a line with the event "listening" for it. False if the program ends before.
  bool AwaitListening(const std::string& listener) { return !AwaitAddress(listener).empty(); }
  void Signal(int signal);
  // Waits for the end; the exit status, or -1 if a signal ended it.
  int Wait();
  bool Running();
  pid_t pid() const { return pid_; }
  // Everything that it has written so far, to both outputs.
  std::string Output() const;
  // Waits until Output has `text`, since lines are written soon after what they tell of. False if it never has.
  bool AwaitOutput(const std::string& text);

 private:
  std::string AwaitAddress(const std::string& listener);

  void LookForLeaks();
  // What others see of the process while it serves; empty if it does not. Without effect on it, and within a second.
  std::string SeenFromOutside();

  TempFolder folder_;
  std::vector<std::string> args_;
  std::map<std::string, std::string> environment_;
  std::set<std::string> secrets_;  // that it was started with
  std::string seen_;               // from outside, before the end
  bool looked_ = false;
  pid_t pid_ = 0;
};

// Runs a program to its end.
struct Finished {
  int status;
  std::string output;
};
Finished RunProgram(const std::string& name, std::vector<std::string> args,
                    std::map<std::string, std::string> environment = {}, const std::string& standard_input = "");

}  // namespace livekit::token::testing
