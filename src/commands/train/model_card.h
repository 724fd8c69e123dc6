// Writes the README.md beside the weights of a training run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "commands/train/context.h"
#include "config/option_table.h"

namespace sdxl {

/// The command line that repeats the run: options that differ from their defaults, quoted for a
/// shell and without secrets.
std::string command_line(const std::string& command, const OptionSet& options, uint64_t seed);

struct ModelCard {
  std::string command;            ///< "train-full"; write_model_card() takes command_line() of it.
  std::vector<std::string> tags;  ///< Of the Hub, added to those of every SDXL model.
  std::string description;        ///< One sentence.
  int64_t samples = 0, steps = 0;
};

/// Writes output_dir/README.md in the Hub's form: front matter, what was trained on which data, the
/// command, and the pictures of validation/test/ if there are any.
void write_model_card(const TrainingContext& context, const ModelCard& card,
                      const std::vector<std::string>& prompts);

}  // namespace sdxl
