// One request of the client on its way.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "http/client.h"
#include "http/client_url.h"

namespace livekit::token::http {

// Everything about a request that is not about others: what libcurl is told, what it gives, what that means.
//
// Thread safety: none; belongs to the client's thread.
class Transfer {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using Result = absl::StatusOr<ClientResponse>;

  Transfer(ClientRequest request, Client::Done done, SteadyTime now);
  // Wipes the request, which holds credentials; libcurl's own buffers are out of reach.
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  SteadyTime deadline() const { return deadline_; }
  // What libcurl is given; null before Begin.
  CURL* easy() const { return easy_.get(); }

  // Prepares the first exchange, or the next one after a redirect. Errors: as for Client::Done.
  absl::Status Begin(SteadyTime now) noexcept;
  // What came of the exchange that ended with `code`; nothing if a redirect is to be followed.
  std::optional<Result> Finish(CURLcode code) noexcept;
  // Hands over the result.
  void Answer(Result result) noexcept;

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const;  // wipes the lines too
  };
  using Lines = std::unique_ptr<curl_slist, FreeList>;

  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static curl_socket_t OnSocket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;

  absl::Status CheckRequest();
  absl::Status Prepare(SteadyTime now);
  std::optional<Result> Conclude();
  bool SetOptions(std::chrono::milliseconds left);
  bool AddLine(std::string line);
  absl::Status Explain(CURLcode code) const;
  ClientResponse TakeResponse();

  ClientRequest request_;
  Client::Done done_;
  const SteadyTime deadline_;
  ClientUrl url_;  // of the current exchange
  int redirects_ = 0;
  Lines lines_;  // outlives easy_, which refers to it
  std::unique_ptr<CURL, FreeEasy> easy_;
  // Of the current exchange:
  std::string body_;
  std::size_t header_bytes_ = 0;
  bool has_headers_ = false;  // all of them, up to the empty line
  bool too_large_ = false;
  bool refused_address_ = false;
};

}  // namespace livekit::token::http
