#include "data/dataset.h"

#include <utility>

namespace sdxl {
namespace {

class SelectedRows : public Dataset {
 public:
  SelectedRows(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> rows)
      : dataset_(std::move(dataset)), rows_(std::move(rows)) {
    unusable_ = dataset_->unusable();
    notes_ = dataset_->notes();
  }
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  std::string image_bytes(int64_t index) const override {
    return dataset_->image_bytes(rows_[index]);
  }
  std::string image_head(int64_t index, size_t limit) const override {
    return dataset_->image_head(rows_[index], limit);
  }
  uint64_t image_length(int64_t index) const override {
    return dataset_->image_length(rows_[index]);
  }
  std::vector<std::string> captions(int64_t index) const override {
    return dataset_->captions(rows_[index]);
  }
  std::string name(int64_t index) const override { return dataset_->name(rows_[index]); }
  std::string stamp(int64_t index) const override { return dataset_->stamp(rows_[index]); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<int64_t> rows_;
};

}  // namespace

std::string Dataset::image_head(int64_t index, size_t) const { return image_bytes(index); }

std::unique_ptr<Dataset> select_rows(std::shared_ptr<const Dataset> dataset,
                                     std::vector<int64_t> rows) {
  return std::make_unique<SelectedRows>(std::move(dataset), std::move(rows));
}

}  // namespace sdxl
