#pragma once
#include <cuda_runtime.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace qlora::cuda {

/**
 * Time of a queue by operation (products by their shapes): events around each operation on the stream,
 * without waiting. Active if the environment has QLORA_PROFILE=1. `take` returns a table
 * "profile:NAME=MICROSECONDS CALLS HOST" since the last call; HOST is the microseconds of enqueuing.
 */
class Profiler {
 public:
  explicit Profiler(cudaStream_t stream);
  bool on() const { return on_; }
  void begin(const std::string& op);
  /** Distinguishes the current operation from others of its name. */
  void detail(const std::string& text);
  void end();
  std::string take();

 private:
  using Clock = std::chrono::steady_clock;
  struct Span {
    std::string name;
    cudaEvent_t begin, end;
    Clock::time_point enqueuing;
    double host;
  };
  cudaEvent_t mark();

  const cudaStream_t stream_;
  const bool on_;
  std::vector<Span> spans_;
  std::vector<cudaEvent_t> spare_;
};

}  // namespace qlora::cuda
