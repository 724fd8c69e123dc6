// The formats of LoRA files by name. To add one, write its file with a maker at the end, and add
// the maker's declaration and one line of the table to registry.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lora/formats/format.h"

namespace sdxl {

struct LoraFormatEntry {
  std::string name;
  std::unique_ptr<LoraFormat> format;
};

/// All formats. One that is a special case of another stands before it.
const std::vector<LoraFormatEntry>& lora_formats();

/// The format called `name`, which must exist.
const LoraFormat& lora_format(const std::string& name);

/// The names of the formats that can be written.
std::vector<std::string> written_lora_formats();

}  // namespace sdxl
