// gRPC's own messages, in our log.
#pragma once

namespace livekit::token {

// Lets gRPC, which writes to standard error by itself, write through Log. To be called before gRPC is used.
// Of the messages of one place in gRPC at most five in ten seconds are written.
void RouteGrpcLog();

}  // namespace livekit::token
