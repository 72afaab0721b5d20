#pragma once
#include <cuda_runtime.h>

#include "core/ops.h"
#include "cuda/allocator.h"
#include "cuda/blas.h"
#include "cuda/copy_queue.h"
#include "cuda/cudnn_attention.h"
#include "cuda/faults.h"

namespace qlora::cuda {

/** The properties that the choice of a kernel depends on. */
struct Gpu {
  int capability;       // 90 = 9.0
  size_t shared_bytes;  // the most per block
  int multiprocessors;
};

class Joins;

/** What an operation needs from its device. */
struct Context {
  Gpu gpu;
  cudaStream_t stream;
  CudaAllocator& allocator;
  Blas& blas;
  CudnnAttention& cudnn;
  CopyQueue& copies;
  Fault* fault;  // in device memory
  Joins& joins;
  /** Whether a kernel may begin while the one before it ends (`launch_overlapping`): in a recording. */
  bool& overlaps;
};

/** Device memory during one operation; returned in stream order, so the next operation can reuse it at once.
 */
class Scratch {
 public:
  Scratch(const Context& context, size_t bytes)
      : allocator_(context.allocator),
        bytes_(bytes),
        data_(bytes > 0 ? allocator_.allocate(bytes) : nullptr) {}
  ~Scratch() {
    if (data_) allocator_.release(data_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  CudaAllocator& allocator_;
  size_t bytes_;
  void* data_;
};

class CudaOps final : public Ops {
 public:
  explicit CudaOps(Context context) : context_(context) {}
#define OP(name, arguments) void name arguments override;
#include "core/ops.inc"
#undef OP

 private:
  Context context_;
};

}  // namespace qlora::cuda
