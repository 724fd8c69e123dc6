#include "schedulers/noise_schedule.h"
