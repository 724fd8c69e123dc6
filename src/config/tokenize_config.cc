#include "config/tokenize_config.h"

namespace sdxl {

std::vector<Option> tokenize_table(TokenizeConfig& config) {
  OptionTable table;
  table.add("pretrained_model_name_or_path", &config.pretrained_model_name_or_path,
            "model with the tokenizers: a directory in diffusers layout or a Hub repository "
            "(required)",
            {.value_name = "MODEL"});
  table.add("input", &config.input, "file with one text per line; - reads standard input",
            {.value_name = "FILE"});
  add_threads(table, config);
  add_logging(table, config);
  return table.take();
}

}  // namespace sdxl
