// Any bytes as a SentencePiece model: ids for a text, or an Error.
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizers/model_proto.h"
#include "tokenizers/sentencepiece_model.h"

using namespace std::literals;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText = "A\u0301 quick\0B <dog>\tcat \uFB01 \U00020000"sv;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    std::vector<int64_t> ids;
    sdxl::SentencePieceModel(sdxl::model_proto_for_encoding(bytes, "fuzz"), "fuzz")
        .encode(kText, &ids);
  } catch (const sdxl::Error& error) {
    if (error.status() != sdxl::ExitStatus::kBadData) std::abort();
  }
  return 0;
}
