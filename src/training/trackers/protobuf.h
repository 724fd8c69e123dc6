// An encoder of protocol buffers, with the wire types that trackers need.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sdxl {

/// A message under construction. Fields are encoded in the order of the calls, which can be
/// chained.
class ProtobufMessage {
 public:
  ProtobufMessage& integer(int field, int64_t value) {
    return key(field, 0).varint(static_cast<uint64_t>(value));
  }
  ProtobufMessage& float32(int field, float value) { return key(field, 5).fixed(value); }
  ProtobufMessage& float64(int field, double value) { return key(field, 1).fixed(value); }
  ProtobufMessage& bytes(int field, std::string_view value) {
    key(field, 2).varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(int field, const ProtobufMessage& value) {
    return bytes(field, value.bytes_);
  }

  const std::string& encoded() const { return bytes_; }

 private:
  ProtobufMessage& key(int field, int wire_type) {
    return varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type));
  }
  ProtobufMessage& varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
    return *this;
  }
  template <typename T>
  ProtobufMessage& fixed(T value) {
    static_assert(std::endian::native == std::endian::little);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof raw);
    return *this;
  }

  std::string bytes_;
};

}  // namespace sdxl
