// The bytes of one accepted connection, plain or encrypted.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "http/socket.h"

namespace livekit::token::http {

// How a read or a write went.
enum class IoStatus {
  kOk,          // some bytes went through
  kWouldBlock,  // none did; try again when the socket is reported ready, in either direction
  kClosed,      // the peer's end, or an error: no more bytes will
};

struct IoResult {
  IoStatus status = IoStatus::kClosed;
  std::size_t count = 0;  // bytes that went through; more than 0 exactly for kOk
  // Nothing is left to read until the socket is reported ready again, so that the next read may be saved. Only of
  // reads.
  bool drained = false;
};

// One connection over a non-blocking socket. Nothing here blocks or throws.
//
// Thread safety: none; a transport belongs to the thread of its connection.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual IoResult Read(char* to, std::size_t size) = 0;
  virtual IoResult Write(std::string_view data) = 0;
  // Says to the peer, as far as that is possible at once, that nothing more will be written. Reading goes on.
  virtual void EndWriting() = 0;
  // The socket, for waiting only.
  virtual int fd() const = 0;
};

// Plain bytes over `socket`.
std::unique_ptr<Transport> MakePlainTransport(Fd socket);

}  // namespace livekit::token::http
