#include "http/client_transfer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "base/secret.h"
#include "base/text.h"
#include "http/destination.h"
#include "service/log.h"

namespace livekit::token::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxHeaderBytes = std::size_t{32} * 1024;
constexpr milliseconds kLongest = std::chrono::hours(1);

// Header lines that frame the message, belong to the connection or would ask for an encoded body.
constexpr std::array<std::string_view, 12> kOwnHeaders = {"accept-encoding",
                                                          "connection",
                                                          "content-length",
                                                          "expect",
                                                          "host",
                                                          "keep-alive",
                                                          "proxy-authorization",
                                                          "proxy-connection",
                                                          "te",
                                                          "trailer",
                                                          "transfer-encoding",
                                                          "upgrade"};

// RFC 9110 section 5.6.2.
bool IsTokenChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsFieldChar(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); }

bool IsRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

std::vector<std::string_view> ClientResponse::HeaderValues(std::string_view lower_name) const {
  std::vector<std::string_view> values;
  for (const Header& header : headers) {
    if (EqualsIgnoreCase(header.name, lower_name)) values.emplace_back(header.value);
  }
  return values;
}

std::optional<std::string_view> ClientResponse::SingleHeader(std::string_view lower_name) const {
  const auto values = HeaderValues(lower_name);
  return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
}

Transfer::Transfer(ClientRequest request, Client::Done done, SteadyTime now)
    : request_(std::move(request)),
      done_(std::move(done)),
      deadline_(now + std::clamp(request_.timeout, milliseconds(1), kLongest)) {}

Transfer::~Transfer() {
  for (Header& header : request_.headers) Wipe(header.value);
  Wipe(request_.body);
}

void Transfer::FreeList::operator()(curl_slist* list) const {
  for (const curl_slist* line = list; line != nullptr; line = line->next) Wipe(line->data, std::strlen(line->data));
  curl_slist_free_all(list);
}

absl::Status Transfer::CheckRequest() {
  const bool is_post = request_.method == "POST";
  if (!is_post && (request_.method != "GET" || !request_.body.empty())) {
    return absl::InvalidArgumentError("the method is not POST, nor GET without a body");
  }
  for (const Header& header : request_.headers) {
    // Anything else could begin another header line, or another request.
    const bool is_valid = !header.name.empty() && std::all_of(header.name.begin(), header.name.end(), IsTokenChar) &&
                          std::all_of(header.value.begin(), header.value.end(), IsFieldChar);
    if (!is_valid) return absl::InvalidArgumentError("a header is not valid");
    const std::string name = AsciiLower(header.name);
    if (std::find(kOwnHeaders.begin(), kOwnHeaders.end(), name) != kOwnHeaders.end()) {
      return absl::InvalidArgumentError("a header is one that only the client writes");
    }
  }
  auto url = ParseClientUrl(request_.url, request_.allow_http);
  if (!url.ok()) return url.status();
  url_ = *std::move(url);
  return absl::OkStatus();
}

absl::Status Transfer::Begin(SteadyTime now) noexcept {
  try {
    return Prepare(now);
  } catch (const std::exception&) {
    return Explain(CURLE_OUT_OF_MEMORY);
  }
}

absl::Status Transfer::Prepare(SteadyTime now) {
  if (now >= deadline_) return Explain(CURLE_OPERATION_TIMEDOUT);
  if (easy_ == nullptr) {
    if (absl::Status checked = CheckRequest(); !checked.ok()) return checked;
    easy_.reset(curl_easy_init());
  } else {
    curl_easy_reset(easy_.get());
  }
  body_.clear();
  header_bytes_ = 0;
  has_headers_ = false;
  // What is left is rounded up: 0 would mean for ever.
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - now) + milliseconds(1);
  if (easy_ == nullptr || !SetOptions(left)) {
    return absl::UnavailableError("the request cannot be prepared: out of memory, or not what libcurl can do");
  }
  return absl::OkStatus();
}

bool Transfer::AddLine(std::string line) {
  curl_slist* const longer = curl_slist_append(lines_.get(), line.c_str());
  Wipe(line);
  if (longer == nullptr) return false;
  (void)lines_.release();
  lines_.reset(longer);
  return true;
}

bool Transfer::SetOptions(milliseconds left) {
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = ok && curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
  };
  // Who is asked, and by which protocols.
  set(CURLOPT_URL, url_.text.c_str());
  set(CURLOPT_PROTOCOLS_STR, request_.allow_http ? "https,http" : "https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::OnSocket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  // A change of the name's addresses is followed even if the connection is always in use.
  set(CURLOPT_MAXLIFETIME_CONN, 300L);
  // TLS.
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  // How long authorities are kept that have been read from files, which an operator may have exchanged.
  set(CURLOPT_CA_CACHE_TIMEOUT, 60L);
  if (!request_.ca_file.empty()) {
    set(CURLOPT_CAINFO, request_.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // the system's folder would count besides
  }
  // Time. A name that is being looked up when time is up is left to itself: libcurl would otherwise wait for the
  // system's resolver, and all other transfers with it.
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  const auto connect = std::clamp(request_.connect_timeout, milliseconds(1), left);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()));
  // The answer.
  set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_body_bytes));
  set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  // The question.
  lines_.reset();
  bool has_type = false;
  for (const Header& header : request_.headers) {
    has_type = has_type || EqualsIgnoreCase(header.name, "content-type");
    // The way to tell libcurl of an empty value, which would otherwise drop the line.
    const bool is_blank = header.value.find_first_not_of(" \t") == header.value.npos;
    ok = ok && AddLine(is_blank ? header.name + ";" : header.name + ": " + header.value);
  }
  set(CURLOPT_USERAGENT, "livekit-token-service/" LIVEKIT_TOKEN_VERSION);
  if (request_.method == "POST") {
    ok = ok && AddLine("Expect:") && (has_type || AddLine("Content-Type:"));
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request_.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  } else {
    set(CURLOPT_HTTPGET, 1L);
  }
  set(CURLOPT_HTTPHEADER, lines_.get());
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  return ok;
}

std::size_t Transfer::OnBody(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  const std::size_t room = transfer.request_.max_body_bytes - transfer.body_.size();
  if (bytes > room) {
    transfer.too_large_ = true;
    return CURL_WRITEFUNC_ERROR;
  }
  try {
    transfer.body_.append(data, bytes);
  } catch (const std::exception&) {
    return CURL_WRITEFUNC_ERROR;
  }
  return bytes;
}

std::size_t Transfer::OnHeader(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  // Counts also those of interim answers and trailers, of which there could be any number. libcurl keeps the lines.
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.header_bytes_ += line.size();
  if (transfer.header_bytes_ > kMaxHeaderBytes) {
    transfer.too_large_ = true;
    return CURL_WRITEFUNC_ERROR;
  }
  if (line.substr(0, 5) == "HTTP/") transfer.has_headers_ = false;
  if (line == "\r\n" || line == "\n") transfer.has_headers_ = true;
  return line.size();
}

curl_socket_t Transfer::OnSocket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept {
  if (purpose != CURLSOCKTYPE_IPCXN || IsRefusedDestination(address->addr)) {
    static_cast<Transfer*>(self)->refused_address_ = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

absl::Status Transfer::Explain(CURLcode code) const {
  if (too_large_ || code == CURLE_FILESIZE_EXCEEDED) return absl::ResourceExhaustedError("the answer is too large");
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError("the server did not answer in time");
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError("the host's name cannot be resolved");
    case CURLE_COULDNT_CONNECT:
      if (refused_address_) {
        return absl::PermissionDeniedError(
            "the host's address is link-local or a metadata service, which is never asked");
      }
      return absl::UnavailableError("the server cannot be reached");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return absl::UnauthenticatedError("the server's certificate is not accepted");
    case CURLE_SSL_CACERT_BADFILE:
      return absl::UnauthenticatedError("the file of certificate authorities cannot be used");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CERTPROBLEM:
      return absl::UnauthenticatedError("there is no TLS connection that both sides accept");
    case CURLE_OUT_OF_MEMORY:
      return absl::UnavailableError("out of memory");
    default:
      return absl::UnavailableError("the connection failed, or the answer is not complete HTTP");
  }
}

ClientResponse Transfer::TakeResponse() {
  ClientResponse response;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  const curl_header* header = nullptr;
  while ((header = curl_easy_nextheader(easy_.get(), CURLH_HEADER, -1, const_cast<curl_header*>(header))) != nullptr) {
    response.headers.push_back({header->name, header->value});
  }
  response.body = std::move(body_);
  return response;
}

std::optional<Transfer::Result> Transfer::Finish(CURLcode code) noexcept {
  if (code != CURLE_OK) return Explain(code);
  if (!has_headers_) return Explain(CURLE_PARTIAL_FILE);  // a connection that ends there is good enough for libcurl
  try {
    return Conclude();
  } catch (const std::exception&) {
    return Explain(CURLE_OUT_OF_MEMORY);
  }
}

std::optional<Transfer::Result> Transfer::Conclude() {
  ClientResponse response = TakeResponse();
  if (response.status < 200) return Explain(CURLE_PARTIAL_FILE);  // an interim answer, and then the end
  if (!IsRedirect(response.status) || request_.method != "GET" || request_.max_redirects <= 0) return response;
  if (redirects_ >= request_.max_redirects) return absl::PermissionDeniedError("the server redirects too often");
  auto target = ResolveRedirect(url_, response.SingleHeader("location").value_or(""));
  if (!target.ok()) return std::move(target).status();
  ++redirects_;
  url_ = *std::move(target);
  return std::nullopt;
}

void Transfer::Answer(Result result) noexcept {
  // Taken out first: what it holds goes with the call.
  const Client::Done done = std::exchange(done_, nullptr);
  try {
    if (done) done(std::move(result));
  } catch (...) {
    Log(LogLevel::kError, "http_client_callback_failed");
  }
}

}  // namespace livekit::token::http
