#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace qlora {

struct MemoryStats {
  size_t allocated;  // bytes in live storages
  size_t peak;       // largest `allocated` since the last reset
  size_t reserved;   // allocated plus the cache
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* data, size_t bytes) = 0;
  virtual MemoryStats stats() const = 0;
  virtual void reset_peak() = 0;
  virtual void empty_cache() = 0;
};

/**
 * The memory of a tensor. It is allocated when the first operation that uses it runs, not when the tensor
 * is made: JavaScript enqueues far ahead of the backend, and the peak must follow the order of execution.
 */
class Storage {
 public:
  Storage(Allocator& allocator, size_t bytes) : allocator_(allocator), bytes_(bytes) {}
  ~Storage() {
    if (data_) allocator_.release(data_, bytes_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  size_t bytes() const { return bytes_; }
  /** Only on the thread that runs operations. */
  void* data() {
    if (!data_ && bytes_ > 0) data_ = allocator_.allocate(bytes_);
    return data_;
  }

 private:
  Allocator& allocator_;
  size_t bytes_;
  void* data_ = nullptr;
};

using Shape = std::vector<int64_t>;

inline int64_t count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

class Backend;

/** A contiguous row-major tensor: a byte range of a storage. Copies share the storage. */
struct Tensor {
  std::shared_ptr<Storage> storage;
  Backend* backend = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  size_t byte_offset = 0;

  int64_t numel() const { return count(shape); }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype); }
  /** Size of the last axis; rows() is the product of the others. */
  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return cols() == 0 ? 0 : numel() / cols(); }

  template <typename T>
  T* data() const {
    return reinterpret_cast<T*>(static_cast<char*>(storage->data()) + byte_offset);
  }
};

using OptionalTensor = std::optional<Tensor>;
using TensorList = std::vector<Tensor>;

}  // namespace qlora
