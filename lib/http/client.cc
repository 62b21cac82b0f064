#include "http/client.h"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <list>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "http/client_transfer.h"
#include "service/log.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;
using Task = std::function<void()>;

constexpr char kTooMany[] = "too many requests are under way";
constexpr char kNoMemory[] = "out of memory";
constexpr char kStopped[] = "the client is being stopped";
constexpr milliseconds kLongestPause = std::chrono::minutes(1);

struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

void Run(const Task& task) noexcept {
  try {
    task();
  } catch (...) {
    Log(LogLevel::kError, "http_client_callback_failed");
  }
}

class CurlClient final : public Client {
 public:
  CurlClient(const ClientOptions& options, CURLM* multi)
      : max_transfers_(static_cast<std::size_t>(std::max(1, options.max_transfers))),
        max_admitted_(max_transfers_ + static_cast<std::size_t>(std::max(0, options.max_waiting))),
        multi_(multi),
        thread_([this] { Loop(); }) {}

  ~CurlClient() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    Wake();
    thread_.join();
  }

  void Fetch(ClientRequest request, Done done) override {
    Transfers one;
    one.emplace_back(std::move(request), std::move(done), SteadyClock::now());
    {
      const std::lock_guard lock(mutex_);
      const bool has_room = admitted_ < max_admitted_;
      Append(has_room ? inbox_ : refused_, one);
      if (has_room) ++admitted_;
    }
    Wake();
  }

  void After(milliseconds delay, Task task) override {
    Tasks one;
    one.emplace(SteadyClock::now() + std::max(delay, milliseconds(0)), std::move(task));
    {
      const std::lock_guard lock(mutex_);
      new_tasks_.merge(one);
    }
    Wake();
  }

 private:
  // Moved from one list to the next without memory that could be lacking.
  using Transfers = std::list<Transfer>;
  using Tasks = std::multimap<SteadyTime, Task>;

  static void Append(Transfers& to, Transfers& from) { to.splice(to.end(), from); }

  void Wake() { curl_multi_wakeup(multi_.get()); }

  void Loop() {
    // libcurl sends without it, but leaves it to us to be sure.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (Take()) {
      RunTasks();
      EndLateWaiting();
      BeginWaiting();
      int running = 0;
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) EndActive(absl::StatusCode::kUnavailable, kNoMemory);
      EndFinished();
      if (curl_multi_poll(multi_.get(), nullptr, 0, Pause(), nullptr) != CURLM_OK) {
        EndActive(absl::StatusCode::kUnavailable, kNoMemory);
      }
    }
    Close();
  }

  // Takes what other threads have left; false if that is the end.
  bool Take() {
    Transfers refused;
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return false;
      Append(waiting_, inbox_);
      tasks_.merge(new_tasks_);
      refused.swap(refused_);
    }
    for (Transfer& transfer : refused) transfer.Answer(absl::UnavailableError(kTooMany));
    return true;
  }

  void RunTasks() {
    const SteadyTime now = SteadyClock::now();
    while (!tasks_.empty() && tasks_.begin()->first <= now) {
      const auto task = tasks_.extract(tasks_.begin());
      Run(task.mapped());
    }
  }

  void EndLateWaiting() {
    const SteadyTime now = SteadyClock::now();
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      const auto transfer = it++;
      if (transfer->deadline() > now) continue;
      Transfers late = Remove(waiting_, transfer);
      End(late, absl::DeadlineExceededError(kTooMany));
    }
  }

  void BeginWaiting() {
    while (!waiting_.empty() && active_.size() < max_transfers_) {
      Transfers next = Remove(waiting_, waiting_.begin());
      Begin(next);
    }
  }

  static Transfers Remove(Transfers& from, Transfers::iterator transfer) {
    Transfers one;
    one.splice(one.end(), from, transfer);
    return one;
  }

  void Begin(Transfers& one) {
    absl::Status begun = one.front().Begin(SteadyClock::now());
    if (begun.ok() && curl_multi_add_handle(multi_.get(), one.front().easy()) != CURLM_OK) {
      begun = absl::UnavailableError(kNoMemory);
    }
    if (!begun.ok()) return End(one, std::move(begun));
    Append(active_, one);
  }

  // Takes one from libcurl.
  Transfers RemoveActive(Transfers::iterator transfer) {
    curl_multi_remove_handle(multi_.get(), transfer->easy());
    return Remove(active_, transfer);
  }

  void EndFinished() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;  // goes with the handle
      const auto found = std::find_if(active_.begin(), active_.end(),
                                      [&](const Transfer& t) { return t.easy() == message->easy_handle; });
      Transfers one = RemoveActive(found);
      auto result = one.front().Finish(code);
      if (result) {
        End(one, *std::move(result));
      } else {
        Begin(one);
      }
    }
  }

  void EndActive(absl::StatusCode code, const char* sentence) {
    while (!active_.empty()) {
      Transfers one = RemoveActive(active_.begin());
      End(one, absl::Status(code, sentence));
    }
  }

  // Answers, with room for a request that follows from the answer.
  void End(Transfers& one, Transfer::Result result) {
    {
      const std::lock_guard lock(mutex_);
      --admitted_;
    }
    one.front().Answer(std::move(result));
  }

  // Until when there is nothing to do but for what libcurl knows of.
  int Pause() const {
    if (!waiting_.empty() && active_.size() < max_transfers_) return 0;
    const SteadyTime now = SteadyClock::now();
    SteadyTime until = now + kLongestPause;
    if (!tasks_.empty()) until = std::min(until, tasks_.begin()->first);
    for (const Transfer& transfer : waiting_) until = std::min(until, transfer.deadline());
    const auto pause = std::chrono::ceil<milliseconds>(until - now);
    return static_cast<int>(std::max(pause, milliseconds(0)).count());
  }

  // Answers everything, also what the answers ask.
  void Close() {
    EndActive(absl::StatusCode::kCancelled, kStopped);
    for (;;) {
      Transfers rest;
      Append(rest, waiting_);
      {
        const std::lock_guard lock(mutex_);
        Append(rest, inbox_);
        Append(rest, refused_);
      }
      if (rest.empty()) break;
      for (Transfer& transfer : rest) transfer.Answer(absl::CancelledError(kStopped));
    }
    tasks_.clear();
  }

  const std::size_t max_transfers_;
  const std::size_t max_admitted_;
  const std::unique_ptr<CURLM, FreeMulti> multi_;

  std::mutex mutex_;
  bool closing_ = false;      // guarded by mutex_
  std::size_t admitted_ = 0;  // guarded by mutex_: how many are in inbox_, waiting_ and active_
  Transfers inbox_;           // guarded by mutex_
  Transfers refused_;         // guarded by mutex_
  Tasks new_tasks_;           // guarded by mutex_

  // The rest belongs to the thread.
  Transfers waiting_;
  Transfers active_;
  Tasks tasks_;

  std::thread thread_;  // last, since it uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Start(const ClientOptions& options) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* const multi = initialized == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return absl::UnavailableError("libcurl cannot be set up");
  try {
    return std::make_unique<CurlClient>(options, multi);
  } catch (const std::system_error&) {
    return absl::UnavailableError("there is no thread for the HTTP client");
  }
}

}  // namespace livekit::token::http
