// A growing run of bytes that is written through a pointer.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/secret.h"

namespace livekit::token {

// Like a string that is only appended to, without setting bytes to zero before they are written. Wiped when freed.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { Free(); }

  // A place for at least `size` more bytes, behind those that are there; Commit says how many were written.
  char* Extend(std::size_t size) {
    if (capacity_ - size_ < size) Grow(size);
    return data_.get() + size_;
  }
  // Takes the bytes up to `end`, which lies inside the last extension.
  void Commit(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }

  void Append(std::string_view text) {
    if (text.empty()) return;  // a fresh buffer has no memory to copy nothing to
    char* to = Extend(text.size());
    std::memcpy(to, text.data(), text.size());
    Commit(to + text.size());
  }

  // The last byte; there must be one.
  char& back() { return data_[size_ - 1]; }
  void pop_back() { --size_; }
  void Clear() { size_ = 0; }
  // Gives memory back if there is more than `bytes` of it.
  void ShrinkTo(std::size_t bytes) {
    if (capacity_ > bytes) Free();
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  void Grow(std::size_t size) {
    const std::size_t capacity = (size_ + size) * 2;
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ != 0) std::memcpy(data.get(), data_.get(), size_);
    const std::size_t used = size_;
    Free();
    data_ = std::move(data);
    size_ = used;
    capacity_ = capacity;
  }
  void Free() {
    if (data_ != nullptr) Wipe(data_.get(), capacity_);
    data_.reset();
    size_ = capacity_ = 0;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace livekit::token
