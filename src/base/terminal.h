// Standard error, shared by log lines and the progress bar: one lock and one open (unfinished)
// line.
#pragma once

#include <mutex>
#include <string_view>

namespace sdxl::terminal {

/// Hold it while writing to standard error.
std::mutex& mutex();

/// Whether standard error is a terminal that can redraw a line (a tty, TERM not dumb).
bool interactive();

/// The terminal's width in columns: $COLUMNS, else the size it reports, else 80.
int columns();

/// Writes a whole line, replacing the open line. The caller holds mutex().
void write_line(std::string_view text);

/// Draws `text` without a newline as the open line. The caller holds mutex().
void draw_open_line(std::string_view text);

/// Ends the open line, if any, with a newline. The caller holds mutex().
void close_open_line();

}  // namespace sdxl::terminal
