#pragma once
#include <cuda_runtime.h>

#include "core/error.h"

namespace qlora::cuda {

/** Throws "<what>: <CUDA's text>" unless the call succeeded. */
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // a failed call that is reported here must not be reported again by the next launch
  fail(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

/** After a kernel launch: what the launch itself refused. Faults inside the kernel show at the next finish.
 */
inline void check_launch() { check(cudaGetLastError(), "kernel launch"); }

}  // namespace qlora::cuda
