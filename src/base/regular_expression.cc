#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regular_expression.h"

#include <pcre2.h>

#include <array>
#include <stdexcept>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr uint32_t kMostMatchSteps = 1'000'000;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer;
  if (pcre2_get_error_message(code, buffer.data(), buffer.size()) < 0) return "unknown error";
  return reinterpret_cast<const char*>(buffer.data());
}

struct FreePcre2 {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

struct RegularExpression::Code {
  std::unique_ptr<pcre2_code, FreePcre2> compiled;
};

RegularExpression::RegularExpression(const std::string& pattern) : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                      PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &offset,
                                      nullptr));
  if (!code_->compiled) {
    throw std::invalid_argument(str(pcre2_message(error), " at character ", offset));
  }
}

RegularExpression::~RegularExpression() = default;
RegularExpression::RegularExpression(RegularExpression&&) noexcept = default;
RegularExpression& RegularExpression::operator=(RegularExpression&&) noexcept = default;

bool RegularExpression::matches(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, FreePcre2> data(
      pcre2_match_data_create_from_pattern(code_->compiled.get(), nullptr));
  const std::unique_ptr<pcre2_match_context, FreePcre2> context(
      pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), kMostMatchSteps);
  const int result = pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                 text.size(), 0, 0, data.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  throw std::runtime_error(pcre2_message(result));
}

}  // namespace sdxl
