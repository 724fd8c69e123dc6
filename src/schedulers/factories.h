// How scheduler.cc reaches each algorithm: a function for each line of its table, defined at the
// end of the algorithm's file.
#pragma once

#include <memory>

#include "schedulers/scheduler.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

using SchedulerFactory = std::unique_ptr<Scheduler>(const SchedulerConfig&);

SchedulerFactory make_euler_discrete;

}  // namespace sdxl
