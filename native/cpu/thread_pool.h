#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace qlora {

/**
 * Threads that share one operation. The thread that calls parallel_for works too; it is always the
 * backend's queue thread, so one loop runs at a time. Workers spin for a short time between loops, then
 * sleep.
 */
class ThreadPool {
 public:
  ThreadPool();
  int size() const { return size_; }
  /** 1 .. 256; only between operations (called on the queue thread). */
  void resize(int n);

  /**
   * Calls body(begin, end) on disjoint ranges that cover [0, n). The ranges depend only on n and grain and
   * are assigned dynamically, so results must not depend on which thread runs a range. grain = the smallest
   * range worth giving to a thread. An exception in a body is rethrown here.
   */
  void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

 private:
  struct Job;
  void work(uint64_t seen);
  void run(Job& job);
  void stop();

  int size_ = 1;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> active_{0};
  bool stopping_ = false;
};

/** The process's pool, with one thread per core of the machine (at most 64). */
ThreadPool& thread_pool();

inline void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  thread_pool().parallel_for(n, grain, body);
}

}  // namespace qlora
