// Empty: cuda_runtime_api.h defines the types.
#pragma once

#include "cuda_runtime_api.h"
