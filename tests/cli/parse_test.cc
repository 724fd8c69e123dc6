// The command line.
#include "cli/parse.h"

#include "base/files/atomic_files.h"
#include "base/text.h"
#include "config/infer_config.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

class SampleCommand : public Command {
 public:
  SampleCommand(std::string name, std::string positional) : positional_(std::move(positional)) {
    set_name(std::move(name));
  }
  std::string summary() const override { return "does something"; }
  OptionSet& options() override { return options_; }
  std::string positional_name() const override { return positional_; }
  void set_positionals(const std::vector<std::string>& values) override { positionals = values; }
  void validate() override {}
  ExitStatus run() override { return ExitStatus::kDone; }

  InferConfig config;
  std::vector<std::string> positionals;

 private:
  std::string positional_;
  OptionSet options_{infer_table(config)};
};

struct Parsed {
  std::vector<std::unique_ptr<Command>> commands;
  CommandLine line;
  InferConfig& config() const { return static_cast<SampleCommand*>(line.command)->config; }
  std::vector<std::string>& positionals() const {
    return static_cast<SampleCommand*>(line.command)->positionals;
  }
};

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed parsed;
  parsed.commands.push_back(std::make_unique<SampleCommand>("infer", ""));
  parsed.commands.push_back(std::make_unique<SampleCommand>("train-full", ""));
  parsed.commands.push_back(std::make_unique<SampleCommand>("download", "REPO"));
  parsed.line = parse_command_line(arguments, parsed.commands);
  return parsed;
}

void refuses(const std::vector<std::string>& arguments, const char* part) {
  EXPECT_SDXL_ERROR(parse(arguments), ExitStatus::kUsage, part);
}

TEST(Parse, UnderscoresAndDashesAreTheSameFlag) {
  EXPECT_EQ(parse({"infer", "--num_inference_steps", "7"}).config().num_inference_steps, 7);
  EXPECT_EQ(parse({"infer", "--num-inference-steps=7"}).config().num_inference_steps, 7);
  EXPECT_EQ(parse({"infer", "--num-inference_steps=7"}).config().num_inference_steps, 7);
}

TEST(Parse, BooleansHaveEveryForm) {
  EXPECT_TRUE(parse({"infer", "--overwrite"}).config().overwrite);
  EXPECT_TRUE(parse({"infer", "--overwrite=true"}).config().overwrite);
  EXPECT_FALSE(parse({"infer", "--overwrite", "--no_overwrite"}).config().overwrite);
  EXPECT_FALSE(parse({"infer", "--overwrite", "--no-overwrite"}).config().overwrite);
  EXPECT_FALSE(parse({"infer", "--overwrite", "--overwrite=false"}).config().overwrite);
  EXPECT_TRUE(parse({"infer", "--no_overwrite", "--overwrite"}).config().overwrite);
  refuses({"infer", "--overwrite=1"}, "--overwrite '1': must be true or false");
  refuses({"infer", "--no_overwrite=true"}, "takes no value");
  refuses({"infer", "--overwrite", "true"}, "unexpected argument 'true'");
  refuses({"infer", "--no_prompt"}, "unknown option '--no_prompt'");
}

TEST(Parse, TheLastOfARepeatedFlagCountsAndRepeatableOnesAccumulate) {
  const Parsed parsed =
      parse({"infer", "--height=64", "--prompt", "a", "--height", "128", "--prompt=b"});
  EXPECT_EQ(parsed.config().height, 128);
  EXPECT_EQ(parsed.config().prompt, (std::vector<std::string>{"a", "b"}));
}

TEST(Parse, TextsArriveByteForByte) {
  const std::vector<std::string> texts = {"",       "=",   "==a",   "[a,b]", "{}",
                                          "--seed", "-x",  "a b\n", "\"q\"", "\xff\x01",
                                          "%%",     "'s'", "a=b",   "\\n"};
  std::vector<std::string> arguments = {"infer"};
  for (const std::string& text : texts) arguments.push_back("--prompt=" + text);
  EXPECT_EQ(parse(arguments).config().prompt, texts);
  EXPECT_EQ(parse({"infer", "--negative_prompt", ""}).config().negative_prompt, "");
  EXPECT_EQ(parse({"infer", "--negative_prompt", "-x"}).config().negative_prompt, "-x");
  EXPECT_EQ(parse({"infer", "--negative_prompt="}).config().negative_prompt, "");
}

TEST(Parse, NumbersKeepEveryDigit) {
  EXPECT_EQ(parse({"infer", "--seed", "18446744073709551615"}).config().seed, UINT64_MAX);
  EXPECT_EQ(parse({"infer", "--seed=9007199254740993"}).config().seed, 9007199254740993u);
  EXPECT_EQ(parse({"infer", "--crops_coords_top_left", "1,2"}).config().crops_coords_top_left,
            (IntPair{1, 2}));
  refuses({"infer", "--seed", "18446744073709551616"}, "--seed '18446744073709551616'");
  refuses({"infer", "--guidance_scale", "nan"}, "finite");
}

TEST(Parse, AFlagIsNotTakenForAValue) {
  refuses({"infer", "--prompt", "--seed", "3"}, "--prompt needs a value before '--seed'");
  refuses({"infer", "--prompt"}, "--prompt needs a value");
  EXPECT_EQ(parse({"infer", "--lora_scale", "-0.5"}).config().lora_scale,
            std::vector<double>{-0.5});
}

TEST(Parse, SuggestsNearNames) {
  refuses({"infer", "--promt", "x"}, "unknown option '--promt'; did you mean '--prompt'?");
  refuses({"infer", "--steps=3"}, "did you mean '--num_inference_steps'?");
  refuses({"infer", "--zzzzzzz"}, "'sdxl infer --help' lists the options");
  refuses({"infer", "-p"}, "unknown option '-p'");
  refuses({"train_full"}, "unknown command 'train_full'; did you mean 'train-full'?");
  refuses({"--seed", "3"}, "before a command; the commands are infer, train-full, download");
}

TEST(Parse, PositionalArgumentsAreForCommandsThatTakeThem) {
  const Parsed parsed = parse({"download", "me/model", "--offline", "[x]", "--", "--y"});
  EXPECT_EQ(parsed.positionals(), (std::vector<std::string>{"me/model", "[x]", "--y"}));
  EXPECT_TRUE(parsed.config().offline);
  refuses({"infer", "picture.png"}, "unexpected argument 'picture.png'");
}

TEST(Parse, FlagsOverrideTheConfigFileWhereverTheyStand) {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "c.json",
                        R"({"_made_by":"x","seed":1,"height":64,"prompt":["file"]})");
  const std::string file = (directory / "c.json").string();
  const Parsed parsed = parse({"infer", "--seed=2", "--config", file, "--prompt", "flag"});
  EXPECT_EQ(parsed.config().seed, 2u);
  EXPECT_EQ(parsed.config().height, 64);
  EXPECT_EQ(parsed.config().prompt, std::vector<std::string>{"flag"});
}

TEST(Parse, RefusesBadConfigFiles) {
  const test::TemporaryDirectory directory;
  const std::string file = (directory / "c.json").string();
  write_file_atomically(file, R"({"seed":1,"seed":2})");
  refuses({"infer", "--config", file}, "the key 'seed' occurs twice");
  write_file_atomically(file, R"({"heigth":64})");
  refuses({"infer", "--config", file}, "c.json: unknown key 'heigth'; did you mean 'height'?");
  write_file_atomically(file, R"({"height":65})");
  refuses({"infer", "--config", file}, "multiple of 8");
  EXPECT_SDXL_ERROR(parse({"infer", "--config=/none.json"}), ExitStatus::kFileError, "/none.json");
}

TEST(Parse, HelpShowsEveryOptionByGroup) {
  const std::string text = parse({"infer", "--prompt", "x", "--help"}).line.text;
  InferConfig config;
  for (const Option& option : infer_table(config)) {
    EXPECT_THAT(text, testing::HasSubstr(option.name));
    EXPECT_THAT(text, testing::HasSubstr("\n" + option.group + "\n"));
  }
  for (const std::string& line : split(text, '\n')) EXPECT_LE(line.size(), 100u) << line;
  EXPECT_THAT(text, testing::HasSubstr("(default: 7.5)"));
  EXPECT_EQ(parse({"infer", "-h"}).line.text, text);
}

TEST(Parse, WithoutACommandThereIsHelp) {
  EXPECT_EQ(parse({}).line.status, ExitStatus::kUsage);
  EXPECT_EQ(parse({"--help"}).line.status, ExitStatus::kDone);
  EXPECT_EQ(parse({}).line.text, parse({"--help"}).line.text);
  EXPECT_THAT(parse({"--version"}).line.text, testing::StartsWith("sdxl "));
}

}  // namespace
}  // namespace sdxl
