// A labelled grid of pictures as one picture, and as a page that opens from the disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "commands/infer/run.h"
#include "io/image.h"

namespace sdxl {

/// Labels of rows and columns and the pictures row by row; a place without a picture is empty
/// (0x0).
struct ContactSheet {
  std::vector<std::string> row_labels, column_labels;
  std::vector<std::vector<Image>> rows;
};

/// Every cell is as large as the largest picture; small pictures are enlarged by a whole factor.
/// Labels are drawn in ASCII, those of the columns in several lines where they need them.
Image draw_contact_sheet(const ContactSheet& sheet);

/// How many columns of `rows` pictures of this size, at least one, a sheet has room for: drawing
/// one holds it and its pictures in memory.
int64_t sheet_columns(int64_t rows, int64_t height, int64_t width);

/// One picture of the page: its file relative to the page, and what made it.
struct PageCell {
  std::string file;
  Json parameters;
};

/// The same grid as HTML that needs no server and no other file than the pictures.
std::string contact_sheet_page(const std::string& title, const std::vector<std::string>& row_labels,
                               const std::vector<std::string>& column_labels,
                               const std::vector<std::vector<PageCell>>& rows);

/// Writes grid.png and index.html into --output_dir: what was drawn with several weight sets,
/// prompts across and checkpoints down. Warns when grid.png has no room for every prompt.
void write_contact_sheet(const InferConfig& config, const PicturePlan& plan, const InferRun& run,
                         const PictureStore& store);

}  // namespace sdxl
