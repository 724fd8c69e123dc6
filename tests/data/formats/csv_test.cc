// The CSV reader by the rules of RFC 4180.
#include "data/formats/csv.h"

#include "data/data_test_files.h"

namespace sdxl {
namespace {

using Records = std::vector<std::vector<std::string>>;

Records records(std::string_view text) {
  CsvReader reader(text, "t.csv");
  Records result;
  std::vector<std::string> fields;
  while (reader.next(&fields)) result.push_back(fields);
  return result;
}

TEST(Csv, QuotesCommasAndLineBreaks) {
  EXPECT_EQ(records("a,b\r\n\"x, y\",\"he said \"\"no\"\"\"\n\"two\nlines\",\n"),
            (Records{{"a", "b"}, {"x, y", "he said \"no\""}, {"two\nlines", ""}}));
}

TEST(Csv, LastLineNeedsNoBreak) {
  EXPECT_EQ(records("a,b\nc,"), (Records{{"a", "b"}, {"c", ""}}));
  EXPECT_EQ(records("a\n\"b\""), (Records{{"a"}, {"b"}}));
}

TEST(Csv, ByteOrderMarkAndEmptyLinesAreSkipped) {
  EXPECT_EQ(records("\xEF\xBB\xBF"
                    "a\n\r\n\nb\n"),
            (Records{{"a"}, {"b"}}));
}

TEST(Csv, QuotesInsideAPlainFieldStay) {
  EXPECT_EQ(records("a \"big\" dog,2\n"), (Records{{"a \"big\" dog", "2"}}));
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_NE(test::error_message([] { records("a\nb\n\"never closed\n\n"); }).find("line 3"),
            std::string::npos);
  EXPECT_NE(test::error_message([] { records("a\n\"x\ny\"z\n"); }).find("line 2"),
            std::string::npos);
}

TEST(Csv, RecordsCanBeReadAgainFromWhereTheyLie) {
  const std::string text =
      "\xEF\xBB\xBF"
      "a,b\n\"1\n2\",3\n4,5";
  CsvReader reader(text, "t.csv");
  std::vector<std::string> fields, again;
  while (reader.next(&fields)) {
    CsvReader part(std::string_view(text).substr(reader.begin(), reader.end() - reader.begin()),
                   "t");
    ASSERT_TRUE(part.next(&again));
    EXPECT_EQ(again, fields);
  }
}

}  // namespace
}  // namespace sdxl
