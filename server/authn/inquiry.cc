#include "server/authn/inquiry.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "server/authn/verified_tokens.h"
#include "service/log.h"
#include "service/log_interval.h"

namespace livekit::token {
namespace {

// Mean size of a key up to which as many answers are remembered as may be.
constexpr std::size_t kKeyBytes = 2048;

}  // namespace

class Inquiry::Memory {
 public:
  explicit Memory(InquiryOptions options)
      : options_(std::move(options)), answers_(options_.cache_entries, options_.cache_entries * kKeyBytes) {}

  bool remembers() const { return options_.cache_ttl.count() > 0; }
  VerifiedTokens& answers() { return answers_; }
  const void* basis() const { return basis_.get(); }

  // Counts an answer to what was asked at `start`.
  void Count(const absl::Status& outcome, std::chrono::steady_clock::time_point start) const {
    if (options_.metrics == nullptr) return;
    options_.metrics->Asked(outcome, std::chrono::steady_clock::now() - start);
  }

  absl::StatusOr<Principal> Take(const VerifiedTokens::Digest& digest, std::size_t bytes, Time now,
                                 const absl::StatusOr<http::ClientResponse>& response) {
    auto answer = response.ok() ? options_.read(*response, now)
                                : WithDetail(Refuse(v1::UNAVAILABLE), std::string(response.status().message()));
    if (!answer.ok()) {
      const std::string why = DetailOf(answer.status());
      if (ReasonOf(answer.status()) == v1::UNAVAILABLE || (response.ok() && response->status >= 500)) LogFailure(why);
      Log(LogLevel::kDebug, "credential_refused",
          {{"authenticator", std::string_view(options_.authenticator)}, {"why", std::string_view(why)}});
      return answer.status();
    }
    if (remembers()) {
      const Time expires = std::min(answer->expires, now + options_.cache_ttl);
      answers_.Insert(digest, bytes, std::make_shared<const Principal>(answer->principal), expires, basis_);
    }
    return std::move(answer->principal);
  }

 private:
  // At most once in ten seconds: everyone who waits for a service that is down fails at once.
  void LogFailure(std::string_view why) {
    if (!failures_.Due()) return;
    Log(LogLevel::kWarn, "authentication_service_failed",
        {{"authenticator", std::string_view(options_.authenticator)}, {"why", why}});
  }

  const InquiryOptions options_;
  // What answers rest on; there is only this service.
  const std::shared_ptr<const void> basis_ = std::make_shared<const int>(0);
  VerifiedTokens answers_;
  LogInterval failures_;
};

Inquiry::Inquiry(std::unique_ptr<http::Client> client, InquiryOptions options)
    : memory_(std::make_shared<Memory>(std::move(options))), client_(std::move(client)) {}

Inquiry::~Inquiry() = default;

void Inquiry::Ask(std::string_view key, http::ClientRequest request, Time now, Authenticator::Done done) const {
  VerifiedTokens::Digest digest{};
  if (memory_->remembers()) {
    digest = memory_->answers().DigestOf(key);
    if (const auto known = memory_->answers().Find(digest, now, memory_->basis())) return done(*known);
  }
  client_->Fetch(std::move(request),
                 [memory = memory_, digest, bytes = key.size(), now, start = std::chrono::steady_clock::now(),
                  done = std::move(done)](const absl::StatusOr<http::ClientResponse>& response) {
                   auto principal = memory->Take(digest, bytes, now, response);
                   memory->Count(principal.status(), start);
                   done(std::move(principal));
                 });
}

std::size_t Inquiry::remembered() const { return memory_->answers().size(); }

}  // namespace livekit::token
