// Contact sheets: a labelled grid of pictures, as one picture and as an HTML page.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "commands/infer/run.h"
#include "io/images/image.h"

namespace sdxl {

/// Labels of rows and columns, and the pictures row by row. A missing picture is 0 x 0.
struct ContactSheet {
  std::vector<std::string> row_labels, column_labels;
  std::vector<std::vector<Image>> rows;
};

/// Draws the grid with cells of the largest picture's size. Small pictures are enlarged by a whole
/// factor. Labels are drawn in ASCII; those of columns wrap.
Image draw_contact_sheet(const ContactSheet& sheet);

/// How many columns of `rows` pictures of this size fit on a sheet, at least one. The limit bounds
/// memory, which holds the sheet and its pictures.
int64_t sheet_columns(int64_t rows, int64_t height, int64_t width);

/// One picture of the page: its file relative to the page, and its parameters.
struct PageCell {
  std::string file;
  Json parameters;
};

/// The same grid as HTML that a browser opens from the disk.
std::string contact_sheet_page(const std::string& title, const std::vector<std::string>& row_labels,
                               const std::vector<std::string>& column_labels,
                               const std::vector<std::vector<PageCell>>& rows);

/// Error(kUsage) if grid.png or index.html exist in a directory without the manifest of an earlier
/// run, since they then belong to somebody else.
void refuse_foreign_sheet(const std::filesystem::path& directory);

/// Writes grid.png and index.html into --output_dir: what was drawn with several weight sets,
/// prompts across and checkpoints down. Warns when grid.png has no room for every prompt.
void write_contact_sheet(const InferConfig& config, const PicturePlan& plan, const InferRun& run,
                         const PictureStore& store);

}  // namespace sdxl
