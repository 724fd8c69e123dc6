// Expects an Error: its status and a part of its message.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.h"

namespace sdxl::test {

/// The Error that `statement` throws; nothing, and a test failure, if it throws none.
template <typename Statement>
std::optional<Error> error_of(Statement&& statement) {
  try {
    statement();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return std::nullopt;
}

/// The message of the Error that `statement` throws; a test failure if its status is not `status`.
template <typename Statement>
std::string error_message(Statement&& statement, ExitStatus status = ExitStatus::kBadData) {
  const std::optional<Error> error = error_of(statement);
  if (!error) return "";
  EXPECT_EQ(static_cast<int>(error->status()), static_cast<int>(status)) << error->what();
  return error->what();
}

}  // namespace sdxl::test

/// Expects `statement` to throw an Error with this ExitStatus and `part` in its one-line message.
#define EXPECT_SDXL_ERROR(statement, expected_status, part)                           \
  if (const auto thrown = sdxl::test::error_of([&] { statement; })) {                 \
    EXPECT_EQ(static_cast<int>(thrown->status()), static_cast<int>(expected_status)); \
    EXPECT_THAT(thrown->what(), testing::HasSubstr(part));                            \
  }
