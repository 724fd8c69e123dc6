#include "tokenizers/model_proto.h"

#include <bit>

#include "base/error.h"
#include "base/text.h"
#include "tokenizers/charsmap.h"

namespace sdxl {
namespace {

// Wire types.
constexpr uint64_t kVarint = 0, kBytes = 2, kFixed32 = 5;
// Fields of ModelProto, its SentencePiece and its NormalizerSpec.
constexpr uint64_t kPieces = 1, kNormalizerSpec = 3;  // trainer_spec is 2.
constexpr uint64_t kPiece = 1, kScore = 2, kType = 3;
constexpr uint64_t kPrecompiledCharsmap = 2;
constexpr uint64_t kUnknownPiece = 2;  ///< A value of kType.

/// The fields of one message, in order. Knows the two wire types that ModelProto and NormalizerSpec
/// use.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, const std::string& source)
      : rest_(bytes), source_(source) {}

  uint64_t field = 0;
  std::string_view bytes;  ///< Empty for a number.

  bool next() {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    field = tag >> 3;
    bytes = {};
    if ((tag & 7) == kVarint) {
      varint();
    } else if ((tag & 7) == kBytes) {
      bytes = take(varint());
    } else {
      refuse();
    }
    return true;
  }

 private:
  [[noreturn]] void refuse() const {
    throw bad_data(source_,
                   "is not a SentencePiece model, or is cut short; "
                   "get the file again from where it came from");
  }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) refuse();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    refuse();
  }

  std::string_view rest_;
  const std::string& source_;
};

void append_varint(uint64_t value, std::string* message) {
  for (; value >= 0x80; value >>= 7) message->push_back(static_cast<char>(value | 0x80));
  message->push_back(static_cast<char>(value));
}

void append_bytes(uint64_t field, std::string_view bytes, std::string* message) {
  append_varint(field << 3 | kBytes, message);
  append_varint(bytes.size(), message);
  message->append(bytes);
}

/// Ends `model` with a normalizer_spec. The library merges it into the ones before, so that this
/// charsmap replaces theirs.
void append_charsmap(std::string_view charsmap, std::string* model) {
  std::string spec;
  append_bytes(kPrecompiledCharsmap, charsmap, &spec);
  append_bytes(kNormalizerSpec, spec, model);
}

}  // namespace

std::string model_proto_for_encoding(std::string_view model, const std::string& source) {
  std::string result;
  result.reserve(model.size());
  std::string_view charsmap;
  for (MessageReader reader(model, source); reader.next();) {
    if (reader.field < kPieces || reader.field > kNormalizerSpec) continue;
    append_bytes(reader.field, reader.bytes, &result);
    if (reader.field != kNormalizerSpec) continue;
    for (MessageReader spec(reader.bytes, source); spec.next();) {
      if (spec.field == kPrecompiledCharsmap) charsmap = spec.bytes;
    }
  }
  require_sound_charsmap(charsmap, source);
  append_charsmap(charsmap, &result);
  return result;
}

std::string unigram_model_proto(const std::vector<std::pair<std::string, double>>& pieces,
                                int64_t unknown_id, std::string_view charsmap,
                                const std::string& source) {
  require_sound_charsmap(charsmap, source);
  std::string result;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const auto& [text, score] = pieces[id];
    std::string piece;
    append_bytes(kPiece, text, &piece);
    append_varint(kScore << 3 | kFixed32, &piece);
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(score));
    for (int shift = 0; shift < 32; shift += 8) piece.push_back(static_cast<char>(bits >> shift));
    if (static_cast<int64_t>(id) == unknown_id) {
      append_varint(kType << 3 | kVarint, &piece);
      append_varint(kUnknownPiece, &piece);
    }
    append_bytes(kPieces, piece, &result);
  }
  append_charsmap(charsmap, &result);
  return result;
}

}  // namespace sdxl
