// What the files of a data set are, by their names.
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

/// The extension of the last part of `path` in lower case and without the dot; "" if it has none.
std::string lower_extension(std::string_view path);

/// A picture of a format that decode_image() reads.
bool is_picture_file(const std::string& path);
/// A picture of a format that is not read (HEIC, TIFF, …).
bool is_unreadable_picture_file(const std::string& path);
/// The caption of the picture of the same stem: .txt or .caption.
bool is_caption_file(std::string_view path);
/// metadata.jsonl, metadata.csv or metadata.parquet: captions of the pictures beside and below it.
bool is_metadata_file(std::string_view path);
/// A Parquet table of pictures.
bool is_parquet_file(const std::string& path);
/// A tar file, compressed or not.
bool is_tar_file(const std::string& path);

}  // namespace sdxl
