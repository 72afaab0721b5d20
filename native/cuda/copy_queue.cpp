#include "cuda/copy_queue.h"

#include "cuda/error.h"

namespace qlora::cuda {

CopyQueue::CopyQueue(cudaStream_t operations) : operations_(operations) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "[device] copy stream");
}

void CopyQueue::start(void* to, const void* from, size_t bytes) {
  finish(to);
  cudaEvent_t event = take_event();
  // Waiting uses the event's current state, so the event can mark the end of the copy as well.
  check(cudaEventRecord(event, operations_), "[start_copy]");
  check(cudaStreamWaitEvent(stream_, event, 0), "[start_copy]");
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "[start_copy]");
  check(cudaEventRecord(event, stream_), "[start_copy]");
  started_[to] = event;
}

void CopyQueue::finish(const void* to) {
  const auto found = started_.find(to);
  if (found == started_.end()) return;
  check(cudaStreamWaitEvent(operations_, found->second, 0), "[finish_copy]");
  spare_.push_back(found->second);
  started_.erase(found);
}

void CopyQueue::finish_all() {
  while (!started_.empty()) finish(started_.begin()->first);
}

cudaEvent_t CopyQueue::take_event() {
  if (spare_.empty()) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "[start_copy]");
    return event;
  }
  cudaEvent_t event = spare_.back();
  spare_.pop_back();
  return event;
}

}  // namespace qlora::cuda
