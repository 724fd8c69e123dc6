// What the files of a data set are, by their names. Upper case counts like lower case.
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

/// `text` with ASCII letters in lower case.
std::string in_lower_case(std::string_view text);

/// The extension of the last part of `path` in lower case, without the dot; "" if it has none.
std::string lower_extension(std::string_view path);

/// A picture of a format that decode_image() reads.
bool is_picture_file(std::string_view path);
/// A picture of a format that is not read, such as HEIC.
bool is_unreadable_picture_file(std::string_view path);
/// The caption of the picture of the same stem: .txt or .caption.
bool is_caption_file(std::string_view path);
/// metadata.jsonl, metadata.csv or metadata.parquet: captions of the pictures beside and below it.
bool is_metadata_file(std::string_view path);
/// A Parquet table of pictures.
bool is_parquet_file(std::string_view path);
/// A tar file, compressed or not.
bool is_tar_file(std::string_view path);
bool is_zip_file(std::string_view path);
/// A name that begins with "." or "__", which data sets leave out: hidden files, __MACOSX.
bool is_hidden_name(std::string_view name);

}  // namespace sdxl
