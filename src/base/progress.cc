#include "base/progress.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>

#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/text.h"
#include "base/utf8.h"

namespace sdxl {
namespace {

constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::seconds kPlainInterval{30};

enum class Style { kBar, kPlain, kSilent };

Style style() {
  if (!log::enabled(log::Level::kInfo) || environment_flag("TQDM_DISABLE") ||
      environment_flag("HF_HUB_DISABLE_PROGRESS_BARS")) {
    return Style::kSilent;
  }
  return terminal::interactive() && !environment_flag("CI") ? Style::kBar : Style::kPlain;
}

/// `text` cut to `width` columns, counting a character as one.
std::string cut(const std::string& text, int width) {
  int used = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_utf8_continuation(text[i]) && used++ == width) return text.substr(0, i);
  }
  return text;
}

}  // namespace

struct Progress::State {
  std::mutex mutex;
  std::string title, unit, note;
  uint64_t total = 0, position = 0, start = 0;
  uint64_t plain_position = 0;  // at the last plain line
  Style style = Style::kSilent;
  Clock::time_point begun = Clock::now(), drawn = begun;

  std::string amount(uint64_t count) const {
    return unit == "B" ? bytes_text(count) : std::to_string(count);
  }

  std::string rate(double per_second) const {
    if (unit == "B") return bytes_text(static_cast<uint64_t>(per_second)) + "/s";
    char text[48];
    if (per_second >= 1) {
      std::snprintf(text, sizeof text, "%.2f ", per_second);
      return text + unit + "/s";
    }
    std::snprintf(text, sizeof text, "%.2f s/", 1 / per_second);
    return text + unit;
  }

  /// "60/500 step, 0:31 of 4:18, 1.93 step/s, loss=0.1"
  std::string figures() const {
    const double elapsed = seconds_since(begun);
    const double done = static_cast<double>(position - std::min(start, position));
    std::string text = amount(position);
    if (total > 0) text += "/" + amount(total);
    if (unit != "B") text += " " + unit;
    text += ", " + duration_text(elapsed);
    if (done > 0 && elapsed > 0) {
      const double left =
          total > position ? static_cast<double>(total - position) * elapsed / done : 0;
      if (left > 0) text += " (" + duration_text(left) + " left)";
      text += ", " + rate(done / elapsed);
    }
    return note.empty() ? text : text + ", " + note;
  }

  /// `whole` times the finished fraction of the total.
  double scaled(double whole) const {
    return std::min(whole, whole * static_cast<double>(position) / static_cast<double>(total));
  }

  std::string percentage() const {
    return total == 0 ? "" : str(" ", static_cast<int>(scaled(100)), "%");
  }

  void draw_bar() {
    constexpr int kCells = 20;
    std::string bar;
    if (total > 0) {
      const int full = static_cast<int>(scaled(kCells));
      bar = " ";
      for (int i = 0; i < kCells; ++i) bar += i < full ? "█" : "░";
    }
    const std::string line = str(title, percentage(), bar, " ", figures());
    const std::lock_guard lock(terminal::mutex());
    terminal::draw_open_line(cut(line, terminal::columns() - 1));
  }

  void draw_plain() {
    plain_position = position;
    log::info(str(title, percentage(), " ", figures()));
  }

  void update() {
    const auto now = Clock::now();
    const bool complete = total > 0 && position >= total;
    if (style == Style::kBar && (complete || now - drawn >= kRedrawInterval)) {
      drawn = now;
      draw_bar();
    } else if (style == Style::kPlain && !complete && now - drawn >= kPlainInterval &&
               (position - plain_position) * 100 >= total) {
      drawn = now;
      draw_plain();
    }
  }
};

Progress::Progress(std::string title, uint64_t total, std::string unit, uint64_t start)
    : state_(std::make_unique<State>()) {
  state_->title = escaped(title);
  state_->unit = std::move(unit);
  state_->total = total;
  state_->position = state_->start = state_->plain_position = start;
  state_->style = style();
  if (state_->style == Style::kBar) state_->draw_bar();
}

Progress::~Progress() {
  const std::lock_guard lock(state_->mutex);
  if (state_->style == Style::kBar) {
    state_->draw_bar();
    const std::lock_guard terminal_lock(terminal::mutex());
    terminal::close_open_line();
  } else if (state_->style == Style::kPlain) {
    state_->draw_plain();
  }
}

void Progress::advance(uint64_t count) {
  const std::lock_guard lock(state_->mutex);
  state_->position += count;
  state_->update();
}

void Progress::set(uint64_t position) {
  const std::lock_guard lock(state_->mutex);
  state_->position = position;
  state_->plain_position = std::min(state_->plain_position, position);
  state_->update();
}

void Progress::note(std::string text) {
  const std::lock_guard lock(state_->mutex);
  state_->note = escaped(text);
}

}  // namespace sdxl
