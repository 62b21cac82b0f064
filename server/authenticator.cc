#include "server/authenticator.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/cookie.h"
#include "base/status.h"
#include "base/text.h"
#include "service/authenticator_metrics.h"

namespace livekit::token {

namespace {

template <typename List, typename Value>
bool Contains(const List& list, const Value& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Whether a header is there twice, which would let two readers see two identities.
bool HasTwins(const std::vector<PresentedHeader>& headers) {
  std::set<std::string_view> names;
  return std::any_of(headers.begin(), headers.end(),
                     [&](const PresentedHeader& header) { return !names.insert(header.name).second; });
}

// Whether a proxy says something; headers without value count as absent.
bool ProxySpeaks(const Credentials& credentials) {
  const auto& headers = credentials.trusted_headers;
  return headers &&
         std::any_of(headers->begin(), headers->end(), [](const auto& header) { return !header.value.empty(); });
}

// The headers that an authenticator reads, for a sentence.
std::string Reads(const Authenticator& authenticator) {
  std::vector<std::string> names = authenticator.headers();
  if (const ProxyHeaders* proxy = authenticator.proxy_headers()) {
    names.insert(names.end(), proxy->names.begin(), proxy->names.end());
  }
  std::string out;
  for (const auto& name : names) out.append(out.empty() ? "`" : ", `").append(name).append("`");
  return out.empty() ? "the certificates of calling programs" : out;
}

// What the selected authenticator said.
std::string Answer(const absl::Status& status) {
  if (status.ok()) return "It vouches for the principal.";
  const bool unknown = ReasonOf(status) == v1::UNAVAILABLE;
  const std::string detail = DetailOf(status);
  if (detail.empty()) return unknown ? "It cannot decide now." : "It refuses the credential.";
  return (unknown ? "It cannot decide now: " : "It refuses the credential: ") + detail + ".";
}

absl::Status Failed() { return WithCredentialPresented(Refuse(v1::AUTHENTICATION_FAILED)); }

}  // namespace

AuthenticatorSet::AuthenticatorSet(std::vector<std::unique_ptr<const Authenticator>> authenticators,
                                   std::string anonymous, Metrics* metrics)
    : authenticators_(std::move(authenticators)), anonymous_(std::move(anonymous)) {
  if (metrics != nullptr) {
    for (const auto& authenticator : authenticators_) {
      metrics_.push_back(&metrics->OfAuthenticator(authenticator->name()));
    }
    if (!anonymous_.empty()) anonymous_metrics_ = &metrics->OfAuthenticator(anonymous_);
    unrecognized_metrics_ = &metrics->OfAuthenticator(kOtherSeries);
  }
  std::set<std::string> headers = {"authorization"};
  for (const auto& authenticator : authenticators_) {
    for (auto& header : authenticator->headers()) headers.insert(std::move(header));
    for (auto& cookie : authenticator->cookies()) cookies_.push_back(std::move(cookie));
    if (const ProxyHeaders* proxy = authenticator->proxy_headers()) {
      headers.insert(proxy->names.begin(), proxy->names.end());
      has_proxies_ = true;
    }
  }
  headers_.assign(headers.begin(), headers.end());
}

std::optional<Credentials> AuthenticatorSet::WithoutForeignCookies(const Credentials& credentials) const {
  std::optional<Credentials> sorted;
  for (std::size_t i = 0; i < credentials.headers.size(); ++i) {
    if (credentials.headers[i].name != kCookieHeader) continue;
    std::string counting = SelectCookies(credentials.headers[i].value, cookies_);
    if (counting == credentials.headers[i].value && !counting.empty()) continue;
    if (!sorted) sorted = credentials;
    sorted->headers[i].value = std::move(counting);
  }
  if (!sorted) return std::nullopt;
  auto& headers = sorted->headers;
  headers.erase(std::remove_if(headers.begin(), headers.end(),
                               [](const auto& header) { return header.name == kCookieHeader && header.value.empty(); }),
                headers.end());
  return sorted;
}

void AuthenticatorSet::Authenticate(const Credentials& credentials, Time now, Authenticator::Done done) const {
  if (const auto sorted = WithoutForeignCookies(credentials)) return Authenticate(*sorted, now, std::move(done));
  const auto selected = Select(credentials);
  if (!selected.ok() || *selected == nullptr) {
    if (unrecognized_metrics_ != nullptr) MetricsOf(selected).Authenticated(selected.status());
    if (!selected.ok()) return done(selected.status());
    return done(Principal{anonymous_, "", {}});
  }
  if (unrecognized_metrics_ != nullptr) {
    done = [&metrics = MetricsOf(selected), done = std::move(done)](absl::StatusOr<Principal> principal) {
      metrics.Authenticated(principal.status());
      done(std::move(principal));
    };
  }
  (*selected)->Authenticate(credentials, now, std::move(done));
}

AuthenticatorMetrics& AuthenticatorSet::MetricsOf(const absl::StatusOr<const Authenticator*>& selected) const {
  if (!selected.ok()) return *unrecognized_metrics_;
  if (*selected == nullptr) return *anonymous_metrics_;
  const auto at = std::find_if(authenticators_.begin(), authenticators_.end(),
                               [&](const auto& authenticator) { return authenticator.get() == *selected; });
  return *metrics_[static_cast<std::size_t>(at - authenticators_.begin())];
}

std::vector<JwksMetrics> AuthenticatorSet::KeyStates() const {
  std::vector<JwksMetrics> states;
  for (const auto& authenticator : authenticators_) {
    const auto state = authenticator->key_state();
    if (state) states.push_back({authenticator->name(), state->last_success, state->successes, state->failures});
  }
  return states;
}

void AuthenticatorSet::Explain(const Credentials& credentials, Time now, Explained done) const {
  if (const auto sorted = WithoutForeignCookies(credentials)) return Explain(*sorted, now, std::move(done));
  Authenticate(credentials, now,
               [verdicts = Verdicts(credentials), done = std::move(done)](absl::StatusOr<Principal> principal) {
                 auto answered = verdicts;
                 for (auto& verdict : answered) {
                   if (verdict.selected) verdict.message = Answer(principal.status());
                 }
                 done(std::move(principal), std::move(answered));
               });
}

// Says why each authenticator was not selected.
std::vector<AuthenticatorVerdict> AuthenticatorSet::Verdicts(const Credentials& credentials) const {
  const auto selected = Select(credentials);
  const bool presented = !credentials.headers.empty() || credentials.certificate || ProxySpeaks(credentials);
  const bool twins =
      HasTwins(credentials.headers) || (credentials.trusted_headers && HasTwins(*credentials.trusted_headers));
  const auto recognizing = std::count_if(authenticators_.begin(), authenticators_.end(),
                                         [&](const auto& one) { return one->Recognizes(credentials); });
  std::vector<AuthenticatorVerdict> verdicts;
  for (const auto& one : authenticators_) {
    auto& verdict = verdicts.emplace_back();
    verdict.name = one->name();
    verdict.selected = selected.ok() && *selected == one.get();
    if (verdict.selected) continue;
    if (!presented) {
      verdict.message = "There is no credential that it could check.";
    } else if (twins) {
      verdict.message = "It is not asked, since a header is there twice.";
    } else if (!one->Recognizes(credentials)) {
      verdict.message = "None of the credentials is one of its own; it reads " + Reads(*one) + ".";
    } else if (recognizing > 1) {
      verdict.message = "It is responsible for a credential, and another authenticator is too.";
    } else {
      verdict.message = "It is responsible for a credential, but cannot check all that there are.";
    }
  }
  if (!anonymous_.empty()) {
    const bool applies = selected.ok() && *selected == nullptr;
    verdicts.push_back({anonymous_, applies,
                        presented ? "It is only for requests without any credential."
                                  : "It is not for requests of a proxy that names no user."});
  }
  return verdicts;
}

// The one authenticator that is responsible for the credentials; null for the anonymous one.
absl::StatusOr<const Authenticator*> AuthenticatorSet::Select(const Credentials& credentials) const {
  const bool proxy_speaks = ProxySpeaks(credentials);
  const bool presented = !credentials.headers.empty() || credentials.certificate || proxy_speaks;
  // A proxy that names no user has let somebody through whom it does not know.
  const bool unnamed = credentials.trusted_headers && has_proxies_;
  if (!presented && (unnamed || anonymous_.empty())) return Refuse(v1::AUTHENTICATION_REQUIRED);
  if (HasTwins(credentials.headers) || (credentials.trusted_headers && HasTwins(*credentials.trusted_headers))) {
    return Refuse(v1::AMBIGUOUS_CREDENTIALS);
  }
  if (!presented) return nullptr;
  const Authenticator* selected = nullptr;
  for (const auto& authenticator : authenticators_) {
    if (!authenticator->Recognizes(credentials)) continue;
    if (selected != nullptr) return Refuse(v1::AMBIGUOUS_CREDENTIALS);
    selected = authenticator.get();
  }
  if (selected == nullptr) {
    const bool only_proxy = credentials.headers.empty() && !credentials.certificate;
    return unnamed && only_proxy ? Refuse(v1::AUTHENTICATION_REQUIRED) : Failed();
  }
  // All credentials that are present must be valid: a second one must not ride along unchecked.
  const auto readable = selected->headers();
  for (const auto& header : credentials.headers) {
    if (!(header.name == kCallerHeader ? !readable.empty() : Contains(readable, header.name))) return Failed();
  }
  if (proxy_speaks && selected->proxy_headers() == nullptr) return Failed();
  return selected;
}

Credentials AuthenticatorSet::CallerOf(Credentials presented) const {
  if (!presented.certificate) return presented;
  Credentials certificate;
  certificate.certificate.swap(presented.certificate);
  const bool accepted = std::any_of(authenticators_.begin(), authenticators_.end(),
                                    [&](const auto& candidate) { return candidate->Recognizes(certificate); });
  if (accepted) presented.certificate.swap(certificate.certificate);
  return presented;
}

absl::Status AuthenticatorSet::SortHeaders(std::string_view peer_address, Credentials& credentials) const {
  if (auto sorted = WithoutForeignCookies(credentials)) credentials = *std::move(sorted);
  if (!has_proxies_) return absl::OkStatus();
  const auto peer = IpAddress::Parse(peer_address);
  const auto is_proxy_of = [&](const ProxyHeaders& proxy) {
    return peer && std::any_of(proxy.networks.begin(), proxy.networks.end(),
                               [&](const Network& network) { return network.Contains(*peer); });
  };
  std::set<std::string_view> trusted;
  std::set<std::string_view> untrusted;
  for (const auto& authenticator : authenticators_) {
    const ProxyHeaders* proxy = authenticator->proxy_headers();
    if (proxy == nullptr) continue;
    const bool is_proxy = is_proxy_of(*proxy);
    if (is_proxy && !credentials.trusted_headers) credentials.trusted_headers.emplace();
    (is_proxy ? trusted : untrusted).insert(proxy->names.begin(), proxy->names.end());
  }
  std::vector<PresentedHeader> others;
  for (auto& header : credentials.headers) {
    if (Contains(trusted, header.name)) {
      credentials.trusted_headers->push_back(std::move(header));
    } else if (Contains(untrusted, header.name)) {
      return Failed();
    } else {
      others.push_back(std::move(header));
    }
  }
  credentials.headers = std::move(others);
  return absl::OkStatus();
}

std::string_view BearerToken(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() <= kScheme.size() || !EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme)) return {};
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  return value;
}

bool IsBearerToken(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

std::string_view TokenIn(const Credentials& credentials, std::string_view header) {
  for (const auto& presented : credentials.headers) {
    if (presented.name == kCallerHeader || (presented.name == header && header == "authorization")) {
      return BearerToken(presented.value);
    }
    if (presented.name == header) return presented.value;
  }
  return {};
}

}  // namespace livekit::token
