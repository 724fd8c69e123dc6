#include "commands/infer/picture_store.h"

#include <algorithm>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/log.h"
#include "base/text.h"
#include "io/images/png.h"

namespace sdxl {
namespace {

constexpr const char* kRankManifest = ".manifest-rank-";

/// Whether a PNG's text chunk holds exactly these parameters.
bool png_has_parameters(const fs::path& file, const Json& parameters) {
  if (file.extension() != ".png") return false;
  try {
    for (const auto& [key, text] : png_texts(read_file(file))) {
      if (key == "parameters") return parse_json(text, file.string()) == parameters;
    }
  } catch (const Error&) {
    // Another program wrote it.
  }
  return false;
}

}  // namespace

PictureStore::PictureStore(fs::path directory, bool overwrite, int64_t rank)
    : directory_(std::move(directory)), overwrite_(overwrite) {
  make_directories(directory_);
  const fs::path manifest = directory_ / kPictureManifest;
  if (fs::exists(manifest)) {
    for (const std::string& line : split(read_file(manifest), '\n')) {
      try {
        Json entry = parse_json(line, manifest.string());
        const std::string file = entry.at("file").get<std::string>();
        entry.erase("file");
        made_[file] = std::move(entry);
      } catch (const std::exception&) {
        // The run was killed in the middle of this line: its picture is redrawn.
      }
    }
  }
  manifest_file_ = rank == 0 ? manifest : directory_ / str(kRankManifest, rank, ".jsonl");
}

void PictureStore::gather_manifests(const fs::path& directory) {
  if (!fs::is_directory(directory)) return;
  std::vector<fs::path> parts;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with(kRankManifest)) {
      parts.push_back(entry.path());
    }
  }
  std::sort(parts.begin(), parts.end());
  if (parts.empty()) return;
  LineWriter manifest(directory / kPictureManifest);
  for (const fs::path& part : parts) {
    for (const std::string& line : split(read_file(part), '\n')) {
      if (!line.empty() && line.back() == '}') manifest.line(line);
    }
    fs::remove(part);
  }
}

PictureStore PictureStore::single(fs::path file, bool overwrite) {
  if (fs::exists(file) && !overwrite) {
    throw Error(ExitStatus::kUsage, str("--output ", quoted(file.string()),
                                        " exists: give --overwrite or another file"));
  }
  PictureStore store;
  store.single_ = std::move(file);
  store.overwrite_ = true;
  return store;
}

bool PictureStore::has(const std::string& file, const Json& parameters) const {
  if (overwrite_ || !fs::exists(directory_ / file)) return false;
  auto found = made_.find(file);
  if (found != made_.end() && found->second == parameters) return true;
  // The run was killed after writing the picture but before its manifest line: redraw it.
  if (found == made_.end() && png_has_parameters(directory_ / file, parameters)) {
    return false;
  }
  throw Error(
      ExitStatus::kUsage,
      str((directory_ / file).string(), " exists and was ",
          found == made_.end() ? "not made by this command (manifest.jsonl does not name it)"
                               : "made with other parameters",
          ": give --overwrite or another --output_dir"));
}

void PictureStore::put(const std::string& file, const Json& parameters,
                       const std::function<void(const fs::path&)>& write) {
  const fs::path target = path(file);
  if (target.has_parent_path()) make_directories(target.parent_path());
  write(target);
  if (manifest_file_.empty()) return;
  if (!manifest_) manifest_ = std::make_unique<LineWriter>(manifest_file_);
  Json line = {{"file", file}};
  line.update(parameters);
  manifest_->line(one_line(line));
  made_[file] = parameters;
}

void PictureStore::put(const std::string& file, const Image& image, const Json& parameters) {
  put(file, parameters, [&](const fs::path& path) {
    write_file_atomically(path, png_with_parameters(image, parameters));
  });
}

std::string png_with_parameters(const Image& image, const Json& parameters) {
  return encode_png(image, {{"parameters", one_line(parameters)}, {"Software", "sdxl"}});
}

}  // namespace sdxl
