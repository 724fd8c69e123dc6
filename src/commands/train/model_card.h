// The README.md that a training run leaves beside its weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "commands/train/context.h"
#include "config/option_table.h"

namespace sdxl {

/// The command that repeats the run: every option that is not the default, quoted for a shell.
std::string command_line(const std::string& command, const OptionSet& options, uint64_t seed);

struct ModelCard {
  std::string command;            ///< "train-full"; command_line() of it for write_model_card.
  std::vector<std::string> tags;  ///< Of the Hub, besides those of every SDXL model.
  std::string description;        ///< One sentence.
  int64_t samples = 0, steps = 0;
};

/// Writes output_dir/README.md in the Hub's form: front matter, what was trained on what, the
/// command, and the pictures in validation/test/ if there are any.
void write_model_card(const TrainingContext& context, const ModelCard& card,
                      const std::vector<std::string>& prompts);

}  // namespace sdxl
