// Captions: what data sets may hold, and the choice of each draw.
#include "data/captions.h"

#include "data/data_test_files.h"

namespace sdxl {
namespace {

TEST(Captions, ChoosesAsTheReference) {
  for (const Json& json : transform_reference()["captions"]) {
    const CaptionChoice choice = choose_caption(json["count"], json["proportion"], 3, json["draw"]);
    EXPECT_EQ(choice.dropped, json["dropped"].get<bool>());
    if (!choice.dropped) {
      EXPECT_EQ(choice.choice, json["choice"].get<int64_t>());
    }
  }
}

TEST(Captions, TextOrListOfTexts) {
  EXPECT_EQ(captions_from_json(Json("a"), "text", "s"), std::vector<std::string>{"a"});
  EXPECT_EQ(captions_from_json(Json(""), "text", "s"), std::vector<std::string>{""});
  EXPECT_EQ(captions_from_json(Json({"a", "b"}), "text", "s"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(captions_from_json(Json(), "text", "s").empty());
}

TEST(Captions, OtherTypesAreRefused) {
  for (const char* text : {"3", "{}", "[1]", "[\"a\", null]", "true"}) {
    EXPECT_NE(test::error_message([&] {
                captions_from_json(Json::parse(text), "text", "row 3");
              }).find("'row 3'"),
              std::string::npos);
  }
}

TEST(Captions, FilesAreTrimmedAndMustBeUtf8) {
  EXPECT_EQ(caption_from_file("\xEF\xBB\xBF a cat\r\n\n", "f"), "a cat");
  EXPECT_EQ(caption_from_file("", "f"), "");
  EXPECT_NE(test::error_message([] { caption_from_file("caf\xE9", "f.txt"); }).find("f.txt"),
            std::string::npos);
}

}  // namespace
}  // namespace sdxl
