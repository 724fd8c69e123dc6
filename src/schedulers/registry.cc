#include "schedulers/registry.h"

#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

using SchedulerMaker = std::unique_ptr<Scheduler>(const SchedulerConfig&);

// Each is defined at the end of its algorithm's file.
SchedulerMaker make_ddim;
SchedulerMaker make_ddpm;
SchedulerMaker make_deis_multistep;
SchedulerMaker make_dpm_solver_multistep;
SchedulerMaker make_dpm_solver_singlestep;
SchedulerMaker make_euler_ancestral_discrete;
SchedulerMaker make_euler_discrete;
SchedulerMaker make_heun_discrete;
SchedulerMaker make_k_dpm_2_ancestral_discrete;
SchedulerMaker make_k_dpm_2_discrete;
SchedulerMaker make_lcm;
SchedulerMaker make_lms_discrete;
SchedulerMaker make_pndm;
SchedulerMaker make_tcd;
SchedulerMaker make_uni_pc_multistep;

namespace {

struct SchedulerEntry {
  std::string name;        ///< As --scheduler takes it.
  std::string class_name;  ///< _class_name in scheduler_config.json. Of several entries with the
                           ///< same class, the first serves configs that name it.
  SchedulerMaker* make;
  /// Whether the algorithm can space its sigmas by kSpacings; the names NAME_SPACING say so.
  bool has_sigma_spacings;
  Json settings = Json::object();  ///< Config values that `name` stands for.
};

const std::vector<SchedulerEntry>& entries() {
  static const Json sde = {{"algorithm_type", "sde-dpmsolver++"}};
  static const std::vector<SchedulerEntry> table = {
      {"euler", "EulerDiscreteScheduler", make_euler_discrete, true},
      {"euler_a", "EulerAncestralDiscreteScheduler", make_euler_ancestral_discrete, false},
      {"ddim", "DDIMScheduler", make_ddim, false},
      {"ddpm", "DDPMScheduler", make_ddpm, false},
      {"pndm", "PNDMScheduler", make_pndm, false},
      {"lms", "LMSDiscreteScheduler", make_lms_discrete, true},
      {"heun", "HeunDiscreteScheduler", make_heun_discrete, true},
      {"dpmpp_2m", "DPMSolverMultistepScheduler", make_dpm_solver_multistep, true},
      {"dpmpp_2m_sde", "DPMSolverMultistepScheduler", make_dpm_solver_multistep, true, sde},
      {"dpmpp_sde", "DPMSolverSinglestepScheduler", make_dpm_solver_singlestep, true, sde},
      {"unipc", "UniPCMultistepScheduler", make_uni_pc_multistep, true},
      {"dpm2", "KDPM2DiscreteScheduler", make_k_dpm_2_discrete, true},
      {"dpm2_a", "KDPM2AncestralDiscreteScheduler", make_k_dpm_2_ancestral_discrete, true},
      {"deis", "DEISMultistepScheduler", make_deis_multistep, true},
      {"lcm", "LCMScheduler", make_lcm, false},
      {"tcd", "TCDScheduler", make_tcd, false},
  };
  return table;
}

const std::vector<std::string> kSpacings = {"karras", "exponential", "beta"};

struct SchedulerChoice {
  const SchedulerEntry* entry = nullptr;
  std::string spacing;  // of kSpacings, or ""
};

SchedulerChoice choose_by_name(const std::string& name) {
  for (const SchedulerEntry& entry : entries()) {
    if (name == entry.name) return {&entry, ""};
    if (!entry.has_sigma_spacings) continue;
    for (const std::string& spacing : kSpacings) {
      if (name == entry.name + "_" + spacing) return {&entry, spacing};
    }
  }
  throw std::logic_error("there is no sampler " + name);
}

SchedulerChoice choose_by_class(const Json& config, const std::string& source) {
  const std::string class_name = json_value<std::string>(config, "_class_name", "", source);
  std::vector<std::string> known;
  for (const SchedulerEntry& entry : entries()) {
    if (class_name == entry.class_name) return {&entry, ""};
    known.push_back(entry.class_name);
  }
  throw bad_data(source, "the scheduler class ", quoted(class_name),
                 " is not known; choose one with --scheduler, or use one of ", join(known, ", "));
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const Json& config,
                                          const Json& overrides, const std::string& source) {
  if (!config.is_object()) {
    throw bad_data(source, "not a JSON object");
  }
  const SchedulerChoice choice =
      name.empty() ? choose_by_class(config, source) : choose_by_name(name);
  Json values = name.empty() ? Json::object() : choice.entry->settings;
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
  for (const SchedulerEntry& entry : entries()) {
    names.push_back(entry.name);
    if (!entry.has_sigma_spacings) continue;
    for (const std::string& spacing : kSpacings) names.push_back(entry.name + "_" + spacing);
  }
  return names;
}

}  // namespace sdxl
