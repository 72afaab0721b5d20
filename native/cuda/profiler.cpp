#include "cuda/profiler.h"

#include <cstdlib>
#include <cstring>

#include "cuda/error.h"

namespace qlora::cuda {

namespace {

bool asked_for() {
  const char* value = std::getenv("QLORA_PROFILE");
  return value && std::strcmp(value, "1") == 0;
}

}  // namespace

Profiler::Profiler(cudaStream_t stream) : stream_(stream), on_(asked_for()) {}

cudaEvent_t Profiler::mark() {
  cudaEvent_t event = nullptr;
  if (spare_.empty()) {
    check(cudaEventCreate(&event), "[cuda] profile");
  } else {
    event = spare_.back();
    spare_.pop_back();
  }
  check(cudaEventRecord(event, stream_), "[cuda] profile");
  return event;
}

void Profiler::begin(const std::string& op) {
  if (on_) spans_.push_back({op, mark(), nullptr, Clock::now(), 0});
}

void Profiler::detail(const std::string& text) {
  if (on_ && !spans_.empty() && !spans_.back().end) spans_.back().name += " " + text;
}

void Profiler::end() {
  if (!on_) return;
  Span& span = spans_.back();
  span.host = std::chrono::duration<double, std::micro>(Clock::now() - span.enqueuing).count();
  span.end = mark();
}

std::string Profiler::take() {
  if (!on_) return "";
  check(cudaStreamSynchronize(stream_), "[cuda] profile");
  struct Total {
    double device = 0, host = 0;
    int calls = 0;
  };
  std::map<std::string, Total> totals;
  for (const Span& span : spans_) {
    float milliseconds = 0;
    if (span.end && cudaEventElapsedTime(&milliseconds, span.begin, span.end) == cudaSuccess) {
      Total& total = totals[span.name];
      total.device += milliseconds * 1000.0;
      total.host += span.host;
      total.calls++;
    }
    spare_.push_back(span.begin);
    if (span.end) spare_.push_back(span.end);
  }
  spans_.clear();
  std::string table;
  for (const auto& [name, total] : totals)
    table += "\nprofile:" + name + "=" + std::to_string(total.device) + " " + std::to_string(total.calls) +
             " " + std::to_string(total.host);
  return table;
}

}  // namespace qlora::cuda
