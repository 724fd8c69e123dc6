// Builds values from nlohmann's SAX events instead of its DOM parser, to check duplicate keys and
// depth and to build objects of any size in linear time.
#include "base/json.h"

#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr uint64_t kMaxFileSize = uint64_t{64} << 20;

/// Receives nlohmann's SAX events; each returns true to go on.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& source) : source_(source) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (!levels_.back().keys.insert(name).second) {
      throw bad_data(source_, "the key ", quoted(name), " occurs twice in one object");
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    const std::string_view text = error.what();  // "[json.exception.…] parse error at line …"
    const size_t start = text.find("] ");
    throw bad_data(source_,
                   "not valid JSON: ", escaped(text.substr(start == text.npos ? 0 : start + 2)));
  }

 private:
  struct Level {
    Json* container;
    std::unordered_set<std::string> keys;
  };

  Json* place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& container = *levels_.back().container;
    if (container.is_array()) {
      auto& array = container.get_ref<Json::array_t&>();
      return &array.emplace_back(std::move(value));
    }
    auto& object = container.get_ref<Json::object_t&>();
    return &object.emplace_back(std::move(key_), std::move(value)).second;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (levels_.size() == kMaxDepth) {
      throw bad_data(source_, "nested deeper than ", kMaxDepth, " levels");
    }
    levels_.push_back({place(std::move(container)), {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  const std::string& source_;
  Json root_;
  std::vector<Level> levels_;
  std::string key_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& source) {
  Builder builder(source);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Json read_json(const fs::path& path) {
  return parse_json(read_file(path, kMaxFileSize), path.string());
}

std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string indented(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

void write_json(const fs::path& path, const Json& json) {
  write_file_atomically(path, indented(json) + "\n");
}

void throw_json_type_error(const std::string& source, const std::string& key, const Json& value,
                           const char* expected) {
  throw bad_data(source, "the key ", quoted(key), " must be ", expected, ", not ",
                 quoted(one_line(value), 80));
}

}  // namespace sdxl
