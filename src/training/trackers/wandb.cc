// Offline runs of Weights & Biases, which `wandb sync` uploads: a LevelDB log of Record messages
// (wandb's core/pkg/leveldb and wandb_internal.proto) beside the media files that they name. They
// are in WANDB_DIR or output_dir/logging_dir. WANDB_PROJECT, _ENTITY, _NAME, _RUN_ID, _RUN_GROUP,
// _TAGS and _NOTES are honoured; WANDB_MODE=disabled disables the tracker.
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <chrono>
#include <ctime>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/environment.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "io/images/png.h"
#include "training/trackers/appended_file.h"
#include "training/trackers/protobuf.h"
#include "training/trackers/tracker.h"

namespace sdxl {
namespace {

constexpr size_t kBlock = 32768, kChunkHeader = 7;

/// LevelDB's log format with a plain CRC-32: blocks from the start of the file, and chunks with
/// checksum, length and kind.
class WandbLog {
 public:
  explicit WandbLog(const fs::path& path) : file_(path) {
    file_.append(":W&B\xE1\xBE" + std::string(1, '\0'));
  }

  /// Appends a record. Adds its number, field 1.
  void write(ProtobufMessage record) {
    record.integer(1, ++number_);
    std::string_view rest = record.encoded();
    std::string out;
    bool first = true, last = false;
    while (!last) {
      size_t room = kBlock - (file_.size() + out.size()) % kBlock;
      if (room < kChunkHeader) {
        out.append(room, '\0');
        room = kBlock;
      }
      const size_t size = std::min(rest.size(), room - kChunkHeader);
      last = size == rest.size();
      const char kind = first ? (last ? 1 : 2) : (last ? 4 : 3);  // full, first, middle, last
      append_chunk(&out, kind, rest.substr(0, size));
      rest.remove_prefix(size);
      first = false;
    }
    file_.append(out);
  }
  void sync() { file_.sync(); }

 private:
  static void append_chunk(std::string* out, char kind, std::string_view data) {
    uLong crc = crc32(0, reinterpret_cast<const Bytef*>(&kind), 1);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    for (int shift = 0; shift < 32; shift += 8) *out += static_cast<char>(crc >> shift);
    *out += static_cast<char>(data.size());
    *out += static_cast<char>(data.size() >> 8);
    *out += kind;
    *out += data;
  }

  AppendedFile file_;
  int64_t number_ = 0;
};

std::string new_run_id() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string id;
  for (int i = 0; i < 8; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

// The directory of an offline run is offline-run-YYYYMMDD_HHMMSS-ID.
constexpr std::string_view kRunPrefix = "offline-run-";
constexpr size_t kRunIdOffset = kRunPrefix.size() + 16;

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d_%H%M%S", &parts);
  return text;
}

/// The id of the newest offline run in `directory`, which a resumed run continues; "" if none.
std::string last_run_id(const fs::path& directory) {
  std::string newest;
  if (!fs::is_directory(directory)) return "";
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kRunPrefix)) newest = std::max(newest, name);
  }
  return newest.size() <= kRunIdOffset ? "" : newest.substr(kRunIdOffset);
}

/// A directory that does not exist yet. A run that restarts within a second waits for the next one.
fs::path new_run_directory(const fs::path& parent, const std::string& id) {
  while (true) {
    fs::path directory = parent / str(kRunPrefix, time_text(), '-', id);
    if (!fs::exists(directory)) return directory;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

ProtobufMessage item(const std::string& key, const Json& value) {
  return ProtobufMessage().bytes(1, key).bytes(16, log::redacted(one_line(value)));
}

class WandbTracker : public Tracker {
 public:
  WandbTracker(const TrackerOptions& options, const fs::path& parent, std::string id)
      : id_(std::move(id)),
        directory_(new_run_directory(parent, id_)),
        log_((make_directories(directory_ / "files/media/images"),
              make_directories(directory_ / "logs"), directory_ / ("run-" + id_ + ".wandb"))) {
    log_.write(ProtobufMessage().message(
        21, ProtobufMessage().message(1, ProtobufMessage().bytes(1, "0.31.0"))));
    log_.write(ProtobufMessage().message(17, run_record(options)));
    log_.sync();
  }

  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) override {
    begin_step(step);
    for (const auto& [key, value] : values) pending_[key] = summary_[key] = value;
  }

  void images(const std::string& tag, int64_t step,
              const std::vector<TrackedImage>& images) override {
    if (images.empty()) return;
    begin_step(step);
    Json files = Json::array(), captions = Json::array();
    ProtobufMessage saved;
    for (size_t i = 0; i < images.size(); ++i) {
      const std::string png = encode_png(images[i].image);
      const std::string name =
          str("media/images/", tag, '_', step, '_', i, '_', sha256(png).substr(0, 20), ".png");
      write_file_atomically(directory_ / "files" / name, png);
      files.push_back(name);
      captions.push_back(images[i].caption);
      constexpr int kNow = 0, kMedia = 2;
      saved.message(1, ProtobufMessage().bytes(1, name).integer(2, kNow).integer(3, kMedia));
    }
    log_.write(ProtobufMessage().message(6, saved));
    pending_[tag] = {{"_type", "images/separated"},
                     {"width", images[0].image.width},
                     {"height", images[0].image.height},
                     {"format", "png"},
                     {"count", images.size()},
                     {"filenames", files},
                     {"captions", captions}};
  }

  void flush() override {
    write_pending();
    log_.sync();
  }

  void finish(int exit_code) override {
    write_pending();
    ProtobufMessage summary;
    for (const auto& [key, value] : summary_.items()) summary.message(1, item(key, value));
    log_.write(ProtobufMessage().message(3, summary));
    log_.write(ProtobufMessage().message(
        18, ProtobufMessage()
                .integer(1, exit_code)
                .integer(2, static_cast<int64_t>(seconds_since(start_)))));
    log_.sync();
  }

  std::string closing_note() const override {
    return "upload the Weights & Biases run with: wandb sync " + directory_.string();
  }

 private:
  ProtobufMessage run_record(const TrackerOptions& options) const {
    ProtobufMessage config;
    for (const auto& [key, value] : options.config.items()) config.message(1, item(key, value));
    ProtobufMessage run;
    run.bytes(1, id_).bytes(3, environment("WANDB_PROJECT", options.run_name)).message(4, config);
    const std::array<std::pair<int, const char*>, 4> optional = {
        {{2, "WANDB_ENTITY"}, {6, "WANDB_RUN_GROUP"}, {8, "WANDB_NAME"}, {9, "WANDB_NOTES"}}};
    for (const auto& [field, name] : optional) {
      const std::string value = environment(name);
      if (!value.empty()) run.bytes(field, value);
    }
    for (const std::string& tag : split(environment("WANDB_TAGS"), ',')) {
      if (!tag.empty()) run.bytes(10, tag);
    }
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    return run.bytes(13, host).message(17, ProtobufMessage().integer(1, std::time(nullptr)));
  }

  double runtime() const { return seconds_since(start_); }

  /// What belongs to one step is one record, since W&B takes each step once.
  void begin_step(int64_t step) {
    if (step != step_) write_pending();
    step_ = step;
  }

  void write_pending() {
    if (pending_.empty()) return;
    pending_["_step"] = summary_["_step"] = step_;
    pending_["_timestamp"] = std::time(nullptr);
    pending_["_runtime"] = seconds_since(start_);
    ProtobufMessage history;
    for (const auto& [key, value] : pending_.items()) history.message(1, item(key, value));
    history.message(2, ProtobufMessage().integer(1, step_));
    log_.write(ProtobufMessage().message(2, history));
    pending_ = Json::object();
  }

  std::string id_;
  fs::path directory_;
  WandbLog log_;
  Clock::time_point start_ = Clock::now();
  int64_t step_ = -1;
  Json pending_ = Json::object(), summary_ = Json::object();
};

}  // namespace

std::unique_ptr<Tracker> make_wandb_tracker(const TrackerOptions& options) {
  if (environment("WANDB_MODE") == "disabled") return nullptr;
  const fs::path parent =
      fs::path(environment("WANDB_DIR", (options.output_dir / options.logging_dir).string())) /
      "wandb";
  std::string id = environment("WANDB_RUN_ID");
  if (id.empty() && options.resume_step > 0) id = last_run_id(parent);
  return std::make_unique<WandbTracker>(options, parent, id.empty() ? new_run_id() : id);
}

}  // namespace sdxl
