#pragma once
#include <cuda_runtime.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace qlora::cuda {

/**
 * Where the time of a queue goes, by operation (products by their shapes): events around each, on the stream,
 * without waiting. On when the environment says QLORA_PROFILE=1; `take` is a table
 * "profile:NAME=MICROSECONDS CALLS HOST" since the last, HOST being the microseconds it took to enqueue them.
 */
class Profiler {
 public:
  explicit Profiler(cudaStream_t stream);
  bool on() const { return on_; }
  void begin(const std::string& op);
  /** Tells the operation under way apart from others of its name. */
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
