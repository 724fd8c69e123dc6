#include "data/training_set.h"

#include "base/error.h"
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
    set_.pictures = std::make_shared<PictureTable>(*set_.dataset, cache.get(), options_.threads);
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
    const std::vector<int64_t>& bad = set_.report.bad_rows;
    if (bad.empty()) return;
    const CheckFinding& first = set_.report.findings.front();
    if (!options_.skip_bad_images) {
      throw Error(ExitStatus::kBadData,
                  str(first.count, " ", first.what, ", the first: ", first.examples.front(),
                      "; mend the data, or leave such rows out with --on_bad_image skip"));
    }
    std::vector<int64_t> good;
    for (int64_t row = 0, next = 0; row < set_.dataset->size(); ++row) {
      const bool is_bad = next < std::ssize(bad) && bad[next] == row;
      if (is_bad) {
        ++next;
      } else {
        good.push_back(row);
      }
    }
    log::warning(
        str(bad.size(), " of ", set_.dataset->size(),
            " rows cannot be trained on and are left out, the first: ", first.examples.front()));
    if (good.empty()) throw Error(ExitStatus::kBadData, "no row of the data set can be trained on");
    set_.pictures = std::make_shared<PictureTable>(set_.pictures->select(good));
    set_.captions = std::make_shared<CaptionTable>(set_.captions->select(good));
    set_.dataset = select_rows(std::move(set_.dataset), std::move(good));
  }

  void order() {
    SampleOptions sample;
    sample.transform = options_.transform;
    sample.seed = options_.seed;
    sample.proportion_empty_prompts = options_.proportion_empty_prompts;
    sample.skip_bad_images = options_.skip_bad_images;
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

TrainingSet open_training_set(const TrainingSetOptions& options) { return Opening(options).run(); }

}  // namespace sdxl
