// Strict JSON: duplicate keys, deep nesting and invalid UTF-8 are errors that name the source.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sdxl {

using Json = nlohmann::ordered_json;

/// Parses `text` in linear time; Error(kBadData) names `source`. Nesting is limited to 64 levels.
/// Json looks keys up linearly, so copy a large object into a map before many look-ups.
Json parse_json(std::string_view text, const std::string& source);
/// Parses a file of at most 64 MiB.
Json read_json(const std::filesystem::path& path);
/// Prints on one line; invalid UTF-8 becomes U+FFFD.
std::string one_line(const Json& json);
/// The same on several lines, indented by two spaces.
std::string indented(const Json& json);
/// Writes with two-space indentation and a final newline, published by rename.
void write_json(const std::filesystem::path& path, const Json& json);

/// The value of `key`, or `fallback` if it is absent or null. Error(kBadData) with `source`, the
/// key and the value if it has another type or is out of T's range.
template <typename T>
T json_value(const Json& object, const std::string& key, T fallback, const std::string& source);

[[noreturn]] void throw_json_type_error(const std::string& source, const std::string& key,
                                        const Json& value, const char* expected);

template <typename T>
T json_value(const Json& object, const std::string& key, T fallback, const std::string& source) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  try {
    if constexpr (std::is_same_v<T, bool>) {
      if (!found->is_boolean()) throw_json_type_error(source, key, *found, "true or false");
    } else if constexpr (std::is_integral_v<T>) {
      if (!found->is_number_integer()) throw_json_type_error(source, key, *found, "an integer");
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!found->is_number()) throw_json_type_error(source, key, *found, "a number");
    }
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const bool fits = found->is_number_unsigned()
                            ? std::in_range<T>(found->template get<uint64_t>())
                            : std::in_range<T>(found->template get<int64_t>());
      if (!fits) throw_json_type_error(source, key, *found, "an integer in range");
    }
    return found->template get<T>();
  } catch (const nlohmann::json::exception&) {
    throw_json_type_error(source, key, *found, "another type");
  }
}

}  // namespace sdxl
