#pragma once
#include <cuda_runtime.h>

#include "core/error.h"

namespace qlora::cuda {

/** Throws "<what>: <CUDA's text>" unless the call succeeded. */
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the next launch must not report this error again
  fail(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

/**
 * After a kernel launch: reports errors of the launch itself. Faults inside the kernel are reported by the
 * next finish.
 */
inline void check_launch() { check(cudaGetLastError(), "kernel launch"); }

}  // namespace qlora::cuda
