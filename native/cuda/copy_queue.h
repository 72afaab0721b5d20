#pragma once
#include <cuda_runtime.h>

#include <unordered_map>
#include <vector>

namespace qlora::cuda {

/**
 * A stream for copies that run beside the operations. It has no lock: the backend enqueues one call at a
 * time.
 */
class CopyQueue {
 public:
  explicit CopyQueue(cudaStream_t operations);
  /** Copies when everything enqueued so far has run. Neither place may be used until `finish(to)`. */
  void start(void* to, const void* from, size_t bytes);
  /** Operations enqueued from now on wait for the copy into `to`, if one was started. */
  void finish(const void* to);
  /** Like finish, for every started copy. */
  void finish_all();

 private:
  cudaEvent_t take_event();

  const cudaStream_t operations_;
  cudaStream_t stream_ = nullptr;
  std::unordered_map<const void*, cudaEvent_t> started_;
  std::vector<cudaEvent_t> spare_;
};

}  // namespace qlora::cuda
