#pragma once
#include <cstddef>

#include "core/error.h"

namespace qlora {

/**
 * What this project uses of Open MPI's binary interface, that of libmpi.so.40 (Open MPI 3 to 5): handles are
 * pointers to objects which the library exports by name. Its headers are not needed.
 */
struct MpiAbi {
  using Comm = void*;
  using Datatype = void*;
  using Op = void*;
  using Request = void*;

  static constexpr int kThreadFunneled = 1;
  static constexpr int kMaxText = 256 * 32;
  static void* in_place() { return reinterpret_cast<void*>(1); }

  int (*init_thread)(int* argc, char*** argv, int required, int* provided);
  int (*initialized)(int* flag);
  int (*finalize)();
  int (*get_library_version)(char* text, int* length);
  int (*error_string)(int code, char* text, int* length);
  int (*comm_rank)(Comm, int*);
  int (*comm_size)(Comm, int*);
  int (*comm_set_errhandler)(Comm, void*);
  int (*iallreduce)(const void* in, void* out, int n, Datatype, Op, Comm, Request*);
  int (*iallgather)(const void* in, int n_in, Datatype, void* out, int n_out, Datatype, Comm, Request*);
  int (*ireduce_scatter_block)(const void* in, void* out, int n, Datatype, Op, Comm, Request*);
  int (*ibcast)(void* data, int n, Datatype, int root, Comm, Request*);
  int (*ibarrier)(Comm, Request*);
  /** `status` may be null: MPI_STATUS_IGNORE. */
  int (*test)(Request*, int* flag, void* status);

  Comm world;
  Datatype byte, float32;
  Op sum;
  void* errors_return;

  /** `symbol(name)` gives an address or throws. */
  template <typename Symbol>
  explicit MpiAbi(const Symbol& symbol) {
    const auto bind = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol(name));
    };
    bind(init_thread, "MPI_Init_thread");
    bind(initialized, "MPI_Initialized");
    bind(finalize, "MPI_Finalize");
    bind(get_library_version, "MPI_Get_library_version");
    bind(error_string, "MPI_Error_string");
    bind(comm_rank, "MPI_Comm_rank");
    bind(comm_size, "MPI_Comm_size");
    bind(comm_set_errhandler, "MPI_Comm_set_errhandler");
    bind(iallreduce, "MPI_Iallreduce");
    bind(iallgather, "MPI_Iallgather");
    bind(ireduce_scatter_block, "MPI_Ireduce_scatter_block");
    bind(ibcast, "MPI_Ibcast");
    bind(ibarrier, "MPI_Ibarrier");
    bind(test, "MPI_Test");
    world = symbol("ompi_mpi_comm_world");
    byte = symbol("ompi_mpi_byte");
    float32 = symbol("ompi_mpi_float");
    sum = symbol("ompi_mpi_op_sum");
    errors_return = symbol("ompi_mpi_errors_return");
  }
};

}  // namespace qlora
