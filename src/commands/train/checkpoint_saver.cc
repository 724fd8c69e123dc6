#include "commands/train/checkpoint_saver.h"

#include "base/error.h"
#include "base/files/descriptor.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

uint64_t size_of(const fs::path& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    std::error_code error;
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

}  // namespace

CheckpointSaver::CheckpointSaver(CheckpointStore& store, std::optional<fs::path> rescue_dir)
    : store_(store), rescue_dir_(std::move(rescue_dir)) {}

fs::path CheckpointSaver::save(int64_t step, uint64_t bytes, const Write& write) {
  try {
    return store_.save(step, bytes, write);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kFileError || !rescue_dir_) throw;
    log::warning(str(error.what(), "; saving into --rescue_dir ", quoted(rescue_dir_->string())));
  }
  make_directories(*rescue_dir_);
  return CheckpointStore(*rescue_dir_, std::nullopt).save(step, bytes, write);
}

fs::path CheckpointSaver::save_at_any_cost(int64_t step, uint64_t bytes, const Write& write) {
  try {
    return save(step, bytes, write);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kFileError || !make_room(needed_for(bytes))) throw;
  }
  return store_.save(step, bytes, write);
}

/// Whether removing checkpoints gave the store's disk `bytes` of room.
bool CheckpointSaver::make_room(uint64_t bytes) const {
  const std::vector<Checkpoint> all = store_.list();
  uint64_t room = free_bytes(store_.directory()).value_or(0);
  size_t count = 0;
  while (count < all.size() && room < bytes) room += size_of(all[count++].path);
  if (room < bytes || count == 0) return false;
  for (size_t i = 0; i < count; ++i) {
    log::warning(str("removing ", all[i].path.string(), " to make room for a later checkpoint"));
    store_.remove(all[i]);
  }
  return true;
}

}  // namespace sdxl
