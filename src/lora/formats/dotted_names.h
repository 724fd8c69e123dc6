// What formats with dotted names share: the component in front, and the names of attention
// processors.
#pragma once

#include <string>
#include <string_view>

#include "lora/layer_names.h"

namespace sdxl {

/// What PEFT puts before the names of a model that it wraps.
inline const std::string kPeftPrefix = "base_model.model.";

/// Whether `stem` has a form that this program knows as another one: kohya's or PEFT's.
bool is_kohya_or_peft(const std::string& stem);

/// Splits "text_encoder.PATH" after the component; a stem without one is the UNet's. Removes
/// kPeftPrefix before and after the component.
LayerName split_component(std::string stem);

/// Resolves names of adapters inside of attention processors: "X.processor.to_q_lora" is "X.to_q",
/// "X.to_out_lora" is "X.to_out.0". In text encoders, "self_attn.to_q" is "self_attn.q_proj".
LayerName without_processor(LayerName name);

}  // namespace sdxl
