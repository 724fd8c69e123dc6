// Strict JSON reading: duplicate keys, deep nesting and bad UTF-8 are errors that name the source.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sdxl {

using Json = nlohmann::ordered_json;

/// Parses `text`; `source` names it in errors (Error(kBadData)). Depth at most 64, no duplicate
/// keys. Takes time linear in the text, also for objects with very many keys; Json's own lookup is
/// linear in the number of keys, so copy a big object into a map before asking it much.
Json parse_json(std::string_view text, const std::string& source);
/// The same for a file of at most 64 MiB.
Json read_json(const std::filesystem::path& path);
/// On one line; bytes that are no UTF-8 are replaced.
std::string one_line(const Json& json);
/// Two-space indentation and a final newline, published by rename.
void write_json(const std::filesystem::path& path, const Json& json);

/// The value of `key`, or `fallback` where it is absent or null; Error(kBadData) naming `source`,
/// the key and what is there when the type is another.
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
