// The server's side of one TLS connection.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "http/socket.h"
#include "http/transport.h"

namespace livekit::token::http {

// TLS over `socket`, which is non-blocking, with the settings of `context`. Without memory for it the transport is one
// that is closed.
//
// Plain HTTP, a failed handshake and an end without close_notify are kClosed. So is a peer that sends much without
// saying anything (key updates, refused renegotiations), which would otherwise keep the thread inside one read. After
// kWouldBlock a write must be repeated with at least the same bytes.
std::unique_ptr<Transport> MakeTlsTransport(SSL_CTX* context, Fd socket);

}  // namespace livekit::token::http
