#pragma once
#include <atomic>
#include <mutex>
#include <string>

#include "core/error.h"

namespace qlora {

/** Whether and why a group was given up; set once, from any thread. */
class AbortFlag {
 public:
  /** false when it was set before. */
  bool set(const std::string& reason) {
    std::lock_guard lock(mutex_);
    if (is_set_) return false;
    reason_ = reason;
    is_set_ = true;
    return true;
  }
  bool is_set() const { return is_set_; }
  void check() {
    if (!is_set_) return;
    std::lock_guard lock(mutex_);
    fail(reason_);
  }

 private:
  std::atomic<bool> is_set_{false};
  std::mutex mutex_;
  std::string reason_;
};

}  // namespace qlora
