#include "core/backend.h"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "collectives/nccl.h"
#include "cuda/context.h"
#include "cuda/error.h"
#include "cuda/file_stream.h"
#include "cuda/joins.h"
#include "cuda/pinned.h"
#include "cuda/recording.h"

namespace qlora::cuda {

namespace {

/**
 * The submitting thread enqueues operations on one stream; a second thread waits for the events of
 * `finish`. Memory is allocated when an operation is enqueued: in stream order, that is the order of
 * execution.
 */
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index) : index_(index) {
    check(cudaSetDevice(index), "[device] cuda");
    check(cudaGetDeviceProperties(&properties_, index), "[device] cuda");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "[device] stream");
    allocator_ = std::make_unique<CudaAllocator>(index, stream_);
    pinned_ = std::make_unique<PinnedAllocator>(stream_);
    check(cudaMalloc(&fault_, sizeof(Fault)), "[device] memory");
    check(cudaMemsetAsync(fault_, 0, sizeof(Fault), stream_), "[device] memory");
    profiler_ = std::make_unique<Profiler>(stream_);
    blas_ = std::make_unique<Blas>(stream_, *profiler_);
    const Gpu gpu{properties_.major * 10 + properties_.minor, properties_.sharedMemPerBlockOptin,
                  properties_.multiProcessorCount};
    cudnn_ = std::make_unique<CudnnAttention>(stream_, gpu.capability);
    copies_ = std::make_unique<CopyQueue>(stream_);
    files_ = std::make_unique<FileStream>(index, [this](auto... copy) { copy_piece(copy...); });
    context_.emplace(
        Context{gpu, stream_, *allocator_, *blas_, *cudnn_, *copies_, fault_, joins_, overlaps_});
    ops_ = std::make_unique<CudaOps>(*context_);
    std::thread([this] { wait_for_events(); }).detach();  // the backend lives as long as the process
  }

  std::string name() const override { return "cuda:" + std::to_string(index_); }
  std::string info() const override {
    int runtime = 0, driver = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    size_t free = 0, total = 0;
    cudaSetDevice(index_);
    check(cudaMemGetInfo(&free, &total), "[device] memory");
    return std::string("name=") + properties_.name + "\ncapability=" + std::to_string(properties_.major) +
           "." + std::to_string(properties_.minor) +
           "\nmultiprocessors=" + std::to_string(properties_.multiProcessorCount) +
           "\nl2_cache=" + std::to_string(properties_.l2CacheSize) +
           "\nshared_memory=" + std::to_string(properties_.sharedMemPerMultiprocessor) +
           "\nfree_memory=" + std::to_string(free) + "\ntotal_memory=" + std::to_string(total) +
           "\ncuda_runtime=" + std::to_string(runtime) + "\ncuda_driver=" + std::to_string(driver) +
           "\ncublaslt=" + blas_->library() + "\nattention=" + cudnn_->status() + profiler_->take();
  }
  void set_num_threads(int) override {}  // has no meaning on a GPU
  Allocator& allocator() override { return *allocator_; }
  Allocator& pinned_allocator() override { return *pinned_; }
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
      if (is_lost()) fail(lost_);
      if (!item.error.empty())
        copies_->finish_all();  // their finish_copy may have been dropped after the error
      item.fault = pinned_->allocate(sizeof(Fault));
      check(cudaMemcpyAsync(item.fault, fault_, sizeof(Fault), cudaMemcpyDeviceToHost, stream_),
            "[cuda] finish");
      check(cudaMemsetAsync(fault_, 0, sizeof(Fault), stream_), "[cuda] finish");
      check(cudaEventCreateWithFlags(&item.event, cudaEventDisableTiming | cudaEventBlockingSync),
            "[cuda] event");
      check(cudaEventRecord(item.event, stream_), "[cuda] event");
    } catch (const std::exception& e) {
      if (item.error.empty() || is_lost()) item.error = is_lost() ? lost_ : e.what();
    }
    {
      std::lock_guard queue_lock(queue_mutex_);
      queue_.push_back(std::move(item));
    }
    wake_.notify_one();
  }

  std::shared_ptr<Recording> record(std::vector<Task> tasks) override {
    if (profiler_->on()) return Backend::record(std::move(tasks));  // it measures operations separately
    std::lock_guard lock(mutex_);
    if (!lost_.empty()) fail(lost_);
    check(cudaSetDevice(index_), "[cuda]");
    return std::make_shared<CudaRecording>(std::move(tasks), *context_);
  }

  void replay(std::shared_ptr<Recording> recording) override {
    const auto* graph = dynamic_cast<const CudaRecording*>(recording.get());
    if (!graph) return Backend::replay(std::move(recording));
    submit("replay", [this, graph] { graph->launch(stream_); });
  }

  void read_file(const Tensor& tensor, const std::string& path, uint64_t offset,
                 std::function<void(const std::string&)> done) override {
    char* to = nullptr;
    {
      std::lock_guard lock(mutex_);
      attempt("tensor_read_file", [&] { to = tensor.data<char>(); });
    }
    if (!to) return finish(nullptr, std::move(done));  // it reports the reason
    files_->read(path, offset, to, tensor.bytes(), [this, tensor, done](const std::string& error) {
      const auto report = [&] { fail(error); };
      finish(error.empty() ? std::function<void()>() : report, done);
    });
  }

  std::string group_id() override { return nccl_id(); }
  /** On a thread of its own: NCCL waits for the other ranks. */
  void open_group(GroupPlace place, std::function<void(const std::string&)> done) override {
    std::thread([this, place, done = std::move(done)] {
      std::string error;
      try {
        std::atomic_store(&group_, open_nccl(place, index_, stream_));
      } catch (const std::exception& e) {
        error = e.what();
      }
      done(error);
    }).detach();
  }
  void close_group() override {
    const std::shared_ptr<Collectives> group = this->group();
    if (!group) return;
    cudaSetDevice(index_);
    group->close();
    std::atomic_store(&group_, std::shared_ptr<Collectives>());
  }

  void upload(void* to, const void* from, size_t bytes) override {
    // cudaMemcpyDefault: a pinned tensor's memory is on the host.
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "[cuda] upload");
  }
  /** The bytes have arrived in `to` before the surrounding finish calls done. */
  void download(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    void* buffer = pinned_->allocate(bytes);
    reads_.push_back({to, bytes, buffer});
    check(cudaMemcpyAsync(buffer, from, bytes, cudaMemcpyDefault, stream_), "[cuda] download");
  }

 private:
  struct Read {
    void* to;
    size_t bytes;
    void* buffer;
  };
  struct Finish {
    std::function<void(const std::string&)> done;
    std::vector<Read> reads;
    void* fault = nullptr;
    cudaEvent_t event = nullptr;
    std::string error;
  };

  void attempt(const std::string& op, const std::function<void()>& task) {
    if (!error_.empty() || !task) return;
    try {
      if (!lost_.empty()) fail(lost_);
      check(cudaSetDevice(index_), "[cuda]");
      profiler_->begin(op);
      task();
      profiler_->end();
    } catch (const std::exception& e) {
      const std::string text = is_lost() ? lost_ : e.what();
      error_ = op.empty() || text.rfind('[', 0) == 0 ? text : "[" + op + "] " + text;
    }
  }

  /**
   * After a kernel's fault, or when the GPU was lost, every call to it fails in this process: later work is
   * refused with the first reason. Called with the lock.
   */
  bool is_lost() {
    if (!lost_.empty()) return true;
    const cudaError_t status = cudaStreamQuery(stream_);
    cudaGetLastError();  // "not ready" counts as one
    if (status != cudaSuccess && status != cudaErrorNotReady) lose(status);
    return !lost_.empty();
  }

  void lose(cudaError_t status) {
    if (!lost_.empty()) return;
    lost_ = "[" + name() + "] " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
            "): what was in this GPU's memory is lost, and this process cannot use the GPU again. Save what "
            "is on the "
            "host and start a new process";
  }

  void copy_piece(void* to, const void* from, size_t bytes, cudaEvent_t copied) {
    std::lock_guard lock(mutex_);
    // cudaMemcpyDefault, as in upload: paged optimizer state is read from a checkpoint into pinned memory.
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_), "[tensor_read_file] upload");
    check(cudaEventRecord(copied, stream_), "[tensor_read_file] upload");
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
      std::lock_guard lock(mutex_);
      lose(status);
      item.error = lost_;
    } else if (item.event) {
      const Fault fault = *static_cast<Fault*>(item.fault);
      if (fault.kind != FaultKind::none) item.error = describe(fault);
    }
    for (const Read& read : item.reads) {
      if (item.error.empty()) std::memcpy(read.to, read.buffer, read.bytes);
      pinned_->release(read.buffer, read.bytes);
    }
    if (item.fault) pinned_->release(item.fault, sizeof(Fault));
    if (item.event) cudaEventDestroy(item.event);
    item.done(item.error);
  }

  const int index_;
  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<CudaAllocator> allocator_;
  std::unique_ptr<PinnedAllocator> pinned_;
  std::unique_ptr<Profiler> profiler_;
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<CudnnAttention> cudnn_;
  std::unique_ptr<CopyQueue> copies_;
  std::unique_ptr<FileStream> files_;
  Joins joins_;
  bool overlaps_ = false;
  std::optional<Context> context_;
  std::unique_ptr<Ops> ops_;
  Fault* fault_ = nullptr;
  std::mutex mutex_;  // only one thread enqueues at a time: Node's worker threads share the device
  std::vector<Read> reads_;
  std::string error_;  // first error since the last finish
  std::string lost_;   // why the GPU cannot be used any more
  std::mutex queue_mutex_;
  std::condition_variable wake_;
  std::deque<Finish> queue_;
};

}  // namespace
}  // namespace qlora::cuda

namespace {

/** Throws when there is no GPU or no driver. */
int device_count() {
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  int driver = 0;
  if (status != cudaSuccess && cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0)
    qlora::fail("[device] no usable NVIDIA GPU: this machine has no NVIDIA driver");
  if (status != cudaSuccess) {
    qlora::fail("[device] no usable NVIDIA GPU: ", cudaGetErrorString(status), " (", cudaGetErrorName(status),
                "); nvidia-smi shows whether a driver is installed");
  }
  return count;
}

void put(const std::exception& e, char* error, size_t size) {
  std::strncpy(error, e.what(), size - 1);
  error[size - 1] = 0;
}

}  // namespace

/** For the addon: the number of GPUs, or -1 and a message. */
extern "C" __attribute__((visibility("default"))) int qlora_cuda_device_count(char* error, size_t size) {
  try {
    return device_count();
  } catch (const std::exception& e) {
    put(e, error, size);
    return -1;
  }
}

/**
 * For the addon: the backend of GPU `index`, or null and a message. One per GPU and process, never
 * destroyed.
 */
extern "C" __attribute__((visibility("default"))) qlora::Backend* qlora_open_cuda(int index, char* error,
                                                                                  size_t size) {
  static std::mutex mutex;
  static std::map<int, qlora::Backend*> opened;
  std::lock_guard lock(mutex);
  try {
    const int count = device_count();
    if (index < 0 || index >= count)
      qlora::fail("[device] cuda:", index, " does not exist; this machine has ", count, " GPU(s)");
    auto& backend = opened[index];
    if (!backend) backend = new qlora::cuda::CudaBackend(index);
    return backend;
  } catch (const std::exception& e) {
    put(e, error, size);
    return nullptr;
  }
}
