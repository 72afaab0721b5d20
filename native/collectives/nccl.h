#pragma once
#include <cuda_runtime.h>

#include <memory>
#include <string>

#include "collectives/collectives.h"

namespace qlora::cuda {

/** NCCL's unique id, which rank 0 makes and every rank opens its group with. */
std::string nccl_id();

/**
 * A group over NCCL for GPU `device`; its collectives run on a stream of their own, ordered with `operations`
 * by events. Blocks until every rank has come: not for a thread that others wait for. The library is opened
 * at run time: QLORA_NCCL, Python's wheel nvidia-nccl-cu12 or -cu13, or the system's libnccl.so.2.
 */
std::shared_ptr<Collectives> open_nccl(const GroupPlace& place, int device, cudaStream_t operations);

}  // namespace qlora::cuda
