#include "cuda/recording.h"

#include "cuda/error.h"

namespace qlora::cuda {

CudaRecording::CudaRecording(std::vector<Task> tasks, cudaStream_t stream, CudaAllocator& allocator)
    : Recording(std::move(tasks)), allocator_(allocator) {
  allocator_.hold(&held_);
  try {
    capture(stream);
  } catch (...) {
    allocator_.hold(nullptr);
    allocator_.release(held_);
    throw;
  }
  allocator_.hold(nullptr);
}

CudaRecording::~CudaRecording() {
  // A replay that still runs ends first: both are in the order of the stream.
  if (graph_) cudaGraphExecDestroy(graph_);
  allocator_.release(held_);
}

void CudaRecording::capture(cudaStream_t stream) {
  // Relaxed: an operation may ask the driver for memory.
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "[record]");
  cudaGraph_t graph = nullptr;
  try {
    for (const Task& task : tasks) task.run();
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(stream, &graph), "[record]");
  const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "[record]");
  check(cudaGraphUpload(graph_, stream), "[record]");
}

void CudaRecording::launch(cudaStream_t stream) const { check(cudaGraphLaunch(graph_, stream), "[replay]"); }

}  // namespace qlora::cuda
