#include "http/response_writer.h"

#include <chrono>
#include <cstdio>
#include <string_view>

#include "base/text.h"

namespace livekit::token::http {
namespace {

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";  // RFC 9112 section 4: may be empty
  }
}

// The form of RFC 9110 section 5.6.7. Made once a second and thread, since a busy server needs it for every answer.
std::string_view FormatDate(Time time) {
  using namespace std::chrono;
  thread_local sys_seconds last{seconds{-1}};
  thread_local char text[64];
  const sys_seconds now = floor<seconds>(time);
  if (now != last) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = floor<days>(now);
    const year_month_day date{day};
    const hh_mm_ss clock{now - day};
    std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays[weekday{day}.c_encoding()],
                  static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                  static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
    last = now;
  }
  return text;
}

// Appends a header, or nothing if it has a line break, which would let its value write headers, or a whole answer, of
// its own.
void AppendField(std::string_view name, std::string_view value, std::string& out) {
  const std::size_t start = out.size();
  out.append(name).append(": ").append(value);
  for (const char c : {'\r', '\n', '\0'}) {
    if (out.find(c, start) != std::string::npos) return out.resize(start);
  }
  out.append("\r\n");
}

bool IsWrittenByServer(std::string_view name) {
  for (const std::string_view own : {"content-length", "transfer-encoding", "connection", "date", "content-type"}) {
    if (EqualsIgnoreCase(name, own)) return true;
  }
  return false;
}

}  // namespace

void WriteResponse(const Response& response, const WriteOptions& options, std::string& out) {
  // RFC 9110 sections 15.3.5 and 15.4.5: these have no content, and no length of it.
  const bool has_no_content = response.status == 204 || response.status == 304;
  const bool has_body = !response.content_type.empty() && !has_no_content;
  out.reserve(out.size() + 256 + response.headers.size() * 64 + response.body.size());
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(ReasonPhrase(response.status)).append("\r\nDate: ").append(FormatDate(options.date)).append("\r\n");
  for (const Header& header : response.headers) {
    if (!header.name.empty() && !IsWrittenByServer(header.name)) AppendField(header.name, header.value, out);
  }
  if (has_body) AppendField("Content-Type", response.content_type, out);
  if (!has_no_content) {
    out.append("Content-Length: ").append(std::to_string(has_body ? response.body.size() : 0)).append("\r\n");
  }
  if (options.close) {
    out.append("Connection: close\r\n");
  } else if (options.say_keep_alive) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  if (has_body && !options.without_body) out.append(response.body);
}

}  // namespace livekit::token::http
