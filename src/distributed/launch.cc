#include "distributed/launch.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <thread>

#include "base/environment.h"
#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

/// The variables of one kind of launcher.
struct LauncherNames {
  const char *rank, *size, *local_rank, *local_size, *job;
};

constexpr LauncherNames kLaunchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMI_JOBID"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE",
     "SLURM_JOB_ID"},
};

int64_t whole_number(const std::string& name, const std::string& text, int64_t least,
                     int64_t most) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < least || value > most) {
    throw Error(ExitStatus::kUsage, "the environment variable ", name, " is ", quoted(text),
                ": it must be a whole number from ", least, " to ", most);
  }
  return value;
}

/// A port between 20000 and 29999 that the processes of one job agree on.
uint16_t port_of_job(const std::string& job) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const unsigned char c : job) hash = (hash ^ c) * 16777619u;
  return static_cast<uint16_t>(20000 + hash % 10000);
}

std::optional<std::string> master_address(const ReadVariable& variable, const Launch& launch,
                                          const LauncherNames& names) {
  if (const auto address = variable("MASTER_ADDR")) return address;
  if (names.rank == std::string("SLURM_PROCID")) {
    if (const auto hosts = variable("SLURM_STEP_NODELIST")) return first_host(*hosts);
  }
  const auto local_size = variable(names.local_size);
  if (local_size && *local_size == str(launch.size)) return "127.0.0.1";
  return std::nullopt;
}

void read_address(Launch& launch, const ReadVariable& variable, const LauncherNames& names) {
  const auto address = master_address(variable, launch, names);
  if (!address || address->empty()) {
    throw Error(ExitStatus::kUsage, names.size, " is ", launch.size,
                " and MASTER_ADDR is not set: export MASTER_ADDR, the address of rank 0's "
                "machine, and MASTER_PORT, a free port there");
  }
  launch.address = *address;
  if (const auto port = variable("MASTER_PORT")) {
    launch.port = static_cast<uint16_t>(whole_number("MASTER_PORT", *port, 1, 65535));
  } else if (const auto job = variable(names.job)) {
    launch.port = port_of_job(*job);
  }
  launch.agent_has_store = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (const auto count = variable("TORCHELASTIC_RESTART_COUNT")) {
    launch.attempt = whole_number("TORCHELASTIC_RESTART_COUNT", *count, 0, int64_t{1} << 31);
  }
}

}  // namespace

int64_t device_index(const Launch& launch) {
  return launch.is_single() ? launch.local_rank.value_or(0) : launch.local_rank.value_or(-1);
}

int64_t threads_of_rank(int64_t num_threads, const Launch& launch) {
  if (num_threads > 0 || launch.local_size == 1 || std::getenv("OMP_NUM_THREADS") != nullptr) {
    return num_threads;
  }
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return std::max<int64_t>(1, cores / launch.local_size);
}

std::string first_host(const std::string& nodelist) {
  const size_t bracket = nodelist.find_first_of("[,");
  if (bracket == std::string::npos || nodelist[bracket] == ',') return nodelist.substr(0, bracket);
  const size_t end = nodelist.find_first_of("-,]", bracket);
  if (end == std::string::npos) return nodelist.substr(0, bracket);
  const size_t close = nodelist.find(']', bracket);
  const size_t tail_end = nodelist.find(',', close);
  return nodelist.substr(0, bracket) + nodelist.substr(bracket + 1, end - bracket - 1) +
         nodelist.substr(close + 1, tail_end - close - 1);
}

Launch read_launch(int64_t local_rank, const ReadVariable& variable) {
  constexpr int64_t kMaxRanks = 1 << 20;
  Launch launch;
  if (local_rank >= 0) launch.local_rank = local_rank;
  for (const LauncherNames& names : kLaunchers) {
    const auto rank = variable(names.rank), size = variable(names.size);
    if (!rank && !size) continue;
    if (!size && names.rank == std::string("SLURM_PROCID")) {
      continue;  // in a batch script, outside of srun
    }
    if (!rank || !size) {
      throw Error(ExitStatus::kUsage, "the environment has ", rank ? names.rank : names.size,
                  " without ", rank ? names.size : names.rank,
                  ": set both, or neither for a single process");
    }
    launch.size = whole_number(names.size, *size, 1, kMaxRanks);
    launch.rank = whole_number(names.rank, *rank, 0, launch.size - 1);
    if (const auto local = variable(names.local_rank)) {
      launch.local_rank = whole_number(names.local_rank, *local, 0, kMaxRanks);
    }
    if (const auto count = variable(names.local_size)) {
      launch.local_size = std::max(1, std::atoi(count->c_str()));  // Slurm says "4(x2)"
    }
    if (!launch.is_single()) read_address(launch, variable, names);
    return launch;
  }
  return launch;
}

Launch read_launch(int64_t local_rank) {
  return read_launch(local_rank, [](const std::string& name) -> std::optional<std::string> {
    const std::string value = environment(name.c_str());
    return value.empty() ? std::nullopt : std::optional(value);
  });
}

}  // namespace sdxl
