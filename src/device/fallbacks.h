// Operators for which a back end has no kernel: it computes them on the CPU and warns. Each is
// counted, so that a run can say at its end what made it slow.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sdxl {

/// From now on the warnings that back ends give in this thread (and in backward passes that it
/// starts) are counted when they name such an operator; the others become log lines, each once.
void watch_fallbacks();

/// "aten::erfinv" -> how often a back end warned of it: with torch_npu once, whatever the calls.
const std::map<std::string, int64_t>& fallbacks();

/// A log line of what was counted, if anything was; at level debug also a line for each operator.
void report_fallbacks();

/// "aten::x" of "… The operator 'aten::x' is not currently supported on the … backend and will fall
/// back to run on the CPU …", the words of torch_npu and of PyTorch's other back ends; else "".
std::string fallback_in(const std::string& warning);

}  // namespace sdxl
