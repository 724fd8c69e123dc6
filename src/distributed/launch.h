// Who this process is among those that a launcher started as one run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace sdxl {

struct Launch {
  int64_t rank = 0, size = 1;
  /// Number of this process on its machine: which of its devices it takes. None where nobody says.
  std::optional<int64_t> local_rank;
  int64_t local_size = 1;  ///< Processes on this machine, as far as is known.
  std::string address;     ///< Where rank 0 (or torchrun's agent) listens.
  uint16_t port = 29500;
  /// torchrun's agent keeps the store, and rank 0 is its client like the others.
  bool agent_has_store = false;
  /// How often the launcher has started the run again; keeps the attempts' keys apart.
  int64_t attempt = 0;

  bool alone() const { return size == 1; }
};

using ReadVariable = std::function<std::optional<std::string>(const std::string& name)>;

/// From the first of these that is there:
///   RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT     torchrun, or set by hand
///   OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK                   mpirun of Open MPI
///   PMI_RANK, PMI_SIZE, MPI_LOCALRANKID                        mpiexec of MPICH and Intel MPI
///   SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID          srun
/// MASTER_ADDR and MASTER_PORT count for all; without them the address is the first host of
/// SLURM_STEP_NODELIST, or 127.0.0.1 where all processes are on one machine, and the port comes
/// from the job's number. `local_rank` is --local_rank, -1 where not given; a launcher's word
/// counts more. Error(kUsage) names a variable that is missing or makes no sense.
Launch read_launch(int64_t local_rank, const ReadVariable& variable);
/// The same from the environment.
Launch read_launch(int64_t local_rank);

/// The device that a name without a number means (select_device): 0 for one process.
int64_t device_index(const Launch& launch);
/// --num_threads, where that is 0 (all cores) this process's share of them.
int64_t threads_of_rank(int64_t num_threads, const Launch& launch);

/// The first host of a Slurm list: "gpu[007-012,20],login1" -> "gpu007".
std::string first_host(const std::string& nodelist);

}  // namespace sdxl
