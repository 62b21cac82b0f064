#include "service/reloader.h"

#include <utility>

#include "service/log.h"

namespace livekit::token {
namespace {

using SteadyClock = std::chrono::steady_clock;

// However long somebody goes on writing.
constexpr std::chrono::milliseconds kLongestDelay{1000};
// More would be the same mistake many times over.
constexpr std::size_t kMaxLoggedProblems = 20;

void LogRefused(const std::string& file, const ConfigProblems& problems) {
  for (std::size_t i = 0; i < problems.size() && i < kMaxLoggedProblems; ++i) {
    Log(LogLevel::kError, "config_refused",
        {{"file", std::string_view(file)},
         {"path", std::string_view(problems[i].path)},
         {"problem", std::string_view(problems[i].message)}});
  }
}

}  // namespace

Reloader::Reloader(const FileSnapshot& in_use, Apply apply, std::function<void()> tidy, Metrics& metrics,
                   const ReloaderOptions& options)
    : apply_(std::move(apply)),
      tidy_(std::move(tidy)),
      metrics_(metrics),
      options_(options),
      paths_(in_use.paths()),
      fingerprint_(in_use.Fingerprint()),
      state_{fingerprint_, SystemClock().Now(), {}} {
  read_once_.KeepFrom(in_use);
  metrics_.ConfigLoaded(state_.generation, state_.since);
  thread_ = std::thread([this] { Run(); });
}

Reloader::~Reloader() {
  stopping_ = true;
  watch_.Wake();
  thread_.join();
}

void Reloader::Reload() { watch_.Wake(); }

Reloader::State Reloader::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Check CheckOf(const Reloader::State& state) {
  Check check{"configuration", state.refused.empty(), "", /*required=*/false};
  if (!check.ok) {
    const ConfigProblem& first = state.refused.front();
    check.detail = "generation " + state.generation +
                   " stays in use, a newer one was refused: " + (first.path.empty() ? "" : first.path + ": ") +
                   first.message;
  }
  return check;
}

void Reloader::Run() {
  Watch();
  // What changed between the start and the first watch.
  if (HasChanged()) Try();
  while (!stopping_) {
    const bool asked = AwaitReason();
    if (stopping_) return;
    // First, so that what comes into a folder that was made anew is noticed now or later.
    Watch();
    if (asked || HasChanged()) Try();
    if (tidy_) tidy_();
  }
}

bool Reloader::AwaitReason() {
  FolderWatch::Event event = watch_.Wait(options_.poll);
  const auto latest = SteadyClock::now() + kLongestDelay;
  while (event == FolderWatch::Event::kChanged && SteadyClock::now() < latest) event = watch_.Wait(options_.quiet);
  return event == FolderWatch::Event::kWoken;
}

bool Reloader::HasChanged() const {
  FileSnapshot now;
  now.KeepFrom(read_once_);
  for (const std::string& path : paths_) now.Touch(path);
  return now.Fingerprint() != fingerprint_;
}

void Reloader::Try() {
  FileSnapshot files;
  files.KeepFrom(read_once_);
  ConfigProblems problems = apply_(files);
  read_once_.KeepFrom(files);
  paths_ = files.paths();
  fingerprint_ = files.Fingerprint();
  Watch();
  if (problems.empty()) {
    const Time now = SystemClock().Now();
    metrics_.ConfigLoaded(fingerprint_, now);
    Log(LogLevel::kInfo, "config_loaded", {{"generation", std::string_view(fingerprint_)}});
    const std::lock_guard lock(mutex_);
    state_ = {fingerprint_, now, {}};
    return;
  }
  metrics_.ConfigRefused();
  for (ConfigProblem& problem : problems) problem = HideSecrets(problem);
  LogRefused(options_.file, problems);
  // Of what is wrong with the file as a whole, the file is the place.
  for (ConfigProblem& problem : problems) {
    if (problem.path.empty()) problem.path = options_.file;
  }
  const std::lock_guard lock(mutex_);
  state_.refused = std::move(problems);
}

void Reloader::Watch() {
  std::set<std::string> folders;
  for (const std::string& path : paths_) folders.merge(FoldersToWatch(path));
  watch_.Set(folders);
}

}  // namespace livekit::token
