// Standard error as log lines and the progress bar share it: one lock, and one line that may be
// open.
#pragma once

#include <mutex>
#include <string_view>

namespace sdxl::terminal {

/// Held while something is written to standard error.
std::mutex& mutex();

/// Whether standard error is a terminal that can redraw a line (a tty, TERM not dumb).
bool interactive();

/// Its width in columns: $COLUMNS, else what the terminal says, else 80.
int columns();

/// Writes a whole line, over the open line if there is one. The caller holds mutex().
void write_line(std::string_view text);

/// Draws `text` without a newline in place of the open line. The caller holds mutex().
void draw_open_line(std::string_view text);

/// Ends the open line, if there is one, with a newline. The caller holds mutex().
void close_open_line();

}  // namespace sdxl::terminal
