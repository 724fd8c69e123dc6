// sdxl download: brings a repository of the Hub into its cache without running anything.
#include <cstdio>

#include "base/text.h"
#include "commands/command.h"
#include "commands/inputs/repositories.h"
#include "config/download_config.h"

namespace sdxl {
namespace {

class DownloadCommand : public Command {
 public:
  std::string summary() const override { return "download a model or dataset from the Hub"; }
  OptionSet& options() override { return options_; }
  std::string positional_name() const override { return "REPO"; }
  void set_positionals(const std::vector<std::string>& values) override { repositories_ = values; }

  void validate() override {
    if (repositories_.empty()) {
      throw Error(ExitStatus::kUsage,
                  "REPO is missing: give a repository such as "
                  "stabilityai/stable-diffusion-xl-base-1.0");
    }
    if (config_.dataset_config_name && config_.repo_type != "dataset") {
      throw Error(ExitStatus::kUsage,
                  str("--dataset_config_name ", quoted(*config_.dataset_config_name),
                      " needs --repo_type dataset"));
    }
    for (const std::string& repository : repositories_) {
      if (is_repository_id(repository)) continue;
      throw Error(ExitStatus::kUsage,
                  str(quoted(repository), " is no repository id: give NAME or OWNER/NAME"));
    }
  }

  ExitStatus run() override {
    HubOptions hub = hub_options(config_);
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
      return fetch_dataset(repository, config_.dataset_config_name.value_or(""), hub);
    return fetch_repository(
        repository, is_dataset ? RepositoryKind::kDataset : RepositoryKind::kModel,
        config_.include.empty() ? default_model_files(config_.variant.value_or(""))
                                : matching(config_.include),
        hub);
  }

  DownloadConfig config_;
  OptionSet options_{download_table(config_)};
  std::vector<std::string> repositories_;
};

}  // namespace

std::unique_ptr<Command> make_download_command() { return std::make_unique<DownloadCommand>(); }

}  // namespace sdxl
