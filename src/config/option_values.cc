// Readers turn one text or one JSON value into a field's type, or throw what they expected. Only
// refuse() names the option and the value.
#include "config/option_values.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

/// What a value must be; thrown by readers and checks.
struct Refusal {
  std::string expected;
};

template <typename T>
struct ListItem {};
template <typename T>
struct ListItem<std::vector<T>> {
  using type = T;
};
template <typename T>
struct ListItem<std::optional<T>> {
  using type = T;
};
template <typename T>
constexpr bool kIsVector = false;
template <typename T>
constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
constexpr bool kIsOptional = false;
template <typename T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <typename T>
const char* expectation() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "an integer that fits 64 bits";
  if constexpr (std::is_same_v<T, uint64_t>) return "an integer from 0 to 18446744073709551615";
  if constexpr (std::is_same_v<T, double>) return "a finite number";
  if constexpr (std::is_same_v<T, IntPair>) return "two integers H,W";
  return "a string";
}

template <typename T>
T number_from_text(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc() && end == text.data() + text.size();
  if constexpr (std::is_same_v<T, double>) good = good && std::isfinite(value);
  if (!good) throw Refusal{expectation<T>()};
  return value;
}

template <typename T>
T from_text(const std::string& text) {
  if constexpr (std::is_same_v<T, std::string>) {
    return text;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false") throw Refusal{expectation<bool>()};
    return text == "true";
  } else if constexpr (std::is_same_v<T, IntPair>) {
    const auto parts = split(text, ',');
    if (parts.size() != 2) throw Refusal{expectation<IntPair>()};
    return {number_from_text<int64_t>(trimmed(parts[0])),
            number_from_text<int64_t>(trimmed(parts[1]))};
  } else {
    return number_from_text<T>(text);
  }
}

template <typename T>
T from_json(const Json& value) {
  bool good = true;
  if constexpr (std::is_same_v<T, bool>) {
    good = value.is_boolean();
  } else if constexpr (std::is_same_v<T, int64_t>) {
    good = value.is_number_integer() &&
           (!value.is_number_unsigned() || std::in_range<int64_t>(value.get<uint64_t>()));
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    good = value.is_number_unsigned();
  } else if constexpr (std::is_same_v<T, double>) {
    good = value.is_number();
  } else if constexpr (std::is_same_v<T, std::string>) {
    good = value.is_string();
  } else {
    if (!value.is_array() || value.size() != 2) throw Refusal{"a list [H, W] of two integers"};
    return IntPair{from_json<int64_t>(value[0]), from_json<int64_t>(value[1])};
  }
  if (!good) throw Refusal{expectation<T>()};
  if constexpr (!std::is_same_v<T, IntPair>) return value.get<T>();
}

// The rules.

void check(const OptionRule& rule, const std::string& value) {
  if (rule.choices.empty()) return;
  for (const std::string& choice : rule.choices) {
    if (value == choice) return;
  }
  const std::string near = nearest(value, rule.choices);
  const std::string hint = near.empty() ? "" : "; did you mean " + near + "?";
  constexpr size_t kMostListed = 12;
  if (!near.empty() && rule.choices.size() > kMostListed) throw Refusal{"a known name" + hint};
  throw Refusal{"one of " + join(rule.choices, ", ") + hint};
}

void check_range(const OptionRule& rule, double value) {
  if (rule.at_least && value < *rule.at_least) throw Refusal{str("at least ", *rule.at_least)};
  if (rule.above && value <= *rule.above) throw Refusal{str("greater than ", *rule.above)};
  if (rule.at_most && value > *rule.at_most) throw Refusal{str("at most ", *rule.at_most)};
  if (rule.below && value >= *rule.below) throw Refusal{str("less than ", *rule.below)};
}

/// Bounds of every number: what float32 holds, and what counts and sides may be without sums and
/// products of them overflowing.
constexpr double kLargestNumber = std::numeric_limits<float>::max();
constexpr double kLargestInteger = 1e9;

void check_magnitude(double value, double largest) {
  if (value > largest) throw Refusal{str("at most ", largest)};
  if (value < -largest) throw Refusal{str("at least ", -largest)};
}

void check(const OptionRule& rule, double value) {
  check_range(rule, value);
  check_magnitude(value, kLargestNumber);
}

void check(const OptionRule& rule, int64_t value) {
  check_range(rule, static_cast<double>(value));
  check_magnitude(static_cast<double>(value), kLargestInteger);
  if (rule.multiple_of && value % *rule.multiple_of != 0) {
    const int64_t step = *rule.multiple_of, below = value / step * step;
    throw Refusal{str("a multiple of ", step, ", such as ", below > 0 ? below : step)};
  }
}

void check(const OptionRule& rule, const IntPair& value) {
  check(rule, value.first);
  check(rule, value.second);
}

void check(const OptionRule&, bool) {}
void check(const OptionRule&, uint64_t) {}

template <typename T>
T checked(const OptionRule& rule, T value) {
  check(rule, value);
  return value;
}

// Whole fields.

template <typename T>
void assign(T& field, const OptionRule& rule, const std::vector<std::string>& texts) {
  if constexpr (kIsVector<T>) {
    using Item = typename ListItem<T>::type;
    T values;
    for (const std::string& text : texts) {
      if constexpr (std::is_same_v<Item, std::string>) {
        values.push_back(checked(rule, text));
      } else {
        for (const std::string& part : split(text, ',')) {
          values.push_back(checked(rule, from_text<Item>(std::string(trimmed(part)))));
        }
      }
    }
    field = std::move(values);
  } else if constexpr (kIsOptional<T>) {
    using Item = typename ListItem<T>::type;
    if (!std::is_same_v<Item, std::string> && texts.back() == "none") {
      field.reset();
    } else {
      field = checked(rule, from_text<Item>(texts.back()));
    }
  } else {
    field = checked(rule, from_text<T>(texts.back()));
  }
}

template <typename T>
void assign(T& field, const OptionRule& rule, const Json& value) {
  if constexpr (kIsVector<T>) {
    using Item = typename ListItem<T>::type;
    T values;
    if (value.is_array()) {
      for (const Json& item : value) values.push_back(checked(rule, from_json<Item>(item)));
    } else if (!value.is_null()) {
      values.push_back(checked(rule, from_json<Item>(value)));
    }
    field = std::move(values);
  } else if constexpr (kIsOptional<T>) {
    using Item = typename ListItem<T>::type;
    if (value.is_null()) {
      field.reset();
    } else {
      field = checked(rule, from_json<Item>(value));
    }
  } else {
    field = checked(rule, from_json<T>(value));
  }
}

template <typename T>
Json json_of(const T& field) {
  if constexpr (std::is_same_v<T, IntPair>) {
    return Json::array({field.first, field.second});
  } else if constexpr (kIsOptional<T>) {
    return field ? json_of(*field) : Json(nullptr);
  } else {
    return Json(field);
  }
}

template <typename T>
std::string kind_name() {
  if constexpr (kIsVector<T> || kIsOptional<T>) return kind_name<typename ListItem<T>::type>();
  if constexpr (std::is_same_v<T, bool>) return "true|false";
  if constexpr (std::is_same_v<T, double>) return "X";
  if constexpr (std::is_same_v<T, IntPair>) return "H,W";
  return std::is_same_v<T, std::string> ? "TEXT" : "N";
}

[[noreturn]] void refuse(const std::string& option, const std::string& value,
                         const Refusal& refusal) {
  throw Error(ExitStatus::kUsage, option, " ", value, ": must be ", refusal.expected);
}

}  // namespace

void assign_texts(const Option& option, const std::vector<std::string>& texts) {
  try {
    std::visit([&](auto* field) { assign(*field, option.rule, texts); }, option.target);
  } catch (const Refusal& refusal) {
    std::vector<std::string> shown;
    for (const std::string& text : texts) shown.push_back(quoted(text));
    refuse("--" + option.name, is_repeatable(option) ? join(shown, " ") : shown.back(), refusal);
  }
}

void assign_json(const Option& option, const Json& value, const std::string& source) {
  try {
    std::visit([&](auto* field) { assign(*field, option.rule, value); }, option.target);
  } catch (const Refusal& refusal) {
    const std::string shown = one_line(value);
    refuse(str(escaped(source), ": ", option.name), quoted(shown), refusal);
  }
}

Json option_json(const Option& option) {
  return std::visit([](const auto* field) { return json_of(*field); }, option.target);
}

std::string value_name(const Option& option) {
  if (option.rule.value_name != nullptr) return option.rule.value_name;
  if (!option.rule.choices.empty()) return join(option.rule.choices, "|");
  return std::visit([](auto* field) { return kind_name<std::remove_pointer_t<decltype(field)>>(); },
                    option.target);
}

bool is_boolean(const Option& option) { return std::holds_alternative<bool*>(option.target); }

bool is_repeatable(const Option& option) {
  return std::visit([](auto* field) { return kIsVector<std::remove_pointer_t<decltype(field)>>; },
                    option.target);
}

}  // namespace sdxl
