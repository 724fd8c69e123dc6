// This process's place among the processes that a launcher started as one run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace sdxl {

struct Launch {
  int64_t rank = 0, size = 1;
  /// This process's number on its machine, which selects its device; nothing if unknown.
  std::optional<int64_t> local_rank;
  int64_t local_size = 1;  ///< Processes on this machine; 1 if unknown.
  std::string address;     ///< Of rank 0, or of torchrun's agent.
  uint16_t port = 29500;
  /// Whether torchrun's agent serves the store; rank 0 is then a client like the others.
  bool agent_has_store = false;
  /// How often the launcher has restarted the run; separates the attempts' keys in the store.
  int64_t attempt = 0;

  bool is_single() const { return size == 1; }
};

/// Looks up an environment variable; nothing if it is unset or empty.
using ReadVariable = std::function<std::optional<std::string>(const std::string& name)>;

/// Reads the first of these sets of variables that is present:
///   RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT     torchrun, or set by hand
///   OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK                   mpirun of Open MPI
///   PMI_RANK, PMI_SIZE, MPI_LOCALRANKID                        mpiexec of MPICH and Intel MPI
///   SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID          srun
/// MASTER_ADDR and MASTER_PORT apply to all. The default address is the first host of
/// SLURM_STEP_NODELIST, or 127.0.0.1 if all processes are on one machine. The default port is
/// derived from the job's id. `local_rank` is --local_rank, -1 if not given; a launcher's value
/// takes precedence. Error(kUsage) names a variable that is missing or invalid.
Launch read_launch(int64_t local_rank, const ReadVariable& variable);
/// Reads the process's environment.
Launch read_launch(int64_t local_rank);

/// The index of the device that a name without one, such as "cuda", selects (see select_device):
/// the local rank; without one 0 for a single process, else -1 (unknown).
int64_t device_index(const Launch& launch);
/// `num_threads`, or if that is 0 (all cores) this process's share of the machine's cores. Returns
/// 0 for a single process and if OMP_NUM_THREADS is set.
int64_t threads_of_rank(int64_t num_threads, const Launch& launch);

/// The first host of a Slurm node list: "gpu[007-012,20],login1" gives "gpu007".
std::string first_host(const std::string& nodelist);

}  // namespace sdxl
