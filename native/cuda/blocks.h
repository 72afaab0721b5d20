#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace qlora::cuda {

/** Which parts of a memory, by address or offset, are in use: handed out best fit first; neighbours that are
 * free are one block again. */
class Blocks {
 public:
  /** Where `bytes` are from now on in use; nothing when no free block has as many. */
  std::optional<size_t> take(size_t bytes);
  /** A block that `take` gave is free again; returns its bytes. */
  size_t give_back(size_t begin);
  /** More memory, free. */
  void add(size_t begin, size_t bytes);
  /** Takes memory out again if all of it is free. */
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
