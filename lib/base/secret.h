// Secret bytes: wiped when freed, compared in constant time, without any way to print them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace livekit::token {

// Overwrites `size` bytes at `data` in a way that the compiler keeps.
void Wipe(void* data, std::size_t size);

// Overwrites the characters of `text` and empties it.
void Wipe(std::string& text);

// Whether two texts are equal, in a time that depends only on their lengths.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

// Fills `data` with random bytes from OpenSSL's generator. Ends the process if the generator fails: no token may carry
// a predictable id.
void RandomBytes(void* data, std::size_t size);

// The same for ids, which are labels and not secrets: drawn from the generator many at a time and kept for the thread,
// since one draw costs more than a whole signature. A fork would give both sides the same ids. `size` is at most 64.
void RandomIdBytes(void* data, std::size_t size);

// Owns secret bytes. Movable, not copyable except by Clone, so that the number of copies in memory stays visible in the
// code. Not printable: there is no stream operator and no conversion.
//
// Thread safety: concurrent reads are safe.
class Secret {
 public:
  Secret() = default;
  // Takes the bytes of `text` and wipes it.
  explicit Secret(std::string&& text);
  static Secret CopyOf(std::string_view text);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret Clone() const { return CopyOf(bytes_); }
  // The bytes; the name is there to be searched for in reviews.
  std::string_view Reveal() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

}  // namespace livekit::token
