// Counts the operators that a back end has no kernel for and computes on the CPU, which is slow.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sdxl {

/// Installs a handler for the warnings of ATen in this thread and in backward passes that it
/// starts. It counts warnings that name such an operator and logs each other warning once.
void watch_fallbacks();

/// Warnings by operator ("aten::erfinv"). torch_npu warns once for each operator.
const std::map<std::string, int64_t>& fallbacks();

/// Logs how many operators fell back, if any; at level debug also each operator.
void report_fallbacks();

/// The operator named in a warning "… The operator 'aten::x' is not currently supported on the …
/// backend and will fall back to run on the CPU …", as PyTorch's back ends word it; "" for others.
std::string fallback_in(const std::string& warning);

}  // namespace sdxl
