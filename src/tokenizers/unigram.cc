// A unigram language model: the best path through a word by dynamic programming.
#include "tokenizers/unigram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

constexpr double kUnknownPenalty = 10.0;

std::vector<std::pair<std::string, int64_t>> numbered(
    const std::vector<std::pair<std::string, double>>& pieces) {
  std::vector<std::pair<std::string, int64_t>> tokens;
  tokens.reserve(pieces.size());
  for (const auto& [text, score] : pieces) {
    tokens.emplace_back(text, static_cast<int64_t>(tokens.size()));
  }
  return tokens;
}

// The best way to reach a byte of the word: the piece that ends there and where it begins.
struct Step {
  int64_t id = 0;
  double score = 0;
  size_t begin = 0;
  bool reached = false;
};

void improve(Step* step, int64_t id, double score, size_t begin) {
  if (step->reached && score <= step->score) return;
  *step = {id, score, begin, true};
}

}  // namespace

UnigramModel::UnigramModel(const std::vector<std::pair<std::string, double>>& pieces,
                           int64_t unknown_id, const std::string& source)
    : vocabulary_(numbered(pieces), source), unknown_id_(unknown_id) {
  if (unknown_id >= vocabulary_.size()) {
    throw Error(ExitStatus::kBadData, str(source, ": has ", vocabulary_.size(),
                                          " pieces, but the unknown one is ", unknown_id));
  }
  for (size_t id = 0; id < pieces.size(); ++id) {
    const auto& [text, score] = pieces[id];
    if (!std::isfinite(score) || valid_utf8(text) != text) {
      throw Error(ExitStatus::kBadData, str(source, ": piece ", id, ", ", quoted(text),
                                            ", has a score that is not finite or is not UTF-8"));
    }
    scores_.push_back(score);
    if (!text.empty()) trie_.add(text, static_cast<int64_t>(id));
  }
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

void UnigramModel::encode(std::string_view word, std::vector<int64_t>* ids) const {
  std::vector<Step> steps(word.size() + 1);
  for (size_t at = 0; at < word.size();) {
    const size_t next = at + code_point_at(word, at).length;
    const double score = steps[at].score;
    bool known = false;
    trie_.for_each_prefix(word.substr(at), [&](int64_t id, size_t length) {
      improve(&steps[at + length], id, score + scores_[static_cast<size_t>(id)], at);
      known = known || at + length == next;
    });
    if (!known) improve(&steps[next], unknown_id_, score + unknown_score_, at);
    at = next;
  }

  std::vector<std::pair<size_t, size_t>> pieces;  // From the last to the first.
  bool in_unknown = false;
  for (size_t end = word.size(); end > 0; end = steps[end].begin) {
    const bool unknown = steps[end].id == unknown_id_;
    if (unknown && in_unknown) {
      pieces.back().first = steps[end].begin;
    } else {
      pieces.emplace_back(steps[end].begin, end);
    }
    in_unknown = unknown;
  }
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    const auto id = vocabulary_.find(word.substr(piece->first, piece->second - piece->first));
    ids->push_back(id.value_or(unknown_id_));
  }
}

}  // namespace sdxl
