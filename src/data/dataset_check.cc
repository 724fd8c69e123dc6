#include "data/dataset_check.h"

#include <algorithm>
#include <iterator>
#include <set>

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
    look_at_sizes();
    look_at_captions();
    look_for_duplicates();
    for (const auto& [row, why] : pictures_.failures()) unreadable_.push_back(row);
    const Rows& uncaptioned = captions_.rows_without();
    std::set_union(unreadable_.begin(), unreadable_.end(), uncaptioned.begin(), uncaptioned.end(),
                   std::back_inserter(report_.bad_rows));
    add("pictures that cannot be read", true, unreadable_);
    add("rows without a caption", true, uncaptioned);
    add("pictures that occur more than once", false, duplicates_);
    add("captions longer than the text encoders read", false, truncated_);
    add("pictures that would be enlarged", false, enlarged_);
    return std::move(report_);
  }

 private:
  void look_at_sizes() {
    const auto area = [](PixelSize size) { return size.height * size.width; };
    for (int64_t row = 0; row < pictures_.size(); ++row) {
      if (!pictures_[row].readable()) continue;
      const PixelSize size = pictures_[row].size();
      if (area(report_.smallest) == 0 || area(size) < area(report_.smallest)) {
        report_.smallest = size;
      }
      if (area(size) > area(report_.largest)) report_.largest = size;
      const PixelSize needed = covering_size(size, target_(size));
      if (needed.height > size.height || needed.width > size.width) enlarged_.push_back(row);
    }
  }

  void look_at_captions() {
    for (const CaptionInfo& caption : captions_.captions()) {
      const bool again = !truncated_.empty() && truncated_.back() == caption.row;
      if (caption.is_truncated && !again) truncated_.push_back(caption.row);
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

  void add(const char* what, bool bad, const Rows& rows) {
    if (rows.empty()) return;
    CheckFinding finding{what, bad, std::ssize(rows), {}};
    for (const int64_t row : rows) {
      if (finding.examples.size() == kExamples) break;
      const auto why = pictures_.failures().find(row);
      finding.examples.push_back(why != pictures_.failures().end() && &rows == &unreadable_
                                     ? why->second
                                     : dataset_.name(row));
    }
    report_.findings.push_back(std::move(finding));
  }

  const Dataset& dataset_;
  const PictureTable& pictures_;
  const CaptionTable& captions_;
  const TargetSize& target_;
  CheckReport report_;
  Rows unreadable_, duplicates_, truncated_, enlarged_;
};

std::string size_text(PixelSize size) { return str(size.width, "x", size.height); }

}  // namespace

std::string CheckReport::table() const {
  std::string text =
      str(counted(rows, "row"), ", ", counted(captions, "caption"), ", pictures from ",
          size_text(smallest), " to ", size_text(largest));
  for (const CheckFinding& finding : findings) {
    std::string count = std::to_string(finding.count);
    count.insert(0, std::max<size_t>(8, count.size()) - count.size(), ' ');
    text += str("\n", count, "  ", finding.what);
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
