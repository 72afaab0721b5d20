#include "cuda/blocks.h"

namespace qlora::cuda {

std::optional<size_t> Blocks::take(size_t bytes) {
  const auto best = by_size_.lower_bound({bytes, 0});
  if (best == by_size_.end()) return std::nullopt;
  const auto [available, begin] = *best;
  erase(begin);
  if (available > bytes) insert(begin + bytes, available - bytes);
  used_[begin] = bytes;
  return begin;
}

size_t Blocks::give_back(size_t begin) {
  const auto found = used_.find(begin);
  const size_t bytes = found->second;
  used_.erase(found);
  add(begin, bytes);
  return bytes;
}

void Blocks::add(size_t begin, size_t bytes) {
  if (const auto next = free_.find(begin + bytes); next != free_.end()) {
    bytes += next->second;
    erase(next->first);
  }
  if (const size_t before = free_before(begin); before > 0) {
    begin -= before;
    bytes += before;
    erase(begin);
  }
  insert(begin, bytes);
}

bool Blocks::remove(size_t begin, size_t bytes) {
  auto found = free_.upper_bound(begin);
  if (found == free_.begin()) return false;
  const auto [from, available] = *--found;
  if (from + available < begin + bytes) return false;
  erase(from);
  if (from < begin) insert(from, begin - from);
  if (from + available > begin + bytes) insert(begin + bytes, from + available - begin - bytes);
  return true;
}

size_t Blocks::free_before(size_t end) const {
  auto found = free_.lower_bound(end);
  if (found == free_.begin()) return 0;
  const auto [begin, bytes] = *--found;
  return begin + bytes == end ? bytes : 0;
}

void Blocks::insert(size_t begin, size_t bytes) {
  free_[begin] = bytes;
  by_size_.insert({bytes, begin});
}

void Blocks::erase(size_t begin) {
  const auto found = free_.find(begin);
  by_size_.erase({found->second, begin});
  free_.erase(found);
}

}  // namespace qlora::cuda
