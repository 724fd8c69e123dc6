// Image folders: pictures with captions from metadata files, or from a caption file beside each.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/captions.h"
#include "data/dataset.h"
#include "data/formats/file_kinds.h"
#include "data/formats/metadata_file.h"
#include "data/formats/random_access_file.h"

namespace sdxl {
namespace {

/// Paths relative to the folder, ordered by their bytes.
struct FolderListing {
  StringList pictures, caption_files;
  std::vector<std::string> metadata_files;
};

FolderListing list_by_kind(const std::vector<std::string>& files) {
  FolderListing listing;
  for (const std::string& file : files) {
    if (is_metadata_file(file)) {
      listing.metadata_files.push_back(file);
    } else if (is_picture_file(file)) {
      listing.pictures.add(file);
    } else if (is_caption_file(file)) {
      listing.caption_files.add(file);
    }
  }
  return listing;
}

constexpr uint64_t kLargestPictureFile = uint64_t{512} << 20;

/// What both kinds share: pictures that are files.
class ImageFolder : public Dataset {
 public:
  int64_t size() const override { return pictures_.size(); }
  std::string image_bytes(int64_t index) const override {
    return read_file(path(index), kLargestPictureFile);
  }
  std::string image_head(int64_t index, size_t limit) const override {
    return RandomAccessFile(path(index)).read(0, limit);
  }
  uint64_t image_length(int64_t index) const override { return state(index).size; }
  std::string stamp(int64_t index) const override { return state(index).stamp; }
  std::string name(int64_t index) const override { return path(index); }
  std::vector<std::string> notes() const override { return notes_; }

 protected:
  explicit ImageFolder(const fs::path& folder) : folder_(folder), prefix_(folder / "") {}
  std::string path(int64_t index) const { return path_of(pictures_[index]); }
  /// As folder_ / picture, in less time.
  std::string path_of(std::string_view picture) const { return prefix_ + std::string(picture); }
  FileState state(int64_t index) const {
    FileState state;
    if (!file_state(path(index), &state)) {
      throw Error(ExitStatus::kBadData, "the picture " + quoted(name(index)) + " is missing");
    }
    return state;
  }

  /// Rows that lack something: an error that names the first, or with --on_bad_image skip a note.
  void report_bad(int64_t count, const std::string& first, const std::string& what,
                  const DatasetOptions& options) {
    if (count == 0) return;
    if (!options.skip_bad_rows) {
      throw Error(ExitStatus::kBadData,
                  str(count, " ", what, ", the first ", first,
                      "; mend the data, or leave such rows out with --on_bad_image skip"));
    }
    notes_.push_back(str(count, " ", what, ", the first ", first, ": left out"));
  }

  fs::path folder_;
  std::string prefix_;  // The folder with a slash behind it.
  StringList pictures_;
  std::vector<std::string> notes_;
};

class MetadataFolder : public ImageFolder {
 public:
  MetadataFolder(const fs::path& folder, const FolderListing& listing,
                 const DatasetOptions& options)
      : ImageFolder(folder) {
    std::vector<bool> listed(static_cast<size_t>(listing.pictures.size()));
    for (const std::string& name : listing.metadata_files) {
      add_file(name, listing.pictures, &listed, options);
    }
    refuse_without_captions(options);
    report_bad(missing_, quoted(first_missing_),
               missing_ == 1 ? "picture named by metadata is missing"
                             : "pictures named by metadata are missing",
               options);
    report_bad(uncaptioned_, quoted(first_uncaptioned_),
               uncaptioned_ == 1 ? "row has no caption" : "rows have no caption", options);
    const int64_t unlisted = std::count(listed.begin(), listed.end(), false);
    if (unlisted > 0) {
      notes_.push_back(str(unlisted,
                           unlisted == 1 ? " picture that no metadata file names is"
                                         : " pictures that no metadata file names are",
                           " left out"));
    }
  }

  std::vector<std::string> captions(int64_t index) const override {
    return files_[rows_[index].file]->captions(rows_[index].row);
  }

 private:
  struct Row {
    uint32_t file, row;
  };

  /// `listed[i]` becomes true where a row names pictures[i].
  void add_file(const std::string& name, const StringList& pictures, std::vector<bool>* listed,
                const DatasetOptions& options) {
    const std::string path = path_of(name);
    files_.push_back(open_metadata_file(path, {options.image_column, options.caption_column}));
    const MetadataFile& file = *files_.back();
    const std::string directory = fs::path(name).parent_path().string();
    int64_t place = 0;  // Rows mostly name the pictures in order.
    for (int64_t row = 0; row < file.file_names().size(); ++row) {
      const std::string picture = resolve_file_name(directory, file.file_names()[row], path);
      ++listed_;
      place = pictures.find(picture, place);
      if (place < pictures.size()) {
        (*listed)[static_cast<size_t>(place++)] = true;
      } else if (!exists(picture)) {
        if (missing_++ == 0) first_missing_ = path_of(picture);
        continue;
      }
      if (!file.has_caption(row)) {
        if (uncaptioned_++ == 0) first_uncaptioned_ = path_of(picture);
      } else {
        pictures_.add(picture);
        rows_.push_back({static_cast<uint32_t>(files_.size() - 1), static_cast<uint32_t>(row)});
      }
    }
  }

  /// Whether a picture that the listing passed over (a hidden one, say) is there.
  bool exists(const std::string& picture) const {
    if (is_unreadable_picture_file(picture)) {
      throw Error(ExitStatus::kBadData,
                  quoted(path_of(picture)) +
                      " is of a format that is not read; convert it to PNG, JPEG, WebP or BMP");
    }
    FileState ignored;
    return file_state(path_of(picture), &ignored);
  }

  void refuse_without_captions(const DatasetOptions& options) const {
    if (listed_ == 0) {
      throw Error(ExitStatus::kBadData,
                  "the metadata files of " + quoted(folder_.string()) + " name no picture");
    }
    if (uncaptioned_ < listed_ - missing_ || missing_ == listed_) return;
    std::set<std::string> columns;
    for (const auto& file : files_) {
      for (const std::string& column : file->columns()) columns.insert(column);
    }
    throw Error(ExitStatus::kBadData,
                str("no captions: the metadata files of ", quoted(folder_.string()),
                    " have no column ", quoted(options.caption_column), " but ",
                    escaped(join({columns.begin(), columns.end()}, ", ")),
                    "; name it with --caption_column"));
  }

  std::vector<std::unique_ptr<MetadataFile>> files_;
  std::vector<Row> rows_;
  int64_t listed_ = 0, missing_ = 0, uncaptioned_ = 0;
  std::string first_missing_, first_uncaptioned_;
};

class CaptionFileFolder : public ImageFolder {
 public:
  CaptionFileFolder(const fs::path& folder, const FolderListing& listing,
                    const DatasetOptions& options)
      : ImageFolder(folder) {
    std::unordered_map<size_t, bool> extensions;  // Hash of a stem -> whether it has a .txt.
    for (int64_t i = 0; i < listing.caption_files.size(); ++i) {
      const std::string_view file = listing.caption_files[i];
      const bool txt = file.substr(file.rfind('.')) == ".txt";
      extensions[stem_hash(file)] |= txt;
    }
    int64_t missing = 0;
    std::string first_missing;
    for (int64_t i = 0; i < listing.pictures.size(); ++i) {
      const auto found = extensions.find(stem_hash(listing.pictures[i]));
      if (found == extensions.end()) {
        if (missing++ == 0) first_missing = (folder / listing.pictures[i]).string();
        continue;
      }
      pictures_.add(listing.pictures[i]);
      txt_.push_back(found->second);
    }
    if (pictures_.size() == 0) {
      throw Error(ExitStatus::kBadData,
                  "no captions: " + quoted(folder.string()) +
                      " has pictures, but neither a metadata.jsonl or metadata.csv nor .txt or "
                      ".caption files beside them");
    }
    report_bad(missing, quoted(first_missing),
               missing == 1 ? "picture has no .txt or .caption file beside it"
                            : "pictures have no .txt or .caption file beside them",
               options);
  }

  std::vector<std::string> captions(int64_t index) const override {
    const fs::path file =
        fs::path(path(index)).replace_extension(txt_[index] ? ".txt" : ".caption");
    return {caption_from_file(read_file(file, 1 << 20), file.string())};
  }

 private:
  static size_t stem_hash(std::string_view file) {
    return std::hash<std::string_view>()(file.substr(0, file.rfind('.')));
  }

  std::vector<bool> txt_;
};

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const fs::path& folder,
                                           const std::vector<std::string>& files,
                                           const DatasetOptions& options) {
  const FolderListing listing = list_by_kind(files);
  if (listing.metadata_files.empty()) {
    return std::make_unique<CaptionFileFolder>(folder, listing, options);
  }
  std::set<std::string> kinds;
  for (const std::string& file : listing.metadata_files) {
    kinds.insert(fs::path(file).extension().string());
  }
  if (kinds.size() > 1) {
    throw Error(ExitStatus::kBadData,
                str(quoted(folder.string()), " has metadata files of several kinds (",
                    join({kinds.begin(), kinds.end()}, ", "), "); keep one kind"));
  }
  return std::make_unique<MetadataFolder>(folder, listing, options);
}

}  // namespace sdxl
