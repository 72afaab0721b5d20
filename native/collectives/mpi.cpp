#include "collectives/mpi.h"

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <vector>

#include "collectives/abort_flag.h"
#include "collectives/mpi_abi.h"

namespace qlora {

namespace {

/** Opened once and kept: MPI begins and ends once in a process. */
const MpiAbi& library() {
  static const MpiAbi abi = [] {
    const char* named = std::getenv("QLORA_MPI");
    const std::string path = named && *named ? named : "libmpi.so.40";
    // Global: Open MPI's own plug-ins look for its symbols there.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
      fail("[mpi] ", dlerror(),
           "; ranks on CPUs need Open MPI (Debian: openmpi-bin; QLORA_MPI names its libmpi.so.40)");
    return MpiAbi([&](const char* name) {
      void* address = dlsym(handle, name);
      if (!address) fail("[mpi] ", path, " has no ", name, ": it is not Open MPI 3 to 5");
      return address;
    });
  }();
  return abi;
}

class Mpi final : public Collectives {
 public:
  explicit Mpi(const GroupPlace& place) : mpi_(qlora::library()), place_(place) {
    int begun = 0;
    check(mpi_.initialized(&begun), "MPI_Initialized");
    if (begun) fail("[mpi] MPI has begun already in this process, and begins only once");
    int provided = 0;
    check(mpi_.init_thread(nullptr, nullptr, MpiAbi::kThreadFunneled, &provided), "MPI_Init_thread");
    check(mpi_.comm_set_errhandler(mpi_.world, mpi_.errors_return), "MPI_Comm_set_errhandler");
    int rank = 0, world = 0;
    check(mpi_.comm_rank(mpi_.world, &rank), "MPI_Comm_rank");
    check(mpi_.comm_size(mpi_.world, &world), "MPI_Comm_size");
    if (rank != place.rank || world != place.world)
      fail("[mpi] MPI says rank ", rank, " of ", world, ", the environment rank ", place.rank, " of ",
           place.world, "; start the ranks with mpirun, or with srun --mpi=pmix");
  }

  GroupPlace place() const override { return place_; }
  std::string library() const override {
    char text[MpiAbi::kMaxText] = "";
    int length = 0;
    mpi_.get_library_version(text, &length);
    const std::string whole(text);
    return whole.substr(0, whole.find(','));
  }

  void all_reduce(const Tensor& x) override {
    begin("all_reduce", {x}, x, [&](MpiAbi::Request* request) {
      return mpi_.iallreduce(MpiAbi::in_place(), x.data<float>(), size(x.numel()), mpi_.float32, mpi_.sum,
                             mpi_.world, request);
    });
  }

  void all_gather(const Tensor& x, const Tensor& out) override {
    begin("all_gather", {x, out}, out, [&](MpiAbi::Request* request) {
      const int n = size(static_cast<int64_t>(x.bytes()));
      const bool is_part = x.storage == out.storage;
      return mpi_.iallgather(is_part ? MpiAbi::in_place() : x.data<char>(), n, mpi_.byte, out.data<char>(), n,
                             mpi_.byte, mpi_.world, request);
    });
  }

  void reduce_scatter(const Tensor& x, const Tensor& out) override {
    begin("reduce_scatter", {x, out}, out, [&](MpiAbi::Request* request) {
      return mpi_.ireduce_scatter_block(x.data<float>(), out.data<float>(), size(out.numel()), mpi_.float32,
                                        mpi_.sum, mpi_.world, request);
    });
  }

  void broadcast(const Tensor& x, int root) override {
    begin("broadcast", {x}, x, [&](MpiAbi::Request* request) {
      return mpi_.ibcast(x.data<char>(), size(static_cast<int64_t>(x.bytes())), mpi_.byte, root, mpi_.world,
                         request);
    });
  }

  void barrier() override {
    begin("barrier", {}, {}, [&](MpiAbi::Request* request) { return mpi_.ibarrier(mpi_.world, request); });
    finish(pending_.back());
    pending_.pop_back();
  }

  void wait(const Tensor& out) override {
    for (size_t i = 0; i < pending_.size(); i++) {
      if (pending_[i].out.storage != out.storage || pending_[i].out.byte_offset != out.byte_offset) continue;
      finish(pending_[i]);
      pending_.erase(pending_.begin() + static_cast<long>(i--));
    }
  }

  GroupProgress progress() override { return {begun_, done_}; }

  void abort(const std::string& reason) override { aborted_.set(reason); }

  void close() override {
    // Its ranks could wait for one that is gone.
    if (aborted_.is_set() || !pending_.empty()) return;
    check(mpi_.finalize(), "MPI_Finalize");
    aborted_.set("[mpi] the group was left");
  }

 private:
  struct Pending {
    const char* op;
    MpiAbi::Request request;
    std::vector<Tensor> tensors;  // kept alive
    Tensor out;
  };

  template <typename Start>
  void begin(const char* op, std::vector<Tensor> tensors, const Tensor& out, const Start& start) {
    aborted_.check();
    MpiAbi::Request request = nullptr;
    begun_++;
    check(start(&request), op);
    pending_.push_back({op, request, std::move(tensors), out});
  }

  /** Ranks may share cores: who waits long sleeps. */
  void finish(Pending& pending) {
    for (int turns = 0;; turns++) {
      int flag = 0;
      check(mpi_.test(&pending.request, &flag, nullptr), pending.op);
      if (flag) break;
      aborted_.check();
      if (turns < 100)
        sched_yield();
      else
        usleep(turns < 1000 ? 20 : 200);
    }
    done_++;
  }

  static int size(int64_t n) {
    if (n > INT_MAX) fail(n, " elements; MPI takes at most ", INT_MAX, " at a time");
    return static_cast<int>(n);
  }

  void check(int code, const char* what) const {
    if (code == 0) return;
    char text[MpiAbi::kMaxText] = "";
    int length = 0;
    mpi_.error_string(code, text, &length);
    fail("[", what, "] ", text);
  }

  const MpiAbi& mpi_;
  const GroupPlace place_;
  std::vector<Pending> pending_;
  std::atomic<int64_t> begun_{0}, done_{0};
  AbortFlag aborted_;
};

}  // namespace

std::shared_ptr<Collectives> open_mpi(const GroupPlace& place) { return std::make_shared<Mpi>(place); }

}  // namespace qlora
