// An HTTP client that sends exactly the bytes it is given and reads answers strictly.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace livekit::token::testing {

struct RawResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The header's value; nothing if there is none, all values joined by a comma if there are several.
  std::optional<std::string> Header(std::string_view lower_name) const;
};

// One connection to a port on loopback. Reads fail after ten seconds.
class RawClient {
 public:
  explicit RawClient(int port, const std::string& host = "127.0.0.1");
  virtual ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False if the peer does not take it.
  bool Send(std::string_view bytes);
  // Says that nothing more will be sent.
  virtual void EndSending();
  // The next answer; its body is as long as `Content-Length` says, or empty after HEAD. Nothing if the connection ends
  // before it is complete, or it is not HTTP.
  std::optional<RawResponse> Read(bool after_head_request = false);
  // Whether the connection ends without another byte.
  bool AtEnd();
  // Sends and reads one answer.
  std::optional<RawResponse> Exchange(std::string_view bytes);
  // The next `size` bytes; fewer if the connection ends before.
  std::string ReadBytes(std::size_t size);
  int fd() const { return fd_; }

 protected:
  struct Connected {
    int fd;
  };
  // Takes a connection over.
  explicit RawClient(Connected connection);

  // One send and one receive, with their results: bytes, 0 at the end, -1 at an error and after ten seconds.
  virtual ssize_t Put(const char* data, std::size_t size);
  virtual ssize_t Get(char* to, std::size_t size);

 private:
  // Receives more into input_; false at the end, at an error and after ten seconds.
  bool Receive();

  int fd_ = -1;
  std::string input_;
};

// A POST of `body` as JSON, with `more` header lines, each with its line end.
std::string PostRequest(std::string_view path, std::string_view body, std::string_view more = "");
// A GET, with `more` header lines.
std::string GetRequest(std::string_view path, std::string_view more = "");

}  // namespace livekit::token::testing
