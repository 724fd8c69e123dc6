// Malformed models: one error each, and nothing printed by the library.
#include "tokenizers/sentencepiece_model.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/files.h"
#include "support/expect_error.h"
#include "tokenizer_directory.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/model_proto.h"

namespace sdxl {
namespace {

using namespace std::literals;

std::string whole_model() { return read_file(test::kTokenizerData / "t5/spiece.model"); }

SentencePieceModel load(std::string_view bytes) {
  return SentencePieceModel(model_proto_for_encoding(bytes, "f"), "f");
}

/// Loads `bytes` and encodes a text that touches every kind of rule, or throws Error(kBadData).
void load_and_encode(std::string_view bytes) {
  try {
    std::vector<int64_t> ids;
    load(bytes).encode("A\u0301 quick\0B <dog> cat \uFB01 \U00020000"sv, &ids);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
  }
}

TEST(SentencePieceModel, EveryCutIsRefusedOrReadWithoutAWordFromTheLibrary) {
  const std::string whole = whole_model();
  testing::internal::CaptureStderr();
  for (size_t size = 0; size < whole.size(); ++size) load_and_encode(whole.substr(0, size));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(SentencePieceModel, EveryChangedByteIsRefusedOrReadWithoutAWordFromTheLibrary) {
  std::string model = whole_model();
  testing::internal::CaptureStderr();
  for (char& byte : model) {
    for (int bit : {0x01, 0x5A, 0x80}) {
      byte = static_cast<char>(byte ^ bit);
      load_and_encode(model);
      byte = static_cast<char>(byte ^ bit);
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(SentencePieceModel, RefusesWhatIsNotAModel) {
  for (const std::string& bytes :
       {std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), std::string(11, '\xFF'),
        std::string("\x0B"), std::string("\x0A")}) {
    EXPECT_SDXL_ERROR(load(bytes), ExitStatus::kBadData, "f: is not a SentencePiece model");
  }
  EXPECT_SDXL_ERROR(load(""), ExitStatus::kBadData, "f: libsentencepiece cannot use this model");
}

TEST(SentencePieceModel, RefusesPiecesThatCannotBeIndexed) {
  using Pieces = std::vector<std::pair<std::string, double>>;
  const auto load_pieces = [](const Pieces& pieces) {
    return SentencePieceModel(unigram_model_proto(pieces, 0, "", "f"), "f");
  };
  EXPECT_SDXL_ERROR(load_pieces({{"<unk>", 0}, {std::string(1, '\0'), 0}}), ExitStatus::kBadData,
                    "cannot use this model");
  EXPECT_SDXL_ERROR(load_pieces({{"<unk>", 0}, {"", 0}}), ExitStatus::kBadData,
                    "piece must not be empty");
  Pieces nested = {{"<unk>", 0}};
  for (size_t size = 1; size <= 65; ++size) nested.emplace_back(std::string(size, 'a'), 0);
  EXPECT_SDXL_ERROR(load_pieces(nested), ExitStatus::kBadData, "more than 64 pieces");
}

// The library would run such tests, with the model's own texts, while it loads.
TEST(SentencePieceModel, DoesNotRunAModelsSelfTest) {
  const std::string self_test("\x22\x08\x0A\x06\x0A\x01\x61\x12\x01\x62", 10);  // a -> b, wrong.
  EXPECT_NO_THROW(load(whole_model() + self_test));
}

TEST(SentencePieceModel, EncodesInManyThreadsAtOnce) {
  const SentencePieceModel model = load(whole_model());
  std::vector<int64_t> expected;
  model.encode("a red circle on a green field", &expected);
  std::vector<std::vector<int64_t>> got(200 * 4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < got.size(); i += 4) {
        model.encode("a red circle on a green field", &got[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : got) EXPECT_EQ(ids, expected);
}

/// A charsmap whose array has one block of units, as `edit` leaves it, and two texts.
std::string charsmap_with(const std::function<void(std::vector<uint32_t>&)>& edit) {
  std::vector<uint32_t> units(256, 'x');  // A label that matches nowhere but at 'x'.
  units['x'] = 0;
  edit(units);
  std::string bytes("\x00\x04\x00\x00", 4);
  for (uint32_t unit : units) {
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(unit >> shift));
  }
  return bytes + std::string("a\0b\0", 4);
}

TEST(Charsmap, TakesAnArrayThatStaysWithinItself) {
  constexpr uint32_t kHasValue = 1 << 8, kIsValue = 1u << 31;
  EXPECT_NO_THROW(require_sound_charsmap("", "f"));
  EXPECT_NO_THROW(require_sound_charsmap(charsmap_with([](auto&) {}), "f"));
  EXPECT_NO_THROW(require_sound_charsmap(charsmap_with([](auto& units) {
                                           units['q'] = 'q' | kHasValue | ('q' ^ 7) << 10;
                                           units[7] = kIsValue | 2;
                                         }),
                                         "f"));
}

TEST(Charsmap, RefusesAnArrayThatLeadsOutOfItself) {
  constexpr uint32_t kHasValue = 1 << 8, kIsValue = 1u << 31;
  const auto refuses = [](const std::string& charsmap) {
    EXPECT_SDXL_ERROR(require_sound_charsmap(charsmap, "f"), ExitStatus::kBadData, "is damaged");
  };
  refuses("\xFF\xFF\xFF\x7F");
  refuses(std::string("\0\0\0\0a", 5));
  refuses(
      charsmap_with([](auto& units) { units[0] = 1 << 20; }));  // No block for the root's children.
  refuses(charsmap_with([](auto& units) { units['q'] = 'q' | 1 << 20; }));
  refuses(charsmap_with(
      [](auto& units) { units['q'] = 'q' | 'q' << 10; }));  // Back to where it came from.
  refuses(charsmap_with([](auto& units) {                   // A value behind the texts.
    units['q'] = 'q' | kHasValue | ('q' ^ 7) << 10;
    units[7] = kIsValue | 4;
  }));
  refuses(charsmap_with([](auto&) {}) + "not ended");
}

}  // namespace
}  // namespace sdxl
