#include "data/training_set.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "base/atomic_files.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "data/aspect_buckets.h"
#include "data/formats/registry.h"

namespace sdxl {
namespace {

class Opening {
 public:
  explicit Opening(const TrainingSetOptions& options)
      : options_(options), square_{options.transform.resolution, options.transform.resolution} {
    if (options.bucketing) buckets_ = aspect_buckets(options.transform.resolution);
  }

  TrainingSet run() {
    open();
    check();
    leave_out_bad_rows();
    order();
    return std::move(set_);
  }

 private:
  void open() {
    set_.dataset = open_dataset(options_.dataset);
    for (const std::string& note : set_.dataset->notes()) log::info(note);
    std::unique_ptr<CacheStore> cache;
    if (options_.cache_directory) cache = PictureTable::open_cache(*options_.cache_directory);
    set_.pictures = std::make_shared<PictureTable>(*set_.dataset, cache.get(),
                                                   options_.skip_bad_rows, options_.threads);
    set_.captions =
        std::make_shared<CaptionTable>(*set_.dataset, options_.truncates, options_.threads);
  }

  void check() {
    set_.report =
        check_dataset(*set_.dataset, *set_.pictures, *set_.captions, [this](PixelSize picture) {
          return buckets_.empty() ? square_ : buckets_[nearest_bucket(buckets_, picture)];
        });
  }

  void leave_out_bad_rows() {
    const CheckReport& report = set_.report;
    if (report.left_out.empty()) return;
    std::vector<std::string> kinds;
    for (const CheckFinding& finding : report.findings) {
      if (finding.bad) kinds.push_back(finding.text());
    }
    const std::string what =
        str(join(kinds, ", "), ", the first: ", report.findings.front().examples.front());
    if (!options_.skip_bad_rows) {
      throw Error(ExitStatus::kBadData, what,
                  "; fix the data, or leave such rows out with --on_bad_image skip");
    }
    log::warning(str(report.left_out.size(), report.left_out.size() == 1 ? " row is" : " rows are",
                     " left out: ", what));
    std::vector<int64_t> good;
    for (int64_t row = 0, next = 0; row < set_.dataset->size(); ++row) {
      if (next < std::ssize(report.bad_rows) && report.bad_rows[next] == row) {
        ++next;
      } else {
        good.push_back(row);
      }
    }
    if (good.empty()) {
      throw Error(ExitStatus::kBadData, "no row of the data set can be trained on: ", what);
    }
    set_.pictures = std::make_shared<PictureTable>(set_.pictures->select(good));
    set_.captions = std::make_shared<CaptionTable>(set_.captions->select(good));
    set_.dataset = select_rows(std::move(set_.dataset), std::move(good));
  }

  void order() {
    SampleOptions sample;
    sample.transform = options_.transform;
    sample.seed = options_.seed;
    sample.proportion_empty_prompts = options_.proportion_empty_prompts;
    std::unique_ptr<DrawOrder> order;
    if (options_.bucketing) {
      sample.bucket_sizes = buckets_;
      for (int64_t row = 0; row < set_.pictures->size(); ++row) {
        sample.bucket_of_row.push_back(
            static_cast<uint16_t>(nearest_bucket(buckets_, (*set_.pictures)[row].size())));
      }
      order = bucketed_order(sample.bucket_of_row, options_.group, options_.seed);
    } else {
      order = shuffled_order(set_.dataset->size(), options_.seed);
    }
    set_.source = std::make_shared<SampleSource>(set_.dataset, std::move(order), std::move(sample));
  }

  const TrainingSetOptions& options_;
  PixelSize square_;
  std::vector<PixelSize> buckets_;
  TrainingSet set_;
};

}  // namespace

std::string TrainingSet::fingerprint() const {
  CacheKey key;
  const auto mix = [&key](const CacheKey& part) {
    key = key.with({part.words[0], part.words[1], part.words[2], part.words[3]});
  };
  for (int64_t row = 0; row < pictures->size(); ++row) {
    mix((*pictures)[row].content);
    key = key.with({(*pictures)[row].height, (*pictures)[row].width});
  }
  for (const CaptionInfo& caption : captions->captions()) {
    mix(caption.key);
    key = key.with({caption.row});
  }
  std::string text;
  for (const uint64_t word : key.words) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(word));
    text += digits;
  }
  return text;
}

void write_left_out(const CheckReport& report, const fs::path& path) {
  std::string lines;
  for (const LeftOut& row : report.left_out) {
    lines += one_line(Json{{"name", row.name}, {"reason", row.reason}}) + "\n";
  }
  write_file_atomically(path, lines);
}

TrainingSet open_training_set(const TrainingSetOptions& options) { return Opening(options).run(); }

}  // namespace sdxl
