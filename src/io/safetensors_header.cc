// Reads the header by SAX events, so that a hostile one takes no more memory than its entries, and
// checks every rule before any tensor is read.
#include "io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxNesting = 64;

/// What is wrong, without the file's name.
struct Malformed {
  std::string what;
};

/// Bits of one element; 0 for an unknown dtype.
uint64_t dtype_bits(std::string_view dtype) {
  static const std::map<std::string_view, uint64_t> kBits = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64}};
  auto found = kBits.find(dtype);
  return found == kBits.end() ? 0 : found->second;
}

/// Receives the JSON's events. A state suffices to track the place, since the format is flat: the
/// top object, the metadata, a tensor's entry, its shape or its offsets. Skips other fields of an
/// entry, as the reference reader does.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override {
    if (state_ == State::kTop && key_ == "__metadata__") return true;
    return other_value("null");
  }
  bool boolean(bool) override { return other_value("true or false"); }
  bool number_integer(number_integer_t) override { return other_value("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return other_value("a fraction"); }
  bool binary(binary_t&) override { return other_value("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        throw Malformed{str("tensor ", quoted(entry_.name), " has a dimension of ", value)};
      }
      entry_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ == State::kOffsets) {
      offsets_.push_back(value);
      return true;
    }
    return other_value("a number");
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      metadata[key_] = value;
      return true;
    }
    if (state_ == State::kEntry && key_ == "dtype") {
      entry_.dtype = value;
      return true;
    }
    return other_value("a text");
  }

  bool start_object(size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kTop:
        fields_.clear();
        if (key_ == "__metadata__") {
          state_ = State::kMetadata;
        } else {
          state_ = State::kEntry;
          entry_ = {key_, "", {}, 0, 0};
        }
        return true;
      default:
        return start_skipped("an object");
    }
  }

  bool start_array(size_t) override {
    if (state_ == State::kEntry && key_ == "shape") {
      state_ = State::kShape;
      return true;
    }
    if (state_ == State::kEntry && key_ == "data_offsets") {
      state_ = State::kOffsets;
      offsets_.clear();
      return true;
    }
    return start_skipped("a list");
  }

  bool key(string_t& name) override {
    if (skipped_ > 0) return true;
    std::set<std::string>& seen = state_ == State::kTop ? names_ : fields_;
    if (!seen.insert(name).second) throw Malformed{str("the key ", quoted(name), " occurs twice")};
    key_ = name;
    return true;
  }

  bool end_object() override {
    if (skipped_ > 0) {
      --skipped_;
    } else if (state_ == State::kEntry) {
      finish_entry();
      state_ = State::kTop;
    } else if (state_ == State::kMetadata) {
      state_ = State::kTop;
    }
    return true;
  }

  bool end_array() override {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      state_ = State::kEntry;
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw Malformed{str("the header is not valid JSON at its byte ", position)};
  }

 private:
  enum class State { kStart, kTop, kMetadata, kEntry, kShape, kOffsets };

  bool is_extra_field() const {
    return state_ == State::kEntry && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets";
  }

  /// Handles a scalar of a kind that does not belong here.
  bool other_value(const char* kind) {
    if (skipped_ > 0 || is_extra_field()) return true;
    if (state_ == State::kStart) throw Malformed{"the header is not a JSON object"};
    const std::string where = state_ == State::kTop || state_ == State::kMetadata
                                  ? quoted(key_)
                                  : str(quoted(key_), " of tensor ", quoted(entry_.name));
    throw Malformed{str(where, " holds ", kind)};
  }

  /// Handles a list or an object that does not belong here.
  bool start_skipped(const char* kind) {
    other_value(kind);
    if (++skipped_ > kMaxNesting) throw Malformed{"the header is nested too deeply"};
    return true;
  }

  void finish_entry() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.contains(field)) {
        throw Malformed{str("tensor ", quoted(entry_.name), " has no ", quoted(field))};
      }
    }
    if (offsets_.size() != 2) {
      throw Malformed{str("tensor ", quoted(entry_.name), " has ", offsets_.size(),
                          " data_offsets instead of 2")};
    }
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    entries.push_back(std::move(entry_));
  }

  State state_ = State::kStart;
  size_t skipped_ = 0;  ///< Nesting depth inside a skipped value.
  std::string key_;
  std::set<std::string> names_, fields_;
  SafetensorsEntry entry_;
  std::vector<uint64_t> offsets_;
};

/// The bytes that dtype and shape require.
uint64_t tensor_bytes(const SafetensorsEntry& entry) {
  const uint64_t bits = dtype_bits(entry.dtype);
  if (bits == 0) {
    throw Malformed{
        str("tensor ", quoted(entry.name), " has the unknown dtype ", quoted(entry.dtype))};
  }
  uint64_t count = 1;
  int64_t stride = 1;  // may overflow even if another dimension is 0
  bool overflow = false;
  for (int64_t size : entry.shape) {
    overflow |= __builtin_mul_overflow(count, static_cast<uint64_t>(size), &count);
    overflow |= __builtin_mul_overflow(stride, std::max<int64_t>(size, 1), &stride);
  }
  overflow |= __builtin_mul_overflow(count, bits, &count);
  if (overflow) throw Malformed{str("the shape of tensor ", quoted(entry.name), " is too large")};
  if (count % 8 != 0) {
    throw Malformed{str("tensor ", quoted(entry.name), " does not end on a whole byte")};
  }
  return count / 8;
}

/// Sorts the entries by offset and checks that they cover the data section without gap or overlap.
void check_entries(std::vector<SafetensorsEntry>& entries, uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const auto& left, const auto& right) {
    return std::tie(left.begin, left.end) < std::tie(right.begin, right.end);
  });
  uint64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != position || entry.end < entry.begin) {
      throw Malformed{str("tensor ", quoted(entry.name), " lies at bytes ", entry.begin, " to ",
                          entry.end, " but must start at ", position)};
    }
    const uint64_t bytes = tensor_bytes(entry);
    if (entry.end - entry.begin != bytes) {
      throw Malformed{str("tensor ", quoted(entry.name), " has ", entry.end - entry.begin,
                          " bytes but its shape and dtype need ", bytes)};
    }
    position = entry.end;
  }
  if (position > data_size) {
    throw Malformed{str("the file is cut short: its tensors need ", position, " bytes and it has ",
                        data_size, "; download it again")};
  }
  if (position < data_size) {
    throw Malformed{str(data_size - position, " bytes follow the last tensor")};
  }
}

/// Reads the length of the JSON from the first 8 bytes.
uint64_t header_length(std::string_view prefix, uint64_t file_size) {
  if (file_size < 8 || prefix.size() < 8) throw Malformed{"it is shorter than 8 bytes"};
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(prefix[i]);
  if (length > kMaxHeader) throw Malformed{str("it claims a header of ", length, " bytes")};
  if (length > file_size - 8 || length > prefix.size() - 8) {
    throw Malformed{str("the file is cut short: its header needs ", length, " bytes and it has ",
                        file_size - 8, "; download it again")};
  }
  if (length == 0 || prefix[8] != '{') throw Malformed{"its header does not begin with '{'"};
  return length;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view prefix, uint64_t file_size,
                                           const std::string& source) {
  try {
    const uint64_t length = header_length(prefix, file_size);
    const std::string_view text = prefix.substr(8, length);
    // nlohmann's parser would stop at a zero byte.
    if (text.find('\0') != text.npos) throw Malformed{"its header holds a zero byte"};
    HeaderEvents events;
    nlohmann::json::sax_parse(text.begin(), text.end(), &events);
    check_entries(events.entries, file_size - 8 - length);
    return {std::move(events.entries), std::move(events.metadata), 8 + length};
  } catch (const Malformed& malformed) {
    throw bad_data(source, "not a valid safetensors file: ", malformed.what);
  }
}

}  // namespace sdxl
