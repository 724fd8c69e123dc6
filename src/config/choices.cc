#include "config/choices.h"

namespace sdxl {

Choices scheduler_choices() {
  Choices names = {"euler_a", "ddim", "ddpm", "pndm", "lcm", "tcd"};
  for (const std::string name : {"euler", "lms", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde",
                                 "unipc", "dpm2", "dpm2_a", "deis"}) {
    for (const char* spacing : {"", "_karras", "_exponential", "_beta"}) {
      names.push_back(name + spacing);
    }
  }
  return names;
}

}  // namespace sdxl
