#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace sdxl {

/// A SentencePiece model, loaded and applied by libsentencepiece.
class SentencePieceModel {
 public:
  /// `model_proto` is a message of model_proto.h. Error(kBadData) names `source`.
  SentencePieceModel(std::string_view model_proto, const std::string& source);
  ~SentencePieceModel();

  /// Number of pieces; ids go from 0 to size() - 1.
  int64_t size() const;
  const std::string& piece(int64_t id) const;
  /// Whether the piece, such as </s>, never comes from text.
  bool is_control(int64_t id) const;

  /// Appends the ids of `text` (valid UTF-8), normalised and segmented as the model says. May be
  /// called by several threads at once.
  void encode(std::string_view text, std::vector<int64_t>* ids) const;

 private:
  std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor_;
  std::string source_;
};

}  // namespace sdxl
