// Letters are those of stb_easy_font, which gives them as rectangles.
#include "commands/infer/contact_sheet.h"

#include <algorithm>
#include <cstring>

#include "base/files/atomic_files.h"
#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include "hub/names.h"
#include "io/images/decode.h"
#include "io/images/png.h"
#include "io/images/resize.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace sdxl {
namespace {

constexpr int64_t kScale = 2;  // pixels a font unit
constexpr int64_t kGap = 8;    // between cells
constexpr int64_t kLineHeight = 12 * kScale;
constexpr int64_t kLargestRowLabel = 320;
constexpr int64_t kSmallestCell = 128;  // smaller pictures are enlarged so that labels fit
constexpr size_t kHeaderLines = 5;
constexpr const char* kSheetPicture = "grid.png";
constexpr const char* kSheetPage = "index.html";
constexpr int64_t kLargestCell = 512;  // pixels a side of a picture in grid.png
constexpr int64_t kMostPixels = int64_t{1} << 27;

std::string ascii(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (!is_utf8_continuation(c)) result += c >= 32 && c < 127 ? c : '?';
  }
  return result;
}

int64_t text_width(std::string text) { return stb_easy_font_width(text.data()) * kScale; }

std::string cut(std::string text, int64_t width) {
  if (text_width(text) <= width) return text;
  while (!text.empty() && text_width(text + "...") > width) text.pop_back();
  return text + "...";
}

/// `text` in lines no wider than `width`, at most kHeaderLines.
std::vector<std::string> wrapped(const std::string& text, int64_t width) {
  std::vector<std::string> lines;
  for (const std::string& word : split(text, ' ')) {
    if (!lines.empty() &&
        (lines.size() == kHeaderLines || text_width(lines.back() + " " + word) <= width)) {
      lines.back() += " " + word;
    } else {
      lines.push_back(word);
    }
  }
  for (std::string& line : lines) line = cut(line, width);
  return lines;
}

void fill(Image& image, int64_t top, int64_t left, int64_t height, int64_t width, uint8_t grey) {
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + height, image.height); ++y) {
    const int64_t from = std::max<int64_t>(left, 0), to = std::min(left + width, image.width);
    if (from < to) std::memset(&image.rgb[(y * image.width + from) * 3], grey, (to - from) * 3);
  }
}

void draw_text(Image& image, int64_t top, int64_t left, std::string text) {
  struct Vertex {
    float x, y, z;
    unsigned char colour[4];
  };
  std::vector<Vertex> vertices(text.size() * 80 + 4);
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size() * sizeof(Vertex)));
  for (int i = 0; i < quads; ++i) {
    const Vertex& from = vertices[i * 4];
    const Vertex& to = vertices[i * 4 + 2];
    fill(image, top + static_cast<int64_t>(from.y * kScale),
         left + static_cast<int64_t>(from.x * kScale),
         static_cast<int64_t>((to.y - from.y) * kScale),
         static_cast<int64_t>((to.x - from.x) * kScale), 32);
  }
}

/// Every pixel of `picture` as a square of `factor` a side.
void paste(Image& sheet, int64_t top, int64_t left, const Image& picture, int64_t factor) {
  for (int64_t y = 0; y < picture.height * factor; ++y) {
    for (int64_t x = 0; x < picture.width * factor; ++x) {
      std::memcpy(&sheet.rgb[((top + y) * sheet.width + left + x) * 3],
                  &picture.rgb[(y / factor * picture.width + x / factor) * 3], 3);
    }
  }
}

std::string html_escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// A picture for a cell of grid.png; empty if the file is missing.
Image cell_picture(const fs::path& file) {
  if (!fs::exists(file)) return {};
  Image image = read_image(file);
  if (std::min(image.height, image.width) <= kLargestCell) return image;
  return resize_shorter_side(image, kLargestCell, ResizeFilter::kLanczos);
}

/// How many pictures of each set fit on grid.png.
int64_t grid_columns(const PicturePlan& plan, const InferRun& run) {
  int64_t height = 1, width = 1;
  for (const PictureJob& job : plan.jobs) {
    const int64_t divisor = std::max<int64_t>(1, std::min(job.height, job.width) / kLargestCell);
    height = std::max(height, job.height / divisor);
    width = std::max(width, job.width / divisor);
  }
  return sheet_columns(static_cast<int64_t>(run.sets().size()), height, width);
}

}  // namespace

Image draw_contact_sheet(const ContactSheet& sheet) {
  // 1. The size of a cell, of the labels beside the rows and of those above the columns.
  int64_t cell_height = 1, cell_width = 1;
  for (const auto& row : sheet.rows) {
    for (const Image& picture : row) {
      cell_height = std::max(cell_height, picture.height);
      cell_width = std::max(cell_width, picture.width);
    }
  }
  const int64_t factor = std::max<int64_t>(1, kSmallestCell / std::max(cell_height, cell_width));
  cell_height *= factor;
  cell_width *= factor;
  int64_t label_width = 0;
  for (const std::string& label : sheet.row_labels) {
    label_width = std::max(label_width, std::min(text_width(ascii(label)), kLargestRowLabel));
  }
  std::vector<std::vector<std::string>> headers;
  size_t lines = 0;
  for (const std::string& label : sheet.column_labels) {
    headers.push_back(wrapped(ascii(label), cell_width));
    lines = std::max(lines, headers.back().size());
  }

  // 2. An empty sheet of the size that follows.
  const int64_t header = static_cast<int64_t>(lines) * kLineHeight + kGap;
  const int64_t margin = label_width + 2 * kGap;
  Image result{header + static_cast<int64_t>(sheet.rows.size()) * (cell_height + kGap),
               margin + static_cast<int64_t>(headers.size()) * (cell_width + kGap),
               {}};
  result.rgb.assign(result.height * result.width * 3, 255);

  // 3. Labels and pictures.
  for (size_t c = 0; c < headers.size(); ++c) {
    for (size_t i = 0; i < headers[c].size(); ++i) {
      draw_text(result, kGap / 2 + static_cast<int64_t>(i) * kLineHeight,
                margin + static_cast<int64_t>(c) * (cell_width + kGap), headers[c][i]);
    }
  }
  for (size_t r = 0; r < sheet.rows.size(); ++r) {
    const int64_t top = header + static_cast<int64_t>(r) * (cell_height + kGap);
    draw_text(result, top + kGap, kGap, cut(ascii(sheet.row_labels[r]), label_width));
    for (size_t c = 0; c < sheet.rows[r].size(); ++c) {
      paste(result, top, margin + static_cast<int64_t>(c) * (cell_width + kGap), sheet.rows[r][c],
            factor);
    }
  }
  return result;
}

int64_t sheet_columns(int64_t rows, int64_t height, int64_t width) {
  const int64_t cell = std::max(height, kSmallestCell) * std::max(width, kSmallestCell);
  return std::max<int64_t>(1, kMostPixels / cell / std::max<int64_t>(rows, 1));
}

std::string contact_sheet_page(const std::string& title, const std::vector<std::string>& row_labels,
                               const std::vector<std::string>& column_labels,
                               const std::vector<std::vector<PageCell>>& rows) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" + html_escaped(title) +
      "</title>\n<style>body{font:14px sans-serif;margin:1em}table{border-collapse:collapse}"
      "th,td{padding:4px;vertical-align:top;text-align:left}th{max-width:16em}img{display:block;"
      "min-width:96px}"
      "pre{max-width:36em;white-space:pre-wrap;font-size:12px}</style>\n<h1>" +
      html_escaped(title) + "</h1>\n<table>\n<tr><th></th>";
  for (const std::string& label : column_labels)
    page += "<th>" + html_escaped(escaped(label)) + "</th>";
  page += "</tr>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    page += "<tr><th>" + html_escaped(escaped(row_labels[r])) + "</th>";
    for (const PageCell& cell : rows[r]) {
      page += "<td>";
      if (!cell.file.empty()) {
        page += "<img src=\"" + url_quoted(cell.file, true) +
                "\" alt=\"\"><details><summary>parameters</summary><pre>" +
                html_escaped(indented(cell.parameters)) + "</pre></details>";
      }
      page += "</td>";
    }
    page += "</tr>\n";
  }
  return page + "</table>\n</html>\n";
}

void refuse_foreign_sheet(const fs::path& directory) {
  if (fs::exists(directory / kPictureManifest)) return;
  for (const char* name : {kSheetPicture, kSheetPage}) {
    if (!fs::exists(directory / name)) continue;
    throw Error(ExitStatus::kUsage,
                str("--output_dir ", quoted(directory.string()), " holds ", name,
                    ", which sdxl did not write: give --overwrite or another directory"));
  }
}

void write_contact_sheet(const InferConfig& config, const PicturePlan& plan, const InferRun& run,
                         const PictureStore& store) {
  ContactSheet sheet;
  std::vector<std::vector<PageCell>> cells;
  std::vector<std::string> labels;
  for (const PictureJob& job : plan.jobs) labels.insert(labels.end(), job.count, job.texts.prompt);
  const auto columns = static_cast<size_t>(grid_columns(plan, run));
  sheet.column_labels = {labels.begin(), labels.begin() + std::min(columns, labels.size())};
  if (columns < labels.size()) {
    log::warning(str("grid.png shows the first ", columns, " of ", labels.size(),
                     " pictures of each checkpoint, index.html all of them"));
  }
  for (const WeightSet& set : run.sets()) {
    sheet.row_labels.push_back(set.label);
    sheet.rows.emplace_back();
    cells.emplace_back();
    for (const PictureJob& job : plan.jobs) {
      for (int64_t n = 0; n < job.count; ++n) {
        const std::string file = set.folder() + "/" + job.file_name(n);
        const fs::path path = store.path(file);
        if (sheet.rows.back().size() < columns) sheet.rows.back().push_back(cell_picture(path));
        cells.back().push_back({fs::exists(path) ? file : "", run.picture_parameters(job, set)});
      }
    }
  }
  const fs::path directory = *config.output_dir;
  write_file_atomically(directory / kSheetPicture, encode_png(draw_contact_sheet(sheet)));
  write_file_atomically(directory / kSheetPage,
                        contact_sheet_page("Checkpoints of " + join(config.checkpoints, ", "),
                                           sheet.row_labels, labels, cells));
}

}  // namespace sdxl
