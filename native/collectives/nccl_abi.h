#pragma once
#include <cuda_runtime.h>

#include <type_traits>

namespace qlora::cuda {

/** What this project uses of NCCL 2's binary interface, that of libnccl.so.2. Its headers are not needed. */
struct NcclAbi {
  using Comm = void*;
  struct Id {
    char bytes[128];
  };
  static constexpr int kUint8 = 1, kFloat32 = 7, kSum = 0;

  int (*get_version)(int*);
  int (*get_unique_id)(Id*);
  const char* (*get_error_string)(int);
  int (*comm_init_rank)(Comm*, int world, Id, int rank);
  int (*comm_get_async_error)(Comm, int* code);
  int (*comm_abort)(Comm);
  int (*comm_destroy)(Comm);
  int (*all_reduce)(const void* in, void* out, size_t n, int dtype, int op, Comm, cudaStream_t);
  int (*all_gather)(const void* in, void* out, size_t n, int dtype, Comm, cudaStream_t);
  int (*reduce_scatter)(const void* in, void* out, size_t n, int dtype, int op, Comm, cudaStream_t);
  int (*broadcast)(const void* in, void* out, size_t n, int dtype, int root, Comm, cudaStream_t);

  /** `symbol(name)` gives an address or throws. */
  template <typename Symbol>
  explicit NcclAbi(const Symbol& symbol) {
    const auto bind = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol(name));
    };
    bind(get_version, "ncclGetVersion");
    bind(get_unique_id, "ncclGetUniqueId");
    bind(get_error_string, "ncclGetErrorString");
    bind(comm_init_rank, "ncclCommInitRank");
    bind(comm_get_async_error, "ncclCommGetAsyncError");
    bind(comm_abort, "ncclCommAbort");
    bind(comm_destroy, "ncclCommDestroy");
    bind(all_reduce, "ncclAllReduce");
    bind(all_gather, "ncclAllGather");
    bind(reduce_scatter, "ncclReduceScatter");
    bind(broadcast, "ncclBroadcast");
  }
};

}  // namespace qlora::cuda
