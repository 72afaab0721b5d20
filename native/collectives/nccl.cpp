#include "collectives/nccl.h"

#include <cstring>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "collectives/abort_flag.h"
#include "collectives/nccl_abi.h"
#include "cuda/error.h"
#include "cuda/library.h"

namespace qlora::cuda {

namespace {

struct OpenedNccl {
  Library library;
  NcclAbi abi;
};

const OpenedNccl& nccl() {
  static const OpenedNccl opened = [] {
    Library library = open_library({"libnccl.so.2"}, "QLORA_NCCL", {"nccl"});
    return OpenedNccl{library, NcclAbi([&](const char* name) { return library.symbol(name); })};
  }();
  return opened;
}

void check_nccl(int code, const char* what) {
  if (code != 0) fail("[", what, "] NCCL: ", nccl().abi.get_error_string(code));
}

class Nccl final : public Collectives {
 public:
  Nccl(const GroupPlace& place, int device, cudaStream_t operations)
      : nccl_(nccl().abi), place_(place), operations_(operations) {
    NcclAbi::Id id;
    if (place.id.size() != sizeof id.bytes)
      fail("[nccl] the unique id has ", place.id.size(), " bytes; expected ", sizeof id.bytes);
    std::memcpy(id.bytes, place.id.data(), sizeof id.bytes);
    check(cudaSetDevice(device), "[nccl] device");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "[nccl] stream");
    check_nccl(nccl_.comm_init_rank(&comm_, place.world, id, place.rank), "ncclCommInitRank");
    check(cudaMalloc(&nothing_, sizeof(float)), "[nccl] memory");
  }

  GroupPlace place() const override { return place_; }
  std::string library() const override {
    int version = 0;
    nccl_.get_version(&version);
    return "NCCL " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100) + " (" + nccl().library.path + ")";
  }

  void all_reduce(const Tensor& x) override {
    float* data = x.data<float>();
    begin("all_reduce", data, [&] {
      return nccl_.all_reduce(data, data, static_cast<size_t>(x.numel()), NcclAbi::kFloat32, NcclAbi::kSum,
                              comm_, stream_);
    });
  }

  void all_gather(const Tensor& x, const Tensor& out) override {
    char *from = x.data<char>(), *to = out.data<char>();
    begin("all_gather", to,
          [&] { return nccl_.all_gather(from, to, x.bytes(), NcclAbi::kUint8, comm_, stream_); });
  }

  void reduce_scatter(const Tensor& x, const Tensor& out) override {
    float *from = x.data<float>(), *to = out.data<float>();
    begin("reduce_scatter", to, [&] {
      return nccl_.reduce_scatter(from, to, static_cast<size_t>(out.numel()), NcclAbi::kFloat32,
                                  NcclAbi::kSum, comm_, stream_);
    });
  }

  void broadcast(const Tensor& x, int root) override {
    char* data = x.data<char>();
    begin("broadcast", data,
          [&] { return nccl_.broadcast(data, data, x.bytes(), NcclAbi::kUint8, root, comm_, stream_); });
  }

  void barrier() override {
    begin("barrier", nothing_, [&] {
      return nccl_.all_reduce(nothing_, nothing_, 1, NcclAbi::kFloat32, NcclAbi::kSum, comm_, stream_);
    });
    finish(nothing_);
  }

  void wait(const Tensor& out) override { finish(out.data<char>()); }

  GroupProgress progress() override {
    std::lock_guard lock(mutex_);
    while (!under_way_.empty() && cudaEventQuery(under_way_.front()) == cudaSuccess) {
      spare_.push_back(under_way_.front());
      under_way_.pop_front();
      done_++;
    }
    return {begun_, done_};
  }

  void abort(const std::string& reason) override {
    if (!aborted_.set(reason)) return;
    // Ends the kernels that wait for another rank, so that the stream goes on.
    nccl_.comm_abort(comm_);
  }

  void close() override {
    if (aborted_.is_set()) return;
    check(cudaStreamSynchronize(stream_), "[nccl] close");
    aborted_.set("[nccl] the group was left");
    check_nccl(nccl_.comm_destroy(comm_), "ncclCommDestroy");
  }

 private:
  template <typename Start>
  void begin(const char* op, void* out, const Start& start) {
    aborted_.check();
    int state = 0;
    check_nccl(nccl_.comm_get_async_error(comm_, &state), op);
    check_nccl(state, op);
    cudaEvent_t ready = take_event(), done = take_event();
    check(cudaEventRecord(ready, operations_), "[nccl]");
    check(cudaStreamWaitEvent(stream_, ready, 0), "[nccl]");
    check_nccl(start(), op);
    check(cudaEventRecord(done, stream_), "[nccl]");
    std::lock_guard lock(mutex_);
    // Waiting took the event as it was then, so it can mark the progress as well.
    check(cudaEventRecord(ready, stream_), "[nccl]");
    under_way_.push_back(ready);
    begun_++;
    const auto before = pending_.find(out);
    if (before != pending_.end()) spare_.push_back(before->second);
    pending_[out] = done;
  }

  void finish(void* out) {
    const auto found = pending_.find(out);
    if (found == pending_.end()) return;
    check(cudaStreamWaitEvent(operations_, found->second, 0), "[nccl] wait");
    std::lock_guard lock(mutex_);
    spare_.push_back(found->second);
    pending_.erase(found);
  }

  cudaEvent_t take_event() {
    std::lock_guard lock(mutex_);
    cudaEvent_t event = nullptr;
    if (spare_.empty()) {
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "[nccl] event");
    } else {
      event = spare_.back();
      spare_.pop_back();
    }
    return event;
  }

  const NcclAbi& nccl_;
  const GroupPlace place_;
  const cudaStream_t operations_;
  cudaStream_t stream_ = nullptr;
  NcclAbi::Comm comm_ = nullptr;
  void* nothing_ = nullptr;
  std::unordered_map<void*, cudaEvent_t> pending_;  // by output, until it is waited for
  std::mutex mutex_;                                // of what `progress` reads
  std::deque<cudaEvent_t> under_way_;               // in the order of the calls
  std::vector<cudaEvent_t> spare_;
  int64_t begun_ = 0, done_ = 0;
  AbortFlag aborted_;
};

}  // namespace

std::string nccl_id() {
  NcclAbi::Id id{};
  check_nccl(nccl().abi.get_unique_id(&id), "ncclGetUniqueId");
  return std::string(id.bytes, sizeof id.bytes);
}

std::shared_ptr<Collectives> open_nccl(const GroupPlace& place, int device, cudaStream_t operations) {
  return std::make_shared<Nccl>(place, device, operations);
}

}  // namespace qlora::cuda
