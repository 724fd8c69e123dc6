#include "tokenizers/bpe.h"

#include <bit>
#include <queue>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

uint64_t key_of(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

uint64_t hash_of(uint64_t key) {
  key *= 0x9E3779B97F4A7C15;
  return key ^ (key >> 32);
}

/// A node of a doubly linked list.
struct Symbol {
  int64_t id;
  int64_t previous, next;  // -1 at the ends.
  bool gone = false;
};

struct Candidate {
  uint32_t rank;
  int64_t position;
  uint32_t result;
};

struct Later {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

}  // namespace

BpeMerges::BpeMerges(const std::vector<std::pair<std::string, std::string>>& pairs,
                     const Vocabulary& vocabulary, const std::string& source) {
  table_.resize(std::bit_ceil(2 * pairs.size() + 2));
  const auto id_of = [&](const std::string& token, size_t rank) {
    const auto id = vocabulary.find(token);
    if (!id) {
      throw bad_data(source, "merge ", rank + 1, " needs the token ", quoted(token),
                     ", which the vocabulary lacks; the two files don't belong together");
    }
    return *id;
  };
  std::string merged;
  for (size_t rank = 0; rank < pairs.size(); ++rank) {
    const auto& [left, right] = pairs[rank];
    merged.assign(left).append(right);
    const uint64_t key = key_of(id_of(left, rank), id_of(right, rank));
    size_t slot = hash_of(key) & (table_.size() - 1);
    while (table_[slot].pair != kEmpty && table_[slot].pair != key) {
      slot = (slot + 1) & (table_.size() - 1);
    }
    table_[slot] = {key, static_cast<uint32_t>(rank), static_cast<uint32_t>(id_of(merged, rank))};
  }
}

const BpeMerges::Merge* BpeMerges::find(int64_t left, int64_t right) const {
  const uint64_t key = key_of(left, right);
  for (size_t slot = hash_of(key) & (table_.size() - 1);; slot = (slot + 1) & (table_.size() - 1)) {
    if (table_[slot].pair == key) return &table_[slot];
    if (table_[slot].pair == kEmpty) return nullptr;
  }
}

void BpeMerges::apply(std::vector<int64_t>* symbols) const {
  const auto count = static_cast<int64_t>(symbols->size());
  std::vector<Symbol> list;
  list.reserve(symbols->size());
  for (int64_t i = 0; i < count; ++i) {
    list.push_back({(*symbols)[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
  }
  const auto at = [&](int64_t i) -> Symbol& { return list[static_cast<size_t>(i)]; };

  std::vector<Candidate> storage;
  storage.reserve(symbols->size());
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue(Later{}, std::move(storage));
  const auto consider = [&](int64_t left, int64_t right) {
    if (const Merge* merge = find(at(left).id, at(right).id)) {
      queue.push({merge->rank, left, merge->result});
    }
  };
  for (int64_t i = 0; i + 1 < count; ++i) consider(i, i + 1);

  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = at(top.position);
    if (left.gone || left.next < 0) continue;
    Symbol& right = at(left.next);
    // The pair at this position may have changed since the entry was queued.
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->result != top.result) continue;
    left.id = top.result;
    left.next = right.next;
    right.gone = true;
    if (right.next >= 0) at(right.next).previous = top.position;
    if (left.previous >= 0) consider(left.previous, top.position);
    if (left.next >= 0) consider(top.position, left.next);
  }

  symbols->clear();
  for (const Symbol& symbol : list) {
    if (!symbol.gone) symbols->push_back(symbol.id);
  }
}

}  // namespace sdxl
