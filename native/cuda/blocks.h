#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace qlora::cuda {

/**
 * Which parts of a memory (by address or offset) are in use. Allocates best fit first; free neighbours are
 * merged.
 */
class Blocks {
 public:
  /** Allocates `bytes` bytes and returns where; nothing if no free block is large enough. */
  std::optional<size_t> take(size_t bytes);
  /** Frees a block that `take` returned; returns its bytes. */
  size_t give_back(size_t begin);
  /** Adds free memory. */
  void add(size_t begin, size_t bytes);
  /** Removes memory, if all of it is free. */
  bool remove(size_t begin, size_t bytes);
  /** Free bytes that end at `end`. */
  size_t free_before(size_t end) const;

 private:
  void insert(size_t begin, size_t bytes);
  void erase(size_t begin);

  std::map<size_t, size_t> used_, free_;         // begin -> bytes
  std::set<std::pair<size_t, size_t>> by_size_;  // (bytes, begin) of free_
};

}  // namespace qlora::cuda
