// Loaded into a process, writes to address 16 on its GPU: what a kernel with a bug does. For safety.mjs.
#include <cuda_runtime.h>

namespace {

__global__ void write_nowhere() { *reinterpret_cast<int*>(16) = 1; }

struct Fault {
  Fault() {
    write_nowhere<<<1, 1>>>();
    cudaDeviceSynchronize();
  }
} fault;

}  // namespace
