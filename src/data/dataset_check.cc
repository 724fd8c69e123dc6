#include "data/dataset_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr size_t kExamples = 3;

/// Distinct rows in order.
using Rows = std::vector<int64_t>;

class Check {
 public:
  Check(const Dataset& dataset, const PictureTable& pictures, const CaptionTable& captions,
        const TargetSize& target)
      : dataset_(dataset), pictures_(pictures), captions_(captions), target_(target) {
    report_.rows = dataset.size();
    report_.captions = std::ssize(captions.captions());
  }

  CheckReport run() {
    add_unusable();
    look_at_sizes();
    look_at_captions();
    look_for_duplicates();
    add_bad({"pictures that cannot be read", "picture that cannot be read"}, pictures_.failures());
    add_bad({"pictures too long to resize", "picture too long to resize"}, too_long_);
    add_bad({"rows whose caption cannot be read", "row whose caption cannot be read"},
            captions_.failures());
    add_bad({"rows without a caption", "row without a caption"}, without_caption_);
    add({"pictures that occur more than once", "picture that occurs more than once"}, duplicates_);
    add({"captions longer than the text encoders read",
         "caption longer than the text encoders read"},
        truncated_);
    add({"empty captions", "empty caption"}, empty_);
    add({"pictures that would be enlarged", "picture that would be enlarged"}, enlarged_);
    for (auto& [row, reason] : bad_) {
      report_.bad_rows.push_back(row);
      report_.left_out.push_back({dataset_.name(row), std::move(reason)});
    }
    return std::move(report_);
  }

 private:
  struct Kind {
    const char *what, *which;
  };
  using Reasons = std::map<int64_t, std::string>;  // By row.

  void add_unusable() {
    report_.left_out = dataset_.unusable();
    if (report_.left_out.empty()) return;
    CheckFinding finding{"rows that name no picture or cannot be read",
                         "row that names no picture or cannot be read",
                         true,
                         std::ssize(report_.left_out),
                         {}};
    for (const LeftOut& row : report_.left_out) {
      if (finding.examples.size() < kExamples) finding.examples.push_back(row.reason);
    }
    report_.findings.push_back(std::move(finding));
  }

  void look_at_sizes() {
    const auto area = [](PixelSize size) { return size.height * size.width; };
    for (int64_t row = 0; row < pictures_.size(); ++row) {
      if (!pictures_[row].readable()) continue;
      const PixelSize size = pictures_[row].size();
      if (area(report_.smallest) == 0 || area(size) < area(report_.smallest)) {
        report_.smallest = size;
      }
      if (area(size) > area(report_.largest)) report_.largest = size;
      look_at_target(row, size, target_(size));
    }
  }

  void look_at_target(int64_t row, PixelSize size, PixelSize target) {
    const PixelSize needed = covering_size(size, target);
    if (needed.height > size.height || needed.width > size.width) enlarged_.push_back(row);
    try {
      check_covering_size(size, target, dataset_.name(row));
    } catch (const Error& error) {
      too_long_[row] = error.what();
    }
  }

  void look_at_captions() {
    const auto add_once = [](int64_t row, Rows* rows) {
      if (rows->empty() || rows->back() != row) rows->push_back(row);
    };
    for (const CaptionInfo& caption : captions_.captions()) {
      if (caption.is_truncated) add_once(caption.row, &truncated_);
      if (caption.is_empty) add_once(caption.row, &empty_);
    }
    for (const int64_t row : captions_.rows_without()) {
      without_caption_[row] = bad_data(dataset_.name(row), "has no caption").what();
    }
  }

  /// Compares contents. Without known hashes reads only pictures of equal length and size.
  void look_for_duplicates() {
    const bool known = pictures_.has_content();
    std::vector<std::pair<uint64_t, int64_t>> rows;
    for (int64_t row = 0; row < pictures_.size(); ++row) {
      if (pictures_[row].readable()) rows.emplace_back(first_mark(row, known), row);
    }
    std::sort(rows.begin(), rows.end());
    for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
      while (end < rows.size() && rows[end].first == rows[begin].first) ++end;
      if (end - begin < 2) continue;
      std::set<CacheKey> seen;
      for (size_t i = begin; i < end; ++i) {
        if (!seen.insert(content(rows[i].second, known)).second) {
          duplicates_.push_back(rows[i].second);
        }
      }
    }
    std::sort(duplicates_.begin(), duplicates_.end());
  }

  uint64_t first_mark(int64_t row, bool known) const {
    if (known) return pictures_[row].content.words[0];
    return CacheKey{}
        .with({dataset_.image_length(row), pictures_[row].height, pictures_[row].width})
        .words[0];
  }

  CacheKey content(int64_t row, bool known) const {
    return known ? pictures_[row].content : CacheKey::of(dataset_.image_bytes(row));
  }

  /// Rows that cannot be trained on; the first reason of a row counts.
  void add_bad(Kind kind, const Reasons& reasons) {
    if (reasons.empty()) return;
    CheckFinding finding{kind.what, kind.which, true, std::ssize(reasons), {}};
    for (const auto& [row, reason] : reasons) {
      if (finding.examples.size() < kExamples) finding.examples.push_back(reason);
      bad_.emplace(row, reason);
    }
    report_.findings.push_back(std::move(finding));
  }

  void add(Kind kind, const Rows& rows) {
    if (rows.empty()) return;
    CheckFinding finding{kind.what, kind.which, false, std::ssize(rows), {}};
    for (const int64_t row : rows) {
      if (finding.examples.size() < kExamples) finding.examples.push_back(dataset_.name(row));
    }
    report_.findings.push_back(std::move(finding));
  }

  const Dataset& dataset_;
  const PictureTable& pictures_;
  const CaptionTable& captions_;
  const TargetSize& target_;
  CheckReport report_;
  Rows duplicates_, truncated_, empty_, enlarged_;
  Reasons too_long_, without_caption_, bad_;
};

std::string size_text(PixelSize size) { return str(size.width, "x", size.height); }

}  // namespace

std::string CheckFinding::text() const { return str(count, " ", count == 1 ? which : what); }

std::string CheckReport::table() const {
  std::string text = str(rows, rows == 1 ? " row, " : " rows, ", captions,
                         captions == 1 ? " caption, pictures from " : " captions, pictures from ",
                         size_text(smallest), " to ", size_text(largest));
  for (const CheckFinding& finding : findings) {
    std::string count = std::to_string(finding.count);
    count.insert(0, std::max<size_t>(8, count.size()) - count.size(), ' ');
    text += str("\n", count, "  ", finding.count == 1 ? finding.which : finding.what);
    for (const std::string& example : finding.examples) {
      text += str("\n          ", escaped(example));
    }
    if (finding.count > std::ssize(finding.examples)) text += "\n          …";
  }
  return text;
}

Json CheckReport::json() const {
  Json json = {{"rows", rows},
               {"captions", captions},
               {"smallest", {smallest.width, smallest.height}},
               {"largest", {largest.width, largest.height}},
               {"findings", Json::array()}};
  for (const CheckFinding& finding : findings) {
    json["findings"].push_back({{"what", finding.what},
                                {"bad", finding.bad},
                                {"count", finding.count},
                                {"examples", finding.examples}});
  }
  return json;
}

CheckReport check_dataset(const Dataset& dataset, const PictureTable& pictures,
                          const CaptionTable& captions, const TargetSize& target) {
  return Check(dataset, pictures, captions, target).run();
}

}  // namespace sdxl
