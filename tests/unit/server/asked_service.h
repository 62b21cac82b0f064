// A service that authenticators ask, for tests.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "unit/http/client_fixture.h"

namespace livekit::token::testing {

// Notes what it is asked, and answers as the test says. Thread safety: may be told while it is asked.
class AskedService {
 public:
  explicit AskedService(std::string answer) : answer_(std::move(answer)) {}

  void Say(const std::string& answer) {
    const std::lock_guard lock(mutex_);
    answer_ = answer;
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string Url(const std::string& path) const { return server_.Url(path); }

 private:
  mutable std::mutex mutex_;
  std::string answer_;
  std::vector<std::string> requests_;
  http::ScriptedServer server_{http::Answering([this](const std::string& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    return answer_;
  })};
};

}  // namespace livekit::token::testing
