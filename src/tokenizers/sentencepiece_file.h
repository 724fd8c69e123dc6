// Reads what a tokenizer needs out of a SentencePiece model (a protocol-buffer file, spiece.model).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

struct SentencePieceFile {
  enum class Type {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  enum class Model { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;
  Model model = Model::kUnigram;
  std::string precompiled_charsmap;
};

/// Error(kBadData) names `source`.
SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& source);

}  // namespace sdxl
