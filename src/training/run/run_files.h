// Names of the files and folders that a training run writes, and their parsers.
//
//   OUTPUT_DIR/
//     config.json              every option; --config repeats the run from it
//     metrics.jsonl            one line for each step
//     left_out.jsonl           rows of the data set that are not trained on, and why
//     best.json                step and validation loss of the best checkpoint
//     README.md                the model card
//     validation/base/         pictures of the model before training
//     validation/step-N/       pictures after step N
//     validation/test/         pictures of the result
//     checkpoint-N/            the state after step N
//       optimizer.safetensors  state tensors of the optimizer
//       trainer_state.json     counters, scalars and options
//       manifest.json          size and SHA-256 of every file
//
// Weights have the names of io/, with "_ema" appended for moving averages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sdxl {

inline constexpr const char* kRunConfigFile = "config.json";
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kLeftOutFile = "left_out.jsonl";
inline constexpr const char* kBestCheckpointFile = "best.json";
inline constexpr const char* kModelCardFile = "README.md";
/// Locked by the process that writes to the output directory.
inline constexpr const char* kRunLockFile = ".lock";

inline constexpr const char* kOptimizerFile = "optimizer.safetensors";
inline constexpr const char* kTrainerStateFile = "trainer_state.json";
inline constexpr const char* kManifestFile = "manifest.json";
/// Appended to the stem of weights that are moving averages.
inline constexpr const char* kEmaSuffix = "_ema";

/// "checkpoint-STEP"
std::string checkpoint_name(int64_t step);
/// N of "checkpoint-N"; nothing for any other name.
std::optional<int64_t> checkpoint_step(std::string_view name);
/// The name that a checkpoint is renamed to before its files are removed, so that a kill never
/// leaves half a checkpoint under its name.
std::string doomed_name(std::string_view checkpoint);
bool is_doomed_name(std::string_view name);

inline constexpr const char* kValidationFolder = "validation";
inline constexpr const char* kBasePictures = "validation/base";
inline constexpr const char* kTestPictures = "validation/test";
/// "validation/step-STEP"
std::string step_pictures(int64_t step);
/// "INDEX_SEED.png", the index with five digits.
std::string picture_name(size_t index, uint64_t seed);

}  // namespace sdxl
