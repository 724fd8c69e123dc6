// sdxl cache: fills the cache of latents and prompt embeddings without training, looks for damage,
// tells its size, and removes what is no longer used.
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/files/files.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/inputs/resolved_inputs.h"
#include "commands/train/data.h"
#include "config/validation.h"
#include "data/cache/cache_store.h"
#include "device/device.h"
#include "distributed/process_ranks.h"

namespace sdxl {
namespace {

/// One kind of values by one encoder.
struct Part {
  fs::path directory;
  std::string kind, holds;
  double idle_days = 0;  ///< Since a run last opened it.
};

std::vector<Part> parts_of(const fs::path& root) {
  std::vector<Part> parts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const fs::path about = entry.path() / "about.json";
    if (!fs::exists(about)) continue;
    const Json description = read_json(about);
    const std::string source = about.string();
    const std::chrono::duration<double, std::ratio<86400>> idle =
        fs::file_time_type::clock::now() - fs::last_write_time(about);
    parts.push_back({entry.path(), json_value<std::string>(description, "kind", "", source),
                     json_value<std::string>(description, "holds", "", source),
                     std::max(0.0, idle.count())});
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.directory < b.directory; });
  return parts;
}

/// Size on disk without opening the part, which would count as its use.
uint64_t bytes_of(const fs::path& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::error_code error;
    const uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

class CacheCommand : public Command {
 public:
  std::string summary() const override {
    return "fill, check, list or prune the cache of latents and prompt embeddings";
  }
  OptionSet& options() override { return options_; }
  std::string positional_name() const override { return "fill|check|list|prune"; }
  void set_positionals(const std::vector<std::string>& values) override { actions_ = values; }

  void validate() override {
    const std::string action = actions_.size() == 1 ? actions_.front() : "";
    for (const char* known : {"fill", "check", "list", "prune"}) {
      if (action == known && action == "fill") validate_cache_fill(config_);
      if (action == known) return;
    }
    throw Error(ExitStatus::kUsage, str("unknown action ", quoted(join(actions_, " ")),
                                        ": give fill, check, list or prune"));
  }

  ExitStatus run() override {
    if (actions_.front() == "fill") return fill();
    const fs::path root = config_.embedding_cache_dir ? fs::path(*config_.embedding_cache_dir)
                                                      : user_cache_directory();
    if (actions_.front() == "check") return check(root);
    return actions_.front() == "list" ? list(root) : prune(root);
  }

 private:
  ExitStatus fill() {
    const Launch launch = read_launch(config_.local_rank);
    Ranks& ranks = join_ranks(launch, {});
    return run_on_ranks(ranks, [&] { return fill(ranks, launch); });
  }

  ExitStatus fill(Ranks& ranks, const Launch& launch) {
    require_equal_options(ranks, options_.shared_json());
    set_thread_count(threads_of_rank(config_.num_threads, launch));
    const ResolvedInputs inputs =
        first_rank_first(ranks, [&] { return resolve_inputs(config_, config_.dry_run); });
    const PipelineDirectory pipeline(inputs.model, config_.variant.value_or(""));
    ComputeOptions device;
    device.index = device_index(launch);
    const TrainingContext context{config_,
                                  inputs,
                                  pipeline,
                                  select_device(config_.device, device),
                                  compute_dtype(config_.mixed_precision),
                                  config_.seed.value_or(0),
                                  ranks};
    TrainingData data(context);
    if (config_.dry_run) {
      if (!ranks.is_first()) return ExitStatus::kDone;
      std::printf("%s\n", data.report().table().c_str());
      return ExitStatus::kDone;
    }
    data.fill_caches(/*prompts=*/!config_.train_text_encoder);
    return ranks.is_first() ? list(context.cache_directory()) : ExitStatus::kDone;
  }

  ExitStatus list(const fs::path& root) const {
    uint64_t total = 0;
    for (const Part& part : parts_of(root)) {
      const uint64_t bytes = bytes_of(part.directory);
      total += bytes;
      std::printf("%-40s %10s  used %s  %s\n", part.directory.filename().c_str(),
                  bytes_text(bytes).c_str(), idle_text(part.idle_days).c_str(),
                  escaped(part.holds).c_str());
    }
    std::printf("%-40s %10s\n", root.c_str(), bytes_text(total).c_str());
    return ExitStatus::kDone;
  }

  static std::string idle_text(double days) {
    if (days < 1) return "today";
    return str(static_cast<int64_t>(days), days < 2 ? " day ago" : " days ago");
  }

  ExitStatus check(const fs::path& root) const {
    int64_t damaged = 0;
    for (const Part& part : parts_of(root)) {
      CacheStore store(part.directory);
      const CacheStatistics before = store.statistics();
      Progress progress("checking " + part.directory.filename().string(), before.bytes, "B");
      const int64_t found = store.verify([&progress](uint64_t bytes) { progress.advance(bytes); });
      damaged += found;
      std::printf("%s  %lld values  %lld damaged\n", part.directory.c_str(),
                  static_cast<long long>(before.values), static_cast<long long>(found));
    }
    if (damaged == 0) return ExitStatus::kDone;
    throw Error(ExitStatus::kBadData,
                str(damaged, damaged == 1 ? " value is" : " values are",
                    " damaged and now marked; the next run or fill makes them again"));
  }

  ExitStatus prune(const fs::path& root) const {
    uint64_t freed = 0;
    for (const Part& part : parts_of(root)) {
      if (part.idle_days < static_cast<double>(config_.unused_days)) continue;
      const uint64_t bytes = bytes_of(part.directory);
      if (!config_.dry_run && !remove(part.directory)) {
        log::info(str(part.directory.string(), " is in use and stays"));
        continue;
      }
      freed += bytes;
      std::printf("%s  %s\n", part.directory.c_str(), bytes_text(bytes).c_str());
    }
    log::info(str(config_.dry_run ? "would free " : "freed ", bytes_text(freed)));
    return ExitStatus::kDone;
  }

  /// False if a run uses it.
  static bool remove(const fs::path& directory) {
    const auto lock = FileLock::try_acquire(directory / "lock");
    if (!lock) return false;
    // Without its description nobody takes it for a part any more.
    std::error_code error;
    fs::remove(directory / "about.json", error);
    if (!error) fs::remove_all(directory, error);
    if (error) {
      throw Error(ExitStatus::kFileError,
                  str("cannot remove ", quoted(directory.string()), ": ", error.message()));
    }
    return true;
  }

  CacheConfig config_;
  OptionSet options_{cache_table(config_)};
  std::vector<std::string> actions_;
};

}  // namespace

std::unique_ptr<Command> make_cache_command() { return std::make_unique<CacheCommand>(); }

}  // namespace sdxl
