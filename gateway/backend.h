// Where the gateway gets its tokens from.
#pragma once

#include <functional>

#include "livekit/token/v1/token_service.pb.h"

namespace livekit::token::gateway {

// Issues participant tokens for relayed requests. Implementations: grpc_backend.h over the network, and the direct one
// inside the standalone.
//
// Thread safety: all methods may be called concurrently.
class Backend {
 public:
  using Item = v1::BatchIssueParticipantTokensRequest::Item;
  using Result = v1::BatchIssueParticipantTokensResponse::Result;
  using Done = std::function<void(Result&&)>;

  virtual ~Backend() = default;
  // Answers `item` by calling `done` exactly once, now or later, on any thread. Never blocks.
  virtual void Issue(Item item, Done done) = 0;
  // Whether a token server could be reached at least once.
  virtual bool Ready() const = 0;
  // Whether one can be reached now, as far as is known.
  virtual bool Reachable() const { return Ready(); }
};

}  // namespace livekit::token::gateway
