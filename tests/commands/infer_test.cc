// sdxl infer as users run it, on the tiny pipeline; the pictures are those that diffusers drew with
// the same weights (tools/reference/tiny_pipeline.py).
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "commands/infer/contact_sheet.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/images/png.h"
#include "io/safetensors.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kTinyModel;
using test::ProcessResult;
using test::TemporaryDirectory;

ProcessResult infer(std::vector<std::string> arguments, const std::string& model = kTinyModel) {
  std::vector<std::string> command = {SDXL_BINARY, "infer",
                                      "--pretrained_model_name_or_path=" + model};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return test::run_process(command);
}

/// The flags of a case of pictures.json.
std::vector<std::string> flags_of(const Json& arguments) {
  std::vector<std::string> flags;
  for (const auto& [name, value] : arguments.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array()) text = str(value[0], ",", value[1]);
    flags.push_back("--" + name + "=" + text);
  }
  return flags;
}

/// The largest difference of a picture's bytes from the reference [H, W, 3].
int largest_difference(const Image& image, const at::Tensor& reference) {
  const at::Tensor expected = reference.contiguous();
  EXPECT_EQ(image.height, expected.size(0));
  EXPECT_EQ(image.width, expected.size(1));
  if (static_cast<int64_t>(image.rgb.size()) != expected.numel()) return 256;
  int largest = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    largest = std::max(largest, std::abs(image.rgb[i] - expected.data_ptr<uint8_t>()[i]));
  }
  return largest;
}

class InferPictures : public testing::TestWithParam<std::string> {};

TEST_P(InferPictures, EqualDiffusersPictures) {
  const Json cases = read_json(SDXL_TEST_DATA "/pictures.json");
  const at::Tensor expected =
      SafetensorsFile(SDXL_TEST_DATA "/pictures.safetensors").tensor(GetParam());
  const TemporaryDirectory directory;
  std::vector<std::string> flags = flags_of(cases.at(GetParam()));
  flags.push_back("--output_dir=" + directory.path().string());
  const ProcessResult result = infer(flags);
  ASSERT_EQ(result.status, 0) << result.error;
  for (int64_t i = 0; i < expected.size(0); ++i) {
    const std::string file = str("0000", i, "_", cases.at(GetParam()).at("seed"), ".png");
    EXPECT_LE(largest_difference(read_image(directory.path() / file), expected[i]), 1) << file;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, InferPictures,
                         testing::Values("plain", "no_guidance", "negative", "empty_negative",
                                         "prompts_2", "sizes", "two"));

TEST(Infer, WritesOnePictureWithItsParameters) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "cat.png").string();
  const ProcessResult result =
      infer({"--prompt=a cat", "--seed=7", "--num_inference_steps=1", "--output=" + file});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.output.find(file), std::string::npos);
  const auto texts = png_texts(read_file(file));
  ASSERT_FALSE(texts.empty());
  EXPECT_EQ(texts[0].first, "parameters");
  const Json parameters = parse_json(texts[0].second, "the PNG");
  EXPECT_EQ(parameters.at("prompt"), "a cat");
  EXPECT_EQ(parameters.at("seed"), 7);
}

TEST(Infer, TellsOfItsOwnPeakMemoryNotOfItsParents) {
  constexpr int64_t kMuch = int64_t{768} << 20;
  at::ones({kMuch}, at::kByte);  // this process has had more than the run needs
  const TemporaryDirectory directory;
  const ProcessResult result = infer({"--prompt=a cat", "--num_inference_steps=1", "--json",
                                      "--output_dir=" + (directory.path() / "out").string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_LT(parse_json(result.output, "the table")["peak_memory"].get<int64_t>(), kMuch);
}

TEST(Infer, RefusesAnOutputThatExists) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "cat.png";
  write_file_atomically(file, "mine");
  const ProcessResult result =
      infer({"--prompt=a cat", "--num_inference_steps=1", "--output=" + file.string()});
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("--overwrite"), std::string::npos) << result.error;
  EXPECT_EQ(read_file(file), "mine");
}

TEST(Infer, GoesOnWithAnInterruptedBatch) {
  const TemporaryDirectory directory;
  const std::vector<std::string> flags = {
      "--prompt=a cat",          "--prompt=a dog", "--seed=1",
      "--num_inference_steps=1", "--json",         "--output_dir=" + directory.path().string()};
  ASSERT_EQ(infer(flags).status, 0);
  fs::remove(directory.path() / "00001_2.png");
  const ProcessResult again = infer(flags);
  ASSERT_EQ(again.status, 0) << again.error;
  EXPECT_TRUE(fs::exists(directory.path() / "00001_2.png"));
  const Json first = parse_json(split(again.output, '\n')[0], "stdout");
  EXPECT_EQ(first.at("kept"), true) << again.output;

  std::vector<std::string> other = flags;
  other[3] = "--num_inference_steps=2";
  EXPECT_EQ(infer(other).status, 2);
}

TEST(Infer, GoesOnWhereALineOfTheManifestWasTorn) {
  const TemporaryDirectory directory;
  const fs::path out = directory.path() / "out", manifest = out / "manifest.jsonl";
  const auto draw = [&] {
    return infer({"--prompt=a cat", "--prompt=a dog", "--seed=5", "--num_inference_steps=1",
                  "--output_dir=" + out.string()});
  };
  ASSERT_EQ(draw().status, 0);
  const std::string whole = read_file(manifest);
  write_file_atomically(manifest, whole.substr(0, whole.size() - 40));
  const ProcessResult again = draw();
  EXPECT_EQ(again.status, 0) << again.error;
  EXPECT_NE(read_file(manifest).find(whole.substr(whole.find("00001_6.png"))), std::string::npos);
}

TEST(Infer, DrawsTheSamePictureWhateverTheBatchSize) {
  const TemporaryDirectory directory;
  for (const char* size : {"1", "3"}) {
    const ProcessResult result =
        infer({"--prompt=a cat", "--prompt=a dog", "--prompt=a fox", "--seed=5",
               "--num_inference_steps=2", str("--batch_size=", size),
               "--output_dir=" + (directory.path() / size).string()});
    ASSERT_EQ(result.status, 0) << result.error;
  }
  for (const char* name : {"00000_5.png", "00001_6.png", "00002_7.png"}) {
    const Image one = read_image(directory.path() / "1" / name);
    const Image three = read_image(directory.path() / "3" / name);
    for (size_t i = 0; i < one.rgb.size(); ++i) ASSERT_NEAR(one.rgb[i], three.rgb[i], 1);
  }
}

TEST(Infer, DrawsTheGoodLinesOfAPromptFile) {
  const TemporaryDirectory directory;
  const fs::path prompts = directory.path() / "prompts.jsonl";
  write_file_atomically(prompts,
                        "a plain line\n"
                        "{\"prompt\": \"a cat\", \"seed\": 9, \"num_inference_steps\": 2}\n"
                        "{\"prompt\": \"a dog\", \"stepz\": 3}\n");
  const ProcessResult result =
      infer({"--prompt_file=" + prompts.string(), "--seed=1", "--num_inference_steps=1",
             "--output_dir=" + (directory.path() / "out").string()});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("stepz"), std::string::npos) << result.error;
  EXPECT_TRUE(fs::exists(directory.path() / "out/00000_1.png"));
  EXPECT_TRUE(fs::exists(directory.path() / "out/00001_9.png"));
}

TEST(Infer, NumbersPicturesByTheLineOfThePromptFile) {
  const TemporaryDirectory directory;
  const fs::path prompts = directory.path() / "prompts.jsonl", out = directory.path() / "out";
  const auto draw = [&](const std::string& third) {
    write_file_atomically(prompts, "\xEF\xBB\xBF{\"prompt\": \"a cat\", \"seed\": 9}\r\n" + third +
                                       "\n\n  {\"prompt\": \"a dog\", \"seed\": 8}\n");
    return infer({"--prompt_file=" + prompts.string(), "--seed=1", "--num_inference_steps=1",
                  "--json", "--output_dir=" + out.string()});
  };
  for (const char* bad : {"caf\xE9", "{\"prompt\": \"a fox\", \"lora_scale\": 2}"}) {
    const ProcessResult result = draw(bad);
    EXPECT_EQ(result.status, 65) << result.error;
    EXPECT_NE(result.error.find("line 2"), std::string::npos) << result.error;
  }
  // Once the line is mended, the others are kept.
  const ProcessResult mended = draw("a fox");
  ASSERT_EQ(mended.status, 0) << mended.error;
  for (const char* name : {"00000_9.png", "00001_2.png", "00002_8.png"}) {
    EXPECT_TRUE(fs::exists(out / name)) << name;
  }
  EXPECT_EQ(mended.output.find("\"kept\":false"), mended.output.rfind("\"kept\":false"));
  EXPECT_NE(mended.output.find("\"kept\":true"), std::string::npos) << mended.output;
}

TEST(Infer, LeavesRoomForAllPicturesOfALineThatIsBad) {
  const TemporaryDirectory directory;
  const fs::path prompts = directory.path() / "prompts.jsonl", out = directory.path() / "out";
  write_file_atomically(prompts,
                        "{\"prompt\": \"a fox\", \"num_images_per_prompt\": 3, \"steps\": 2}\n"
                        "{\"prompt\": \"a dog\", \"seed\": 8}\n");
  EXPECT_EQ(infer({"--prompt_file=" + prompts.string(), "--num_inference_steps=1",
                   "--output_dir=" + out.string()})
                .status,
            65);
  EXPECT_TRUE(fs::exists(out / "00003_8.png"));
}

TEST(Infer, TakesAnEmptySecondPromptForTheFirst) {
  const TemporaryDirectory directory;
  const fs::path prompts = directory.path() / "prompts.jsonl", out = directory.path() / "out";
  const std::string common = R"("prompt": "a cat", "negative_prompt": "a dog", "seed": 5)";
  write_file_atomically(prompts, "{" + common + "}\n{" + common +
                                     R"(, "prompt_2": "", "negative_prompt_2": ""})" + "\n{" +
                                     common + R"(, "prompt_2": "a fox"})" + "\n");
  const ProcessResult result = infer({"--prompt_file=" + prompts.string(),
                                      "--num_inference_steps=1", "--output_dir=" + out.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  const auto pixels = [&](const char* name) { return read_image(out / name).rgb; };
  EXPECT_EQ(pixels("00001_5.png"), pixels("00000_5.png"));
  EXPECT_NE(pixels("00002_5.png"), pixels("00000_5.png"));
}

TEST(Infer, RefusesAPromptFileWithoutPrompts) {
  const TemporaryDirectory directory;
  write_file_atomically(directory.path() / "prompts.txt", "\n \n");
  const fs::path out = directory.path() / "out";
  const ProcessResult result =
      infer({"--prompt_file=" + (directory.path() / "prompts.txt").string(),
             "--output_dir=" + out.string()});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("holds no prompt"), std::string::npos) << result.error;
  EXPECT_FALSE(fs::exists(out));
}

TEST(Infer, DrawsEveryCheckpointAndAContactSheet) {
  const TemporaryDirectory directory;
  for (const char* name : {"checkpoint-10", "checkpoint-9"}) {
    fs::create_directories(directory.path() / "run" / name);
    fs::create_directory_symlink(kTinyModel + "/unet", directory.path() / "run" / name / "unet");
  }
  const fs::path out = directory.path() / "out";
  const ProcessResult result = infer(
      {"--prompt=a cat", "--prompt=a dog", "--seed=3", "--num_inference_steps=1", "--include_base",
       "--checkpoints=" + (directory.path() / "run").string(), "--output_dir=" + out.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  const Image base = read_image(out / "base/00000_3.png");
  for (const char* name : {"checkpoint-9", "checkpoint-10"}) {
    EXPECT_EQ(read_image(out / name / "00000_3.png").rgb, base.rgb);
    EXPECT_LT(result.output.find("checkpoint-9/"), result.output.find("checkpoint-10/"));
  }
  EXPECT_GT(read_image(out / "grid.png").height, 3 * base.height);
  const std::string page = read_file(out / "index.html");
  EXPECT_NE(page.find("checkpoint-9/00001_4.png"), std::string::npos);
  EXPECT_NE(page.find("mixed_precision"), std::string::npos);
}

TEST(Infer, KeepsAPageThatItDidNotWrite) {
  const TemporaryDirectory directory;
  fs::create_directories(directory / "run/checkpoint-1");
  fs::create_directory_symlink(kTinyModel + "/unet", directory / "run/checkpoint-1/unet");
  fs::create_directories(directory / "out");
  write_file_atomically(directory / "out/index.html", "mine");
  const ProcessResult result = infer({"--prompt=a cat", "--num_inference_steps=1", "--seed=3",
                                      "--checkpoints=" + (directory / "run").string(),
                                      "--output_dir=" + (directory / "out").string()});
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("holds index.html"), std::string::npos) << result.error;
  EXPECT_EQ(read_file(directory / "out/index.html"), "mine");
}

TEST(ContactSheet, HasRoomForAsManyColumnsAsMemoryHolds) {
  EXPECT_EQ(sheet_columns(/*rows=*/8, 512, 512), 64);
  EXPECT_EQ(sheet_columns(8, 8, 8), 1024);  // small pictures are enlarged
  EXPECT_EQ(sheet_columns(1 << 20, 512, 512), 1);
}

TEST(Infer, LinksPicturesOfRunsWithAnyName) {
  const TemporaryDirectory directory;
  std::vector<std::string> flags = {"--prompt=a cat", "--seed=3", "--num_inference_steps=1",
                                    "--output_dir=" + (directory.path() / "out").string()};
  for (const char* name : {"a#1", "b:50%"}) {
    fs::create_directories(directory.path() / name / "checkpoint-1");
    fs::create_directory_symlink(kTinyModel + "/unet",
                                 directory.path() / name / "checkpoint-1/unet");
    flags.push_back("--checkpoints=" + (directory.path() / name).string());
  }
  ASSERT_EQ(infer(flags).status, 0);
  const std::string page = read_file(directory.path() / "out/index.html");
  EXPECT_NE(page.find("src=\"a%231/checkpoint-1/00000_3.png\""), std::string::npos);
  EXPECT_NE(page.find("src=\"b%3A50%25/checkpoint-1/00000_3.png\""), std::string::npos);
}

struct BadRun {
  const char* what;
  std::vector<std::string> flags;
  int status;
  const char* says;
};

TEST(Infer, RefusesBadRunsInOneLine) {
  const std::vector<BadRun> runs = {
      {"odd size", {"--prompt=x", "--output=x.png", "--height=20"}, 2, "--height"},
      {"no model", {"--prompt=x", "--output=x.png", "--unet=/nowhere"}, 2, "/nowhere"},
      {"no checkpoints",
       {"--prompt=x", "--output_dir=x", "--checkpoints=/nowhere"},
       65,
       "--checkpoints"},
      {"not UTF-8", {"--prompt=caf\xE9", "--output=x.png"}, 2, "UTF-8"},
      {"unknown sampler", {"--prompt=x", "--output=x.png", "--scheduler=eular"}, 2, "eular"},
  };
  for (const BadRun& run : runs) {
    const ProcessResult result = infer(run.flags);
    EXPECT_EQ(result.status, run.status) << run.what << ": " << result.error;
    EXPECT_NE(result.error.find("sdxl: error: "), std::string::npos) << result.error;
    EXPECT_NE(result.error.find(run.says), std::string::npos) << result.error;
  }
}

/// Makes `model` the tiny one with a UNet file that is cut short, which is given back.
fs::path cut_unet_file(const fs::path& model) {
  fs::copy(kTinyModel, model, fs::copy_options::recursive);
  const fs::path file = model / "unet/diffusion_pytorch_model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 100);
  return file;
}

TEST(Infer, DrawsFromAndToPathsThatAreNoUtf8) {
  const TemporaryDirectory directory;
  const fs::path base = directory.path() / "caf\xE9";
  fs::create_directories(base);
  fs::create_directory_symlink(kTinyModel, base / "model");
  for (const char* kept : {"\"kept\":false", "\"kept\":true"}) {
    const ProcessResult result = infer({"--prompt=x", "--seed=1", "--num_inference_steps=1",
                                        "--json", "--output_dir=" + (base / "out").string()},
                                       (base / "model").string());
    EXPECT_EQ(result.status, 0) << result.error;
    EXPECT_NE(result.output.find(kept), std::string::npos) << result.output;
  }
}

TEST(Infer, RefusesModelsWhosePartsDoNotBelongTogether) {
  const std::tuple<const char*, const char*, int> changes[] = {
      {"tokenizer/tokenizer_config.json", "model_max_length", 10},
      {"unet/config.json", "in_channels", 9}};
  for (const auto& [file, key, value] : changes) {
    const TemporaryDirectory directory;
    const fs::path model = directory.path() / "model";
    fs::copy(kTinyModel, model, fs::copy_options::recursive);
    Json config = read_json(model / file);
    config[key] = value;
    write_json(model / file, config);
    const ProcessResult result =
        infer({"--prompt=x", "--output=" + (directory.path() / "x.png").string()}, model.string());
    EXPECT_EQ(result.status, 65) << result.error;
    EXPECT_NE(result.error.find(str(value)), std::string::npos) << result.error;
  }
}

TEST(Infer, RefusesATruncatedWeightFile) {
  const TemporaryDirectory directory;
  cut_unet_file(directory.path() / "model");
  const fs::path out = directory.path() / "x.png";
  const ProcessResult result =
      infer({"--prompt=x", "--output=" + out.string()}, (directory.path() / "model").string());
  EXPECT_EQ(result.status, 65) << result.error;
  EXPECT_NE(result.error.find("diffusion_pytorch_model.safetensors"), std::string::npos);
  EXPECT_FALSE(fs::exists(out));
}

TEST(Infer, TellsOfItsOnlyFailureOnceAndLeavesNoManifest) {
  const TemporaryDirectory directory;
  const fs::path file = cut_unet_file(directory.path() / "model");
  const fs::path out = directory.path() / "out";
  const ProcessResult result =
      infer({"--prompt=x", "--output_dir=" + out.string()}, (directory.path() / "model").string());
  EXPECT_EQ(result.status, 65) << result.error;
  const size_t told = result.error.find(file.string());
  ASSERT_NE(told, std::string::npos) << result.error;
  EXPECT_EQ(result.error.find(file.string(), told + 1), std::string::npos) << result.error;
  EXPECT_FALSE(fs::exists(out / "manifest.jsonl"));
}

}  // namespace
}  // namespace sdxl
