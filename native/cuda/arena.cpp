#include "cuda/arena.h"

#include <cuda.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include "cuda/error.h"

namespace qlora::cuda {

namespace {

constexpr size_t kAlignment = 512;           // of a block
constexpr size_t kPiece = size_t{32} << 20;  // memory is added in pieces of at least this size

/** The functions of the driver that the runtime has no equivalent for. */
struct Driver {
  decltype(&cuMemAddressReserve) reserve;
  decltype(&cuMemAddressFree) unreserve;
  decltype(&cuMemCreate) create;
  decltype(&cuMemRelease) destroy;
  decltype(&cuMemMap) map;
  decltype(&cuMemUnmap) unmap;
  decltype(&cuMemSetAccess) allow;
  decltype(&cuMemGetAllocationGranularity) granularity;

  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("[cuda] the NVIDIA driver's libcuda.so.1 cannot be opened: ", dlerror());
    const auto load = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (!function) fail("[cuda] the NVIDIA driver has no ", name, "; update it");
    };
    load(reserve, "cuMemAddressReserve");
    load(unreserve, "cuMemAddressFree");
    load(create, "cuMemCreate");
    load(destroy, "cuMemRelease");
    load(map, "cuMemMap");
    load(unmap, "cuMemUnmap");
    load(allow, "cuMemSetAccess");
    load(granularity, "cuMemGetAllocationGranularity");
  }
};

const Driver& driver() {
  static const Driver instance;
  return instance;
}

CUmemAllocationProp properties(int device) {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  return prop;
}

size_t rounded(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

}  // namespace

Arena::Arena(int device) : device_(device) {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "[cuda] memory");
  const CUmemAllocationProp prop = properties(device);
  if (driver().granularity(&granularity_, &prop, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) != CUDA_SUCCESS)
    fail("[cuda] this GPU's memory cannot be mapped by address");
  granularity_ = rounded(kPiece, granularity_);
  limit_ = rounded(total, granularity_);
  CUdeviceptr base = 0;
  if (driver().reserve(&base, limit_, 0, 0, 0) != CUDA_SUCCESS)
    fail("[cuda] no addresses for the GPU's memory");
  base_ = reinterpret_cast<char*>(base);
}

Arena::~Arena() {
  for (const Piece& piece : pieces_) {
    driver().unmap(reinterpret_cast<CUdeviceptr>(base_) + piece.begin, piece.bytes);
    driver().destroy(piece.handle);
  }
  driver().unreserve(reinterpret_cast<CUdeviceptr>(base_), limit_);
}

void* Arena::allocate(size_t bytes) {
  bytes = rounded(bytes, kAlignment);
  std::optional<size_t> begin = blocks_.take(bytes);
  if (!begin) {
    if (!grow(bytes)) return nullptr;
    begin = blocks_.take(bytes);
  }
  return base_ + *begin;
}

void Arena::release(void* data) { blocks_.give_back(static_cast<char*>(data) - base_); }

/** Maps memory at the end, so that a block of `bytes` bytes is free there. */
bool Arena::grow(size_t bytes) {
  const size_t tail = blocks_.free_before(end_);
  const size_t missing = rounded(bytes - tail, granularity_);
  if (end_ + missing > limit_) return false;
  Piece piece{end_, missing, 0};
  const CUmemAllocationProp prop = properties(device_);
  if (driver().create(&piece.handle, missing, &prop, 0) != CUDA_SUCCESS) return false;
  const CUdeviceptr at = reinterpret_cast<CUdeviceptr>(base_) + end_;
  CUmemAccessDesc access{};
  access.location = prop.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  if (driver().map(at, missing, 0, piece.handle, 0) != CUDA_SUCCESS) {
    driver().destroy(piece.handle);
    return false;
  }
  pieces_.push_back(piece);
  if (driver().allow(at, missing, &access, 1) != CUDA_SUCCESS) {
    driver().unmap(at, missing);
    driver().destroy(piece.handle);
    pieces_.pop_back();
    return false;
  }
  blocks_.add(end_, missing);
  end_ += missing;
  return true;
}

void Arena::trim() {
  while (!pieces_.empty()) {
    const Piece piece = pieces_.back();
    if (!blocks_.remove(piece.begin, piece.bytes)) return;
    driver().unmap(reinterpret_cast<CUdeviceptr>(base_) + piece.begin, piece.bytes);
    driver().destroy(piece.handle);
    pieces_.pop_back();
    end_ = piece.begin;
  }
}

}  // namespace qlora::cuda
