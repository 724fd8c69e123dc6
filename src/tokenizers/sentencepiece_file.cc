// Reads a SentencePiece model by the wire format of protocol buffers: sentencepiece_model.proto's
// ModelProto {pieces = 1, trainer_spec = 2, normalizer_spec = 3}. The library itself is not used:
// it trusts the trie in such a file, and normalises otherwise than transformers does.
#include "tokenizers/sentencepiece_file.h"

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

// The fields of one message, in order.
class Message {
 public:
  Message(std::string_view bytes, const std::string& source) : rest_(bytes), source_(source) {}

  uint64_t field = 0;      ///< The number of the current field.
  uint64_t number = 0;     ///< Its value, of a varint or of 32 or 64 bits.
  std::string_view bytes;  ///< Its value, of text, bytes or a message.

  bool next() {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    field = tag >> 3;
    number = 0;
    bytes = {};
    switch (tag & 7) {
      case 0:
        number = varint();
        break;
      case 1:
        number = fixed(8);
        break;
      case 2:
        bytes = take(varint());
        break;
      case 5:
        number = fixed(4);
        break;
      default:
        refuse("has a field of an unknown kind");
    }
    return true;
  }

  float real() const {
    const auto bits = static_cast<uint32_t>(number);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    throw Error(ExitStatus::kBadData, str(source_, ": is no SentencePiece model: ", what));
  }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) refuse("it is cut short");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    const std::string_view taken = take(size);
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(taken[i]);
    return value;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    refuse("it has a number of more than 64 bits");
  }

  std::string_view rest_;
  const std::string& source_;
};

SentencePieceFile::Piece parse_piece(std::string_view bytes, const std::string& source) {
  SentencePieceFile::Piece piece;
  for (Message message(bytes, source); message.next();) {
    if (message.field == 1) piece.text = message.bytes;
    if (message.field == 2) piece.score = message.real();
    if (message.field == 3) piece.type = static_cast<SentencePieceFile::Type>(message.number);
  }
  return piece;
}

}  // namespace

SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& source) {
  SentencePieceFile file;
  for (Message model(bytes, source); model.next();) {
    if (model.field == 1) file.pieces.push_back(parse_piece(model.bytes, source));
    if (model.field == 2) {
      for (Message spec(model.bytes, source); spec.next();) {
        if (spec.field == 3) file.model = static_cast<SentencePieceFile::Model>(spec.number);
      }
    }
    if (model.field == 3) {
      for (Message spec(model.bytes, source); spec.next();) {
        if (spec.field == 2) file.precompiled_charsmap = spec.bytes;
      }
    }
  }
  if (file.pieces.empty()) {
    throw Error(ExitStatus::kBadData, str(source, ": is no SentencePiece model: it has no pieces"));
  }
  return file;
}

}  // namespace sdxl
