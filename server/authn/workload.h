// Names of workloads, as Kubernetes and SPIFFE make them.
#pragma once

#include <optional>
#include <string_view>

namespace livekit::token {

// Whether `subject` is that of a Kubernetes service account: `system:serviceaccount:NAMESPACE:NAME`, where the
// namespace is a DNS label and the name a DNS subdomain (RFC 1123, in lower case as Kubernetes has them).
bool IsServiceAccount(std::string_view subject);

// Whether `name` can be that of a SPIFFE trust domain: 1 to 255 lower-case letters, digits, `.`, `-` and `_` (SPIFFE-ID
// section 2.1).
bool IsTrustDomain(std::string_view name);

// What follows `spiffe://TRUST_DOMAIN/` in `id`; nothing if `id` does not begin so.
std::optional<std::string_view> SpiffePathOf(std::string_view id, std::string_view trust_domain);

// Whether `id` is the SPIFFE id of a workload of the trust domain: behind the domain one or more segments of letters,
// digits, `.`, `-` and `_`, none of them `.` or `..`, and no slash at the end (SPIFFE-ID section 2.2).
bool IsSpiffeId(std::string_view id, std::string_view trust_domain);

}  // namespace livekit::token
