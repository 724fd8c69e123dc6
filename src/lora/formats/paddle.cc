// ppdiffusers: names of diffusers (of either age), matrices as Paddle keeps them, [in, out].
#include "lora/formats/dotted_names.h"
#include "lora/formats/format.h"

namespace sdxl {
namespace {

class PaddleFormat : public LoraFormat {
 public:
  bool is_declared_by(const SafetensorsFile& file) const override {
    auto format = file.metadata().find("format");
    if (format != file.metadata().end()) return format->second == "pd";
    return file.path().filename().string().starts_with("paddle_");
  }
  bool needs_declaration() const override { return true; }
  bool transposes_matrices() const override { return true; }

  std::optional<LayerName> parse(const std::string& stem) const override {
    return without_processor(split_component(stem));
  }
};

}  // namespace

std::unique_ptr<LoraFormat> make_paddle_format() { return std::make_unique<PaddleFormat>(); }

}  // namespace sdxl
