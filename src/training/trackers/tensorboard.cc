// Event files for TensorBoard in output_dir/logging_dir/run_name: TFRecords of Event messages
// (TensorFlow's event.proto and summary.proto, TensorBoard's plugins/hparams/plugin_data.proto).
// They hold scalars, pictures and the run's options as hyper-parameters.
#include <unistd.h>

#include <chrono>
#include <ctime>

#include "base/crc32c.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "io/images/png.h"
#include "training/trackers/appended_file.h"
#include "training/trackers/protobuf.h"
#include "training/trackers/tracker.h"

namespace sdxl {
namespace {

constexpr int kTypeFloat = 1;  // DataType of tensor.proto

/// TFRecord's masked CRC-32C.
uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class TensorBoardTracker : public Tracker {
 public:
  explicit TensorBoardTracker(const TrackerOptions& options) : file_(event_path(options)) {
    write(ProtobufMessage().float64(1, now()).bytes(3, "brain.Event:2"));
    if (options.resume_step > 0) {  // SessionLog START makes readers drop events of later steps
      write(ProtobufMessage()
                .float64(1, now())
                .integer(2, options.resume_step + 1)
                .message(7, ProtobufMessage().integer(1, 1)));
    }
    write_hyper_parameters(options.config);
  }

  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) override {
    ProtobufMessage summary;
    for (const auto& [tag, value] : values) {
      summary.message(1, ProtobufMessage().bytes(1, tag).float32(2, static_cast<float>(value)));
    }
    write_summary(step, summary);
  }

  void images(const std::string& tag, int64_t step,
              const std::vector<TrackedImage>& images) override {
    ProtobufMessage summary;
    for (size_t i = 0; i < images.size(); ++i) {
      const Image& image = images[i].image;
      const ProtobufMessage picture = ProtobufMessage()
                                          .integer(1, image.height)
                                          .integer(2, image.width)
                                          .integer(3, 3)
                                          .bytes(4, encode_png(image));
      const std::string name = images.size() == 1 ? tag : str(tag, "/", i);
      summary.message(1, ProtobufMessage().bytes(1, name).message(4, picture));
    }
    write_summary(step, summary);
  }

  void flush() override { file_.sync(); }

  void finish(int exit_code) override {
    constexpr int kSuccess = 1, kFailure = 2;
    const ProtobufMessage end =
        ProtobufMessage().integer(1, exit_code == 0 ? kSuccess : kFailure).float64(2, now());
    write_hparams("_hparams_/session_end_info", ProtobufMessage().integer(1, 0).message(4, end));
    file_.sync();
  }

 private:
  static fs::path event_path(const TrackerOptions& options) {
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    const fs::path directory = options.output_dir / options.logging_dir / options.run_name;
    for (int n = 0;; ++n) {
      fs::path path = directory / str("events.out.tfevents.", std::time(nullptr), '.', host, '.',
                                      getpid(), '.', n);
      if (!fs::exists(path)) return path;
    }
  }

  void write_hyper_parameters(const Json& config) {
    constexpr int kString = 1, kBool = 2, kFloat64 = 3;  // hparams' DataType
    ProtobufMessage experiment, start;
    for (const auto& [name, value] : config.items()) {
      ProtobufMessage given;  // google.protobuf.Value: number 2, string 3, bool 4
      int type = kString;
      if (value.is_boolean()) {
        given.integer(4, value.get<bool>());
        type = kBool;
      } else if (value.is_number()) {
        given.float64(2, value.get<double>());
        type = kFloat64;
      } else {
        given.bytes(3,
                    log::redacted(value.is_string() ? value.get<std::string>() : one_line(value)));
      }
      experiment.message(4, ProtobufMessage().bytes(1, name).integer(4, type));
      start.message(1, ProtobufMessage().bytes(1, name).message(2, given));
    }
    experiment.message(5, ProtobufMessage().message(1, ProtobufMessage().bytes(2, "train_loss")));
    start.float64(5, now());
    write_hparams("_hparams_/experiment", ProtobufMessage().integer(1, 0).message(2, experiment));
    write_hparams("_hparams_/session_start_info",
                  ProtobufMessage().integer(1, 0).message(3, start));
  }

  void write_hparams(const std::string& tag, const ProtobufMessage& content) {
    const ProtobufMessage no_tensor =
        ProtobufMessage().integer(1, kTypeFloat).message(2, ProtobufMessage());
    const ProtobufMessage plugin =
        ProtobufMessage().bytes(1, "hparams").bytes(2, content.encoded());
    const ProtobufMessage value = ProtobufMessage()
                                      .bytes(1, tag)
                                      .message(8, no_tensor)
                                      .message(9, ProtobufMessage().message(1, plugin));
    write_summary(0, ProtobufMessage().message(1, value));
  }

  void write_summary(int64_t step, const ProtobufMessage& summary) {
    write(ProtobufMessage().float64(1, now()).integer(2, step).message(5, summary));
  }

  void write(const ProtobufMessage& event) {
    const std::string length = raw<uint64_t>(event.encoded().size());
    file_.append(length + raw(masked_crc32c(length)) + event.encoded() +
                 raw(masked_crc32c(event.encoded())));
  }

  AppendedFile file_;
};

}  // namespace

std::unique_ptr<Tracker> make_tensorboard_tracker(const TrackerOptions& options) {
  return std::make_unique<TensorBoardTracker>(options);
}

}  // namespace sdxl
