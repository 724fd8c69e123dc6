// Serialised sentencepiece.ModelProto messages (sentencepiece_model.proto). Debian's headers lack
// the message's class, and a second protobuf library in the process would clash with the one that
// libsentencepiece exports; so the few fields needed are found and written by the wire format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdxl {

/// `model` without what encoding does not need: self_test_data, which the library would run while
/// it loads, denormalizer_spec and extensions. Its precompiled_charsmap is sound afterwards.
/// Error(kBadData) names `source`.
std::string model_proto_for_encoding(std::string_view model, const std::string& source);

/// A unigram model with these pieces and their scores (log probabilities); the index is the id.
/// Error(kBadData) names `source` if `charsmap` is damaged.
std::string unigram_model_proto(const std::vector<std::pair<std::string, double>>& pieces,
                                int64_t unknown_id, std::string_view charsmap,
                                const std::string& source);

}  // namespace sdxl
