#include "tokenizers/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

using sentencepiece::SentencePieceProcessor;

// Room that PrefixMatcher::PrefixMatch has for symbols that begin a text; it reads past it for
// more.
constexpr size_t kMostNestedPieces = 64;

[[noreturn]] void refuse_model(const std::string& source, std::string_view reason) {
  throw bad_data(source, "libsentencepiece cannot use this model: ", escaped(reason));
}

void require_ok(const sentencepiece::util::Status& status, const std::string& source) {
  if (!status.ok()) refuse_model(source, status.error_message());
}

/// The largest number of pieces of which each begins with the one before.
size_t most_nested(const SentencePieceProcessor& processor) {
  std::vector<std::string_view> pieces;
  for (int id = 0; id < processor.GetPieceSize(); ++id) pieces.push_back(processor.IdToPiece(id));
  std::sort(pieces.begin(), pieces.end());
  std::vector<std::string_view> chain;
  size_t most = 0;
  for (std::string_view piece : pieces) {
    while (!chain.empty() && !piece.starts_with(chain.back())) chain.pop_back();
    chain.push_back(piece);
    most = std::max(most, chain.size());
  }
  return most;
}

std::unique_ptr<const SentencePieceProcessor> load(std::string_view model_proto,
                                                   const std::string& source) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  sentencepiece::util::Status status;
  try {
    status = processor->LoadFromSerializedProto(model_proto);
  } catch (const std::exception& error) {  // Darts throws for pieces that it cannot index.
    refuse_model(source, error.what());
  }
  require_ok(status, source);
  if (most_nested(*processor) > kMostNestedPieces) {
    refuse_model(source,
                 str("more than ", kMostNestedPieces, " pieces each begin with the one before"));
  }
  return processor;
}

}  // namespace

SentencePieceModel::SentencePieceModel(std::string_view model_proto, const std::string& source)
    : processor_(load(model_proto, source)), source_(source) {}

SentencePieceModel::~SentencePieceModel() = default;

int64_t SentencePieceModel::size() const { return processor_->GetPieceSize(); }

const std::string& SentencePieceModel::piece(int64_t id) const {
  return processor_->IdToPiece(static_cast<int>(id));
}

bool SentencePieceModel::is_control(int64_t id) const {
  return processor_->IsControl(static_cast<int>(id));
}

void SentencePieceModel::encode(std::string_view text, std::vector<int64_t>* ids) const {
  std::vector<int> encoded;
  require_ok(processor_->Encode(text, &encoded), source_);
  ids->insert(ids->end(), encoded.begin(), encoded.end());
}

}  // namespace sdxl
