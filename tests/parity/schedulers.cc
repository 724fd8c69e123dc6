// Runs the trajectories that tools/parity/schedulers_check.py asks for: a JSON object a line on
// stdin, one a line back on stdout, the latents after every call as float32 in the file that is
// argument 1.
#include <ATen/Parallel.h>

#include <fstream>
#include <iostream>
#include <string>

#include "base/error.h"
#include "schedulers/trajectory.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  at::set_num_threads(1);
  std::ofstream samples(argv[1], std::ios::binary);
  std::string line;
  while (std::getline(std::cin, line)) {
    sdxl::Json answer;
    try {
      const sdxl::Trajectory run = sdxl::run_trajectory(sdxl::Json::parse(line));
      const at::Tensor t = run.timesteps.contiguous();
      answer["timesteps"] =
          std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
      answer["init_noise_sigma"] = run.init_noise_sigma;
      for (const at::Tensor& sample : run.samples) {
        const at::Tensor values = sample.to(at::kFloat).contiguous();
        samples.write(reinterpret_cast<const char*>(values.data_ptr<float>()),
                      static_cast<std::streamsize>(values.numel() * sizeof(float)));
      }
      answer["dtype"] = at::toString(run.samples.back().scalar_type());
    } catch (const sdxl::Error& error) {
      answer = {{"error", error.what()}, {"status", static_cast<int>(error.status())}};
    } catch (const std::exception& error) {
      answer = {{"crash", error.what()}};
    }
    std::cout << sdxl::one_line(answer) << "\n";
  }
  return 0;
}
