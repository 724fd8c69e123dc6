// Image folders: pictures with captions from metadata files, or from a caption file beside each.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "data/captions.h"
#include "data/formats/file_kinds.h"
#include "data/formats/format.h"
#include "data/formats/metadata_file.h"

namespace sdxl {
namespace {

constexpr uint64_t kLargestCaption = uint64_t{1} << 20;

/// Paths relative to the root, ordered by their bytes.
struct FolderListing {
  StringList pictures, unreadable_pictures, caption_files;
  std::vector<std::string> metadata_files;
};

FolderListing list_by_kind(const std::vector<std::string>& files) {
  FolderListing listing;
  for (const std::string& file : files) {
    if (is_metadata_file(file)) {
      listing.metadata_files.push_back(file);
    } else if (is_picture_file(file)) {
      listing.pictures.add(file);
    } else if (is_unreadable_picture_file(file)) {
      listing.unreadable_pictures.add(file);
    } else if (is_caption_file(file)) {
      listing.caption_files.add(file);
    }
  }
  return listing;
}

/// Pictures that are files.
class ImageFolder : public Dataset {
 public:
  int64_t size() const override { return pictures_.size(); }
  std::string image_bytes(int64_t index) const override {
    return tree_->read(pictures_[index], kLargestPicture);
  }
  std::string image_head(int64_t index, size_t limit) const override {
    return tree_->read_head(pictures_[index], limit);
  }
  uint64_t image_length(int64_t index) const override { return state(index).size; }
  std::string stamp(int64_t index) const override { return state(index).stamp; }
  std::string name(int64_t index) const override { return tree_->full_path(pictures_[index]); }

 protected:
  explicit ImageFolder(const FormatFiles& files) : tree_(files.tree) {}
  /// Zeros for a picture that is not there, which reading it reports.
  FileState state(int64_t index) const {
    FileState state;
    tree_->state(pictures_[index], &state);
    return state;
  }

  std::shared_ptr<const FileTree> tree_;
  StringList pictures_;
};

class MetadataFolder : public ImageFolder {
 public:
  MetadataFolder(const FormatFiles& files, const FolderListing& listing,
                 const DatasetOptions& options)
      : ImageFolder(files) {
    Listed listed{std::vector<bool>(listing.pictures.size()),
                  std::vector<bool>(listing.unreadable_pictures.size())};
    for (const std::string& name : listing.metadata_files) {
      add_file(name, files, listing, options, &listed);
    }
    refuse_without_captions(options);
    note_what_is_left_out(listing, listed);
  }

  std::vector<std::string> captions(int64_t index) const override {
    return files_[rows_[index].file]->captions(rows_[index].row);
  }

 private:
  struct Row {
    uint32_t file, row;
  };
  /// Which pictures of the listing a row names.
  struct Listed {
    std::vector<bool> pictures, unreadable_pictures;
  };

  void add_file(const std::string& name, const FormatFiles& files, const FolderListing& listing,
                const DatasetOptions& options, Listed* listed) {
    files_.push_back(
        open_metadata_file(*tree_, name, {options.image_column, options.caption_column}));
    const MetadataFile& file = *files_.back();
    unusable_.insert(unusable_.end(), file.unusable().begin(), file.unusable().end());
    notes_.insert(notes_.end(), file.notes().begin(), file.notes().end());
    const size_t slash = name.rfind('/');
    const std::string directory = slash == name.npos ? "" : name.substr(0, slash);
    int64_t place = 0;  // Rows mostly name the pictures in order.
    for (int64_t row = 0; row < file.file_names().size(); ++row) {
      try {
        const std::string picture =
            resolve_file_name(directory, file.file_names()[row], tree_->full_path(name));
        add_row(picture, row, files, listing, &place, listed);
      } catch (const Error& error) {
        unusable_.push_back({str(tree_->full_path(name), " row ", row), error.what()});
      }
    }
  }

  void add_row(const std::string& picture, int64_t row, const FormatFiles& files,
               const FolderListing& listing, int64_t* place, Listed* listed) {
    *place = listing.pictures.find(picture, *place);
    if (*place < listing.pictures.size()) {
      listed->pictures[static_cast<size_t>((*place)++)] = true;
    } else {
      if (!files.is_in_split(tree_->file_of(picture))) {
        if (other_splits_++ == 0) first_of_other_split_ = picture;
        return;
      }
      const int64_t unreadable = listing.unreadable_pictures.find(picture, 0);
      if (unreadable < listing.unreadable_pictures.size()) {
        listed->unreadable_pictures[static_cast<size_t>(unreadable)] = true;
      }
    }
    pictures_.add(picture);
    rows_.push_back({static_cast<uint32_t>(files_.size() - 1), static_cast<uint32_t>(row)});
  }

  void refuse_without_captions(const DatasetOptions& options) const {
    if (rows_.empty()) {
      if (!unusable_.empty()) throw Error(ExitStatus::kBadData, unusable_.front().reason);
      throw bad_data(options.path, "the metadata files name no picture");
    }
    for (const Row& row : rows_) {
      if (files_[row.file]->has_caption(row.row)) return;
    }
    std::set<std::string> columns;
    for (const auto& file : files_) {
      for (const std::string& column : file->columns()) columns.insert(column);
    }
    const char* remedy = columns.contains(options.caption_column)
                             ? " that holds a caption; its columns: "
                             : "; their columns: ";
    throw bad_data(options.path, "no captions: the metadata files have no column ",
                   quoted(options.caption_column), remedy,
                   escaped(join({columns.begin(), columns.end()}, ", ")),
                   "; name it with --caption_column");
  }

  void note_what_is_left_out(const FolderListing& listing, const Listed& listed) {
    const int64_t unlisted =
        std::count(listed.pictures.begin(), listed.pictures.end(), false) +
        std::count(listed.unreadable_pictures.begin(), listed.unreadable_pictures.end(), false);
    if (unlisted > 0) {
      notes_.push_back(str(counted(unlisted, "picture"), " that no metadata file names ",
                           unlisted == 1 ? "is" : "are", " left out"));
    }
    if (other_splits_ > 0) {
      notes_.push_back(str(counted(other_splits_, "row"), " of other splits ",
                           other_splits_ == 1 ? "is" : "are", " left out, such as ",
                           quoted(first_of_other_split_)));
    }
    if (const int64_t count = listing.caption_files.size()) {
      notes_.push_back(str(counted(count, "caption file"), " ", count == 1 ? "is" : "are",
                           " ignored, since captions come from ",
                           quoted(listing.metadata_files.front())));
    }
  }

  std::vector<std::unique_ptr<MetadataFile>> files_;
  std::vector<Row> rows_;
  int64_t other_splits_ = 0;
  std::string first_of_other_split_;
};

class CaptionFileFolder : public ImageFolder {
 public:
  CaptionFileFolder(const FormatFiles& files, const FolderListing& listing,
                    const DatasetOptions& options)
      : ImageFolder(files) {
    if (listing.caption_files.size() == 0) {
      throw bad_data(
          options.path,
          "no captions: it has pictures, but neither a metadata.jsonl or metadata.csv nor "
          ".txt or .caption files beside them");
    }
    Captions captions;
    for (int64_t i = 0; i < listing.caption_files.size(); ++i) {
      add_caption(listing.caption_files[i], &captions);
    }
    add_pictures(listing, &captions);
    note_captions_without_picture(listing, captions);
  }

  std::vector<std::string> captions(int64_t index) const override {
    if (extensions_[index] == kNoCaption) return {};
    const std::string_view picture = pictures_[index];
    const std::string file =
        std::string(picture.substr(0, picture.rfind('.'))) + known_extensions_[extensions_[index]];
    std::string caption =
        caption_from_file(tree_->read(file, kLargestCaption), tree_->full_path(file));
    if (caption.empty()) return {};
    return {std::move(caption)};
  }

 private:
  static constexpr uint8_t kNoCaption = 0;

  struct Caption {
    uint8_t extension = kNoCaption;
    bool has_picture = false;
  };
  using Captions = std::unordered_map<size_t, Caption>;  // By stem_hash().

  static size_t stem_hash(std::string_view file) {
    return std::hash<std::string_view>()(file.substr(0, file.rfind('.')));
  }

  /// .txt comes before .caption.
  void add_caption(std::string_view file, Captions* captions) {
    const std::string extension(file.substr(file.rfind('.')));
    const auto known = std::find(known_extensions_.begin(), known_extensions_.end(), extension);
    const auto number = static_cast<uint8_t>(known - known_extensions_.begin());
    if (known == known_extensions_.end()) known_extensions_.push_back(extension);
    Caption& caption = (*captions)[stem_hash(file)];
    if (caption.extension == kNoCaption || lower_extension(file) == "txt") {
      caption.extension = number;
    }
  }

  /// All pictures that can be read, and those with a caption that cannot.
  void add_pictures(const FolderListing& listing, Captions* captions) {
    std::vector<std::string> names;
    int64_t uncaptioned = 0;
    std::string example;
    for (int64_t i = 0; i < listing.pictures.size(); ++i) {
      names.emplace_back(listing.pictures[i]);
    }
    for (int64_t i = 0; i < listing.unreadable_pictures.size(); ++i) {
      const std::string name(listing.unreadable_pictures[i]);
      if (captions->contains(stem_hash(name))) {
        names.push_back(name);
      } else if (uncaptioned++ == 0) {
        example = name;
      }
    }
    if (listing.unreadable_pictures.size() > 0) std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const auto found = captions->find(stem_hash(name));
      if (found != captions->end()) found->second.has_picture = true;
      pictures_.add(name);
      extensions_.push_back(found == captions->end() ? kNoCaption : found->second.extension);
    }
    if (uncaptioned > 0) {
      notes_.push_back(str(counted(uncaptioned, "file"), " of formats that are not read ",
                           uncaptioned == 1 ? "is" : "are", " left out, such as ",
                           quoted(example)));
    }
  }

  void note_captions_without_picture(const FolderListing& listing, const Captions& captions) {
    int64_t count = 0;
    std::string example;
    for (int64_t i = 0; i < listing.caption_files.size(); ++i) {
      if (captions.at(stem_hash(listing.caption_files[i])).has_picture) continue;
      if (count++ == 0) example = listing.caption_files[i];
    }
    if (count > 0) {
      notes_.push_back(str(counted(count, "caption file"), " without a picture beside ",
                           count == 1 ? "it is" : "them are", " left out, such as ",
                           quoted(example)));
    }
  }

  std::vector<std::string> known_extensions_ = {""};  ///< The first stands for no caption.
  std::vector<uint8_t> extensions_;                   ///< Of each row's caption file.
};

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const FormatFiles& files,
                                           const DatasetOptions& options) {
  const FolderListing listing = list_by_kind(files.tree->files());
  if (listing.metadata_files.empty()) {
    return std::make_unique<CaptionFileFolder>(files, listing, options);
  }
  std::set<std::string> kinds;
  for (const std::string& file : listing.metadata_files) kinds.insert("." + lower_extension(file));
  if (kinds.size() > 1) {
    throw bad_data(options.path, "has metadata files of several kinds (",
                   join({kinds.begin(), kinds.end()}, ", "), "); keep one kind");
  }
  return std::make_unique<MetadataFolder>(files, listing, options);
}

}  // namespace sdxl
