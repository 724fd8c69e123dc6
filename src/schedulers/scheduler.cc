#include "schedulers/scheduler.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

// ---- what all schedulers share

Scheduler::Scheduler(const SchedulerConfig& config) : name_(config.scheduler()) {}

void Scheduler::set_timesteps(int64_t steps) {
  if (steps < 1) {
    throw Error(ExitStatus::kUsage,
                str("--num_inference_steps: ", steps, " is too few; use 1 or more"));
  }
  plan(steps);
}

namespace {

void check_values(const std::string& option, const std::vector<double>& values, size_t least) {
  if (values.size() < least) {
    throw Error(ExitStatus::kUsage,
                str(option, ": ", values.size(), " values are too few; give ", least, " or more"));
  }
  for (double value : values) {
    if (!std::isfinite(value)) {
      throw Error(ExitStatus::kUsage, str(option, ": ", value, " is not a finite number"));
    }
  }
}

}  // namespace

void Scheduler::set_custom_timesteps(const std::vector<double>& timesteps) {
  check_values("--timesteps", timesteps, 1);
  plan_timesteps(timesteps);
}

void Scheduler::set_custom_sigmas(const std::vector<double>& sigmas) {
  check_values("--sigmas", sigmas, 2);
  plan_sigmas(sigmas);
}

void Scheduler::plan_timesteps(const std::vector<double>&) {
  throw Error(ExitStatus::kUsage,
              str("--timesteps: the scheduler ", name_,
                  " takes none; use --num_inference_steps, or ", "--scheduler euler"));
}

void Scheduler::plan_sigmas(const std::vector<double>&) {
  throw Error(ExitStatus::kUsage,
              str("--sigmas: the scheduler ", name_, " takes none; use --num_inference_steps, or ",
                  "--scheduler euler"));
}

at::Tensor Scheduler::draw_noise(const at::Tensor& like, at::ScalarType dtype,
                                 const at::Generator& generator) {
  return to_device(at::randn(like.sizes(), generator, at::TensorOptions(dtype)), like.device());
}

// ---- the table of schedulers

namespace {

using SchedulerFactory = std::unique_ptr<Scheduler>(const SchedulerConfig&);

}  // namespace

// A line for each algorithm: the name for --scheduler, the _class_name of a scheduler_config.json,
// the function at the end of the algorithm's file, whether it knows Karras, exponential and beta
// sigmas (the suffixes _karras, _exponential and _beta), and config keys that the name stands for.
#define SDXL_SCHEDULERS(ENTRY)                                                              \
  ENTRY("euler", "EulerDiscreteScheduler", make_euler_discrete, true)                       \
  ENTRY("euler_a", "EulerAncestralDiscreteScheduler", make_euler_ancestral_discrete, false) \
  ENTRY("ddim", "DDIMScheduler", make_ddim, false)                                          \
  ENTRY("ddpm", "DDPMScheduler", make_ddpm, false)                                          \
  ENTRY("pndm", "PNDMScheduler", make_pndm, false)                                          \
  ENTRY("lms", "LMSDiscreteScheduler", make_lms_discrete, true)                             \
  ENTRY("heun", "HeunDiscreteScheduler", make_heun_discrete, true)                          \
  ENTRY("dpmpp_2m", "DPMSolverMultistepScheduler", make_dpm_solver_multistep, true)         \
  ENTRY("dpmpp_2m_sde", "DPMSolverMultistepScheduler", make_dpm_solver_multistep, true,     \
        {"algorithm_type", "sde-dpmsolver++"})                                              \
  ENTRY("dpmpp_sde", "DPMSolverSinglestepScheduler", make_dpm_solver_singlestep, true,      \
        {"algorithm_type", "sde-dpmsolver++"})                                              \
  ENTRY("unipc", "UniPCMultistepScheduler", make_uni_pc_multistep, true)                    \
  ENTRY("dpm2", "KDPM2DiscreteScheduler", make_k_dpm_2_discrete, true)                      \
  ENTRY("dpm2_a", "KDPM2AncestralDiscreteScheduler", make_k_dpm_2_ancestral_discrete, true) \
  ENTRY("deis", "DEISMultistepScheduler", make_deis_multistep, true)                        \
  ENTRY("lcm", "LCMScheduler", make_lcm, false)                                             \
  ENTRY("tcd", "TCDScheduler", make_tcd, false)

#define SDXL_DECLARE(name, class_name, make, sigma_spacings, ...) SchedulerFactory make;
SDXL_SCHEDULERS(SDXL_DECLARE)

namespace {

struct Entry {
  std::string name, class_name;
  SchedulerFactory* make;
  bool sigma_spacings;
  Json settings;
};

const std::vector<Entry>& entries() {
#define SDXL_ENTRY(name, class_name, make, sigma_spacings, ...) \
  {name, class_name, make, sigma_spacings, Json::object({__VA_ARGS__})},
  static const std::vector<Entry> table = {SDXL_SCHEDULERS(SDXL_ENTRY)};
  return table;
}

const std::vector<std::string> kSpacings = {"karras", "exponential", "beta"};

struct Choice {
  const Entry* entry = nullptr;
  std::string spacing;  // of kSpacings, or ""
};

Choice choose_by_name(const std::string& name) {
  for (const Entry& entry : entries()) {
    if (name == entry.name) return {&entry, ""};
    for (const std::string& spacing : kSpacings) {
      if (name != entry.name + "_" + spacing) continue;
      if (entry.sigma_spacings) return {&entry, spacing};
      throw Error(ExitStatus::kUsage, str("--scheduler: ", entry.name, " knows no ", spacing,
                                          " sigmas; use --scheduler ", entry.name));
    }
  }
  const std::vector<std::string> names = scheduler_names();
  const std::string near = nearest(name, names);
  throw Error(ExitStatus::kUsage,
              str("--scheduler: ", quoted(name), " is not known; ",
                  near.empty() ? "use one of " + join(names, ", ") : "did you mean " + near + "?"));
}

Choice choose_by_class(const Json& config, const std::string& source) {
  const std::string class_name = json_value<std::string>(config, "_class_name", "", source);
  std::vector<std::string> known;
  for (const Entry& entry : entries()) {
    if (class_name == entry.class_name) return {&entry, ""};
    known.push_back(entry.class_name);
  }
  throw Error(ExitStatus::kBadData,
              str(escaped(source), ": the scheduler class ", quoted(class_name),
                  " is not known; choose one with --scheduler, or use one of ", join(known, ", ")));
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const Json& config,
                                          const Json& overrides, const std::string& source) {
  if (!config.is_object()) {
    throw Error(ExitStatus::kBadData, str(escaped(source), ": not a JSON object"));
  }
  const Choice choice = name.empty() ? choose_by_class(config, source) : choose_by_name(name);
  Json values =
      choice.entry->settings.is_object() && !name.empty() ? choice.entry->settings : Json::object();
  if (!choice.spacing.empty()) {
    for (const std::string& spacing : kSpacings) {
      values["use_" + spacing + "_sigmas"] = spacing == choice.spacing;
    }
  }
  if (overrides.is_object()) values.update(overrides);
  const SchedulerConfig read(config, values, source,
                             name.empty() ? choice.entry->class_name : name);
  std::unique_ptr<Scheduler> scheduler = choice.entry->make(read);
  read.check_overrides();
  return scheduler;
}

std::vector<std::string> scheduler_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    names.push_back(entry.name);
    if (!entry.sigma_spacings) continue;
    for (const std::string& spacing : kSpacings) names.push_back(entry.name + "_" + spacing);
  }
  return names;
}

}  // namespace sdxl
