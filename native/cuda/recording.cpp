#include "cuda/recording.h"

#include <set>

#include "cuda/error.h"
#include "cuda/joins.h"

namespace qlora::cuda {

CudaRecording::CudaRecording(std::vector<Task> tasks, const Context& context)
    : Recording(std::move(tasks)), stream_(context.stream), allocator_(context.allocator) {
  allocator_.hold(&held_);
  try {
    capture(context);
  } catch (...) {
    // The destructor does not run.
    if (graph_) cudaGraphExecDestroy(graph_);
    allocator_.hold(nullptr);
    allocator_.release(held_);
    throw;
  }
  allocator_.hold(nullptr);
}

CudaRecording::~CudaRecording() {
  // Generation runs ahead of what it is asked for: a replay may be under way.
  cudaStreamSynchronize(stream_);
  if (graph_) cudaGraphExecDestroy(graph_);
  allocator_.release(held_);
}

/** Operations that may write a weight's codes: a product that comes next reads them before it waits for what
 * is in front of it. */
static const std::set<std::string> kWriters{"quantize_4bit", "quantize_absmax", "copy",       "fill",
                                            "gather_rows",   "scatter_rows",    "finish_copy"};

void CudaRecording::run(const std::vector<Task>& tasks, const Context& context) {
  context.joins.begin();
  const std::string* previous = nullptr;
  for (const Task& task : tasks) {
    context.joins.before(context, task.op);
    context.overlaps = previous && (task.op != "matmul_4bit" || kWriters.count(*previous) == 0);
    task.run();
    previous = &task.op;
  }
  context.joins.end(context);
}

void CudaRecording::capture(const Context& context) {
  const cudaStream_t stream = context.stream;
  // Relaxed mode, since an operation may allocate memory from the driver.
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "[record]");
  cudaGraph_t graph = nullptr;
  try {
    run(tasks, context);
    context.overlaps = false;
  } catch (...) {
    context.joins.drop();
    context.overlaps = false;
    cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(stream, &graph), "[record]");
  const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "[record]");
  const cudaError_t uploaded = cudaGraphUpload(graph_, stream);
  if (uploaded == cudaSuccess) return;
  cudaGraphExecDestroy(graph_);
  check(uploaded, "[record]");
}

void CudaRecording::launch(cudaStream_t stream) const { check(cudaGraphLaunch(graph_, stream), "[replay]"); }

}  // namespace qlora::cuda
