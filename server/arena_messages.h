// Memory for the requests of large calls.
#pragma once

#include "google/protobuf/arena.h"
#include "grpcpp/support/message_allocator.h"

namespace livekit::token {

// Makes the messages of a call: the request in an arena, since a batch has thousands of parts that come and go
// together.
//
// Thread safety: as gRPC needs it.
template <typename Request, typename Response>
class ArenaMessages final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Messages; }

 private:
  class Messages final : public grpc::MessageHolder<Request, Response> {
   public:
    Messages() : arena_(Options()) {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(&response_);
    }
    void Release() override { delete this; }

   private:
    static google::protobuf::ArenaOptions Options() {
      google::protobuf::ArenaOptions options;
      options.max_block_size = 64 << 10;
      return options;
    }

    google::protobuf::Arena arena_;
    Response response_;
  };
};

}  // namespace livekit::token
