#include "cpu/thread_pool.h"

#include <algorithm>
#include <exception>

#include "cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qlora {

namespace {

constexpr int kSpins = 20000;  // about 100 us: longer than the gap between two operations of a step

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

struct ThreadPool::Job {
  int64_t n, chunk;
  const std::function<void(int64_t, int64_t)>& body;
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
};

ThreadPool::ThreadPool() { resize(std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 64)); }

void ThreadPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_++;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  stopping_ = false;
}

void ThreadPool::resize(int n) {
  if (n == size_ && static_cast<int>(threads_.size()) == n - 1) return;
  stop();
  size_ = n;
  // Each thread starts from the current generation: if it read it later, it could miss a stop and never
  // wake.
  for (int i = 1; i < n; i++) threads_.emplace_back([this, seen = generation_.load()] { work(seen); });
}

void ThreadPool::run(Job& job) {
  for (;;) {
    int64_t begin = job.next.fetch_add(job.chunk);
    if (begin >= job.n) return;
    try {
      job.body(begin, std::min(begin + job.chunk, job.n));
    } catch (...) {
      std::lock_guard lock(job.mutex);
      if (!job.error) job.error = std::current_exception();
    }
  }
}

void ThreadPool::work(uint64_t seen) {
  flush_subnormals_here();
  for (;;) {
    for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; i++) relax();
    Job* job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      seen = generation_.load();
      if (stopping_) return;
      job = job_;
      if (!job) continue;  // the loop ended before this thread woke
      active_++;
    }
    run(*job);
    {
      std::lock_guard lock(mutex_);
      active_--;
    }
    idle_.notify_one();
  }
}

void ThreadPool::parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  // At most eight chunks per core: enough for balance, and few enough that the atomic costs nothing. The
  // chunk does not depend on size_, so that partial sums per range are the same for any number of threads.
  int64_t chunk = std::max(grain, (n + 63) / 64);
  Job job{n, chunk, body, {0}, {}, nullptr};
  if (size_ > 1 && n > chunk) {
    {
      std::lock_guard lock(mutex_);
      job_ = &job;
      generation_++;
    }
    wake_.notify_all();
    run(job);
    // The other threads' last ranges end within microseconds of ours: sleeping at once would cost more than
    // waiting.
    for (int i = 0; i < kSpins / 10 && active_.load(std::memory_order_acquire) > 0; i++) relax();
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    idle_.wait(lock, [&] { return active_ == 0; });
  } else {
    run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

ThreadPool& thread_pool() {
  static ThreadPool* pool = new ThreadPool;  // never destroyed: threads may run until the process ends
  return *pool;
}

}  // namespace qlora
