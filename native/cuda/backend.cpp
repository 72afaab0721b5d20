#include "core/backend.h"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "cuda/context.h"
#include "cuda/error.h"

namespace qlora::cuda {

namespace {

/** Page-locked host memory, kept for reuse: locking pages takes milliseconds. */
class PinnedBuffers {
 public:
  struct Buffer {
    void* data;
    size_t size;
  };

  Buffer take(size_t bytes) {
    std::lock_guard lock(mutex_);
    auto found = free_.lower_bound(bytes);
    if (found != free_.end()) {
      Buffer buffer{found->second, found->first};
      free_.erase(found);
      return buffer;
    }
    Buffer buffer{nullptr, (bytes + 65535) / 65536 * 65536};
    check(cudaMallocHost(&buffer.data, buffer.size), "[cuda] pinned host memory");
    return buffer;
  }
  void give_back(Buffer buffer) {
    std::lock_guard lock(mutex_);
    free_.emplace(buffer.size, buffer.data);
  }

 private:
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
};

/**
 * Operations are enqueued on one stream by the thread that submits them; a second thread waits for the events
 * of `finish`. Memory is taken at the moment of enqueueing: in stream order, that is the order of execution.
 */
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index) : index_(index) {
    check(cudaSetDevice(index), "[device] cuda");
    check(cudaGetDeviceProperties(&properties_, index), "[device] cuda");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "[device] stream");
    allocator_ = std::make_unique<CudaAllocator>(index, stream_);
    check(cudaMalloc(&fault_, sizeof(Fault)), "[device] memory");
    check(cudaMemsetAsync(fault_, 0, sizeof(Fault), stream_), "[device] memory");
    blas_ = std::make_unique<Blas>(stream_);
    ops_ = std::make_unique<CudaOps>(Context{stream_, *allocator_, *blas_, fault_});
    std::thread([this] { wait_for_events(); }).detach();  // the backend lives as long as the process
  }

  std::string name() const override { return "cuda:" + std::to_string(index_); }
  std::string info() const override {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    size_t free = 0, total = 0;
    cudaSetDevice(index_);
    cudaMemGetInfo(&free, &total);
    return std::string("name=") + properties_.name + "\ncapability=" + std::to_string(properties_.major) +
           "." + std::to_string(properties_.minor) +
           "\nmultiprocessors=" + std::to_string(properties_.multiProcessorCount) +
           "\nfree_memory=" + std::to_string(free) + "\ntotal_memory=" + std::to_string(total) +
           "\ncuda_runtime=" + std::to_string(runtime) + "\ncuda_driver=" + std::to_string(driver) +
           "\ncublaslt=" + blas_->library();
  }
  void set_num_threads(int) override {}  // the GPU has its own idea
  Allocator& allocator() override { return *allocator_; }
  Ops& ops() override { return *ops_; }

  void submit(std::string op, std::function<void()> task) override {
    std::lock_guard lock(mutex_);
    attempt(op, task);
  }

  void finish(std::function<void()> task, std::function<void(const std::string&)> done) override {
    std::lock_guard lock(mutex_);
    Finish item;
    item.done = std::move(done);
    attempt("", task);
    item.reads = std::move(reads_);
    reads_.clear();
    std::swap(item.error, error_);
    try {
      item.fault = pinned_.take(sizeof(Fault));
      check(cudaMemcpyAsync(item.fault.data, fault_, sizeof(Fault), cudaMemcpyDeviceToHost, stream_),
            "[cuda] finish");
      check(cudaMemsetAsync(fault_, 0, sizeof(Fault), stream_), "[cuda] finish");
      check(cudaEventCreateWithFlags(&item.event, cudaEventDisableTiming | cudaEventBlockingSync),
            "[cuda] event");
      check(cudaEventRecord(item.event, stream_), "[cuda] event");
    } catch (const std::exception& e) {
      if (item.error.empty()) item.error = e.what();
    }
    {
      std::lock_guard queue_lock(queue_mutex_);
      queue_.push_back(std::move(item));
    }
    wake_.notify_one();
  }

  bool in_host_memory() const override { return false; }
  void upload(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "[cuda] upload");
  }
  /** The bytes reach `to` before the surrounding finish calls done. */
  void download(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    PinnedBuffers::Buffer buffer = pinned_.take(bytes);
    reads_.push_back({to, bytes, buffer});
    check(cudaMemcpyAsync(buffer.data, from, bytes, cudaMemcpyDeviceToHost, stream_), "[cuda] download");
  }

 private:
  struct Read {
    void* to;
    size_t bytes;
    PinnedBuffers::Buffer buffer;
  };
  struct Finish {
    std::function<void(const std::string&)> done;
    std::vector<Read> reads;
    PinnedBuffers::Buffer fault{nullptr, 0};
    cudaEvent_t event = nullptr;
    std::string error;
  };

  void attempt(const std::string& op, const std::function<void()>& task) {
    if (!error_.empty() || !task) return;
    try {
      check(cudaSetDevice(index_), "[cuda]");
      task();
    } catch (const std::exception& e) {
      const std::string text = e.what();
      error_ = op.empty() || text.rfind('[', 0) == 0 ? text : "[" + op + "] " + text;
    }
  }

  void wait_for_events() {
    cudaSetDevice(index_);
    for (;;) {
      Finish item;
      {
        std::unique_lock lock(queue_mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        item = std::move(queue_.front());
        queue_.pop_front();
      }
      complete(item);
    }
  }

  void complete(Finish& item) {
    cudaError_t status = item.event ? cudaEventSynchronize(item.event) : cudaSuccess;
    if (status != cudaSuccess) {
      item.error = "[" + name() + "] " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
                   "): a kernel failed and the device's memory is lost to this process. Restart the process";
    } else if (item.event) {
      const Fault fault = *static_cast<Fault*>(item.fault.data);
      if (fault.kind != FaultKind::none) item.error = describe(fault);
    }
    for (const Read& read : item.reads) {
      if (item.error.empty()) std::memcpy(read.to, read.buffer.data, read.bytes);
      pinned_.give_back(read.buffer);
    }
    if (item.fault.data) pinned_.give_back(item.fault);
    if (item.event) cudaEventDestroy(item.event);
    item.done(item.error);
  }

  const int index_;
  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<CudaAllocator> allocator_;
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<Ops> ops_;
  Fault* fault_ = nullptr;
  PinnedBuffers pinned_;
  std::mutex mutex_;  // one enqueues at a time: worker threads of Node share the device
  std::vector<Read> reads_;
  std::string error_;  // first failure since the last finish
  std::mutex queue_mutex_;
  std::condition_variable wake_;
  std::deque<Finish> queue_;
};

}  // namespace
}  // namespace qlora::cuda

/** The addon's door: the backend of GPU `index`, or null and a message. One per GPU and process, never
 * destroyed. */
extern "C" __attribute__((visibility("default"))) qlora::Backend* qlora_open_cuda(int index, char* error,
                                                                                  size_t size) {
  static std::mutex mutex;
  static std::map<int, qlora::Backend*> opened;
  std::lock_guard lock(mutex);
  try {
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) {
      qlora::fail("[device] no usable NVIDIA GPU: ", cudaGetErrorString(status), " (",
                  cudaGetErrorName(status), "); nvidia-smi shows whether a driver is installed");
    }
    if (index < 0 || index >= count)
      qlora::fail("[device] cuda:", index, " does not exist; this machine has ", count, " GPU(s)");
    auto& backend = opened[index];
    if (!backend) backend = new qlora::cuda::CudaBackend(index);
    return backend;
  } catch (const std::exception& e) {
    std::strncpy(error, e.what(), size - 1);
    error[size - 1] = 0;
    return nullptr;
  }
}
