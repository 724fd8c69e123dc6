// sdxl download: brings a repository of the Hub into its cache without running anything.
#include <cstdio>

#include "base/text.h"
#include "commands/command.h"
#include "commands/inputs/repositories.h"

namespace sdxl {
namespace {

struct DownloadConfig {
  std::string repo_type = "model";
  std::optional<std::string> revision, variant, config_name, cache_dir;
  std::vector<std::string> include;
  bool offline = false;
  std::string log_level = "info";
};

std::vector<Option> download_options(DownloadConfig& config) {
  OptionTable table;
  table.add("repo_type", &config.repo_type, "what the repository holds",
            {.choices = {"model", "dataset"}});
  table.add("revision", &config.revision, "a branch, a tag or a commit; by default main");
  table.add("variant", &config.variant,
            "kind of weight files, such as fp16; parts without it use the plain ones");
  table.add("dataset_config_name", &config.config_name, "which configuration of a data set",
            {.value_name = "NAME"});
  table.add("include", &config.include,
            "fetch the files that match this pattern (repeatable), instead of those that are read",
            {.value_name = "PATTERN"});
  table.add("cache_dir", &config.cache_dir, "where downloads are kept, instead of the Hub's cache",
            {.value_name = "DIR"});
  table.add("offline", &config.offline, "only see whether everything is there");
  table.add("log_level", &config.log_level, "what is told on stderr",
            {.choices = {"debug", "info", "warning", "error", "off"}});
  return table.take();
}

class DownloadCommand : public Command {
 public:
  std::string summary() const override {
    return "fetch a model or data set from the Hub without running it";
  }
  OptionSet& options() override { return options_; }
  std::string positional_name() const override { return "REPO"; }
  void set_positionals(const std::vector<std::string>& values) override { repositories_ = values; }

  void validate() override {
    if (repositories_.empty()) {
      throw Error(ExitStatus::kUsage,
                  "REPO is missing: give a repository such as "
                  "stabilityai/stable-diffusion-xl-base-1.0");
    }
    if (config_.config_name && config_.repo_type != "dataset") {
      throw Error(ExitStatus::kUsage, str("--dataset_config_name ", quoted(*config_.config_name),
                                          " needs --repo_type dataset"));
    }
    for (const std::string& repository : repositories_) {
      if (is_repository_id(repository)) continue;
      throw Error(ExitStatus::kUsage,
                  str(quoted(repository), " is no repository id: give NAME or OWNER/NAME"));
    }
  }

  ExitStatus run() override {
    CommonConfig common;
    common.cache_dir = config_.cache_dir;
    common.offline = config_.offline;
    HubOptions hub = hub_options(common);
    if (config_.revision) hub.revision = *config_.revision;
    for (const std::string& repository : repositories_) {
      std::printf("%s\n", fetch(repository, hub).c_str());
    }
    return ExitStatus::kDone;
  }

 private:
  std::filesystem::path fetch(const std::string& repository, const HubOptions& hub) const {
    const bool is_dataset = config_.repo_type == "dataset";
    if (is_dataset && config_.include.empty())
      return fetch_dataset(repository, config_.config_name.value_or(""), hub);
    return fetch_repository(
        repository, is_dataset ? RepositoryKind::kDataset : RepositoryKind::kModel,
        config_.include.empty() ? default_model_files(config_.variant.value_or(""))
                                : matching(config_.include),
        hub);
  }

  DownloadConfig config_;
  OptionSet options_{download_options(config_)};
  std::vector<std::string> repositories_;
};

}  // namespace

std::unique_ptr<Command> make_download_command() { return std::make_unique<DownloadCommand>(); }

}  // namespace sdxl
