#include "core/backend.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "collectives/mpi.h"
#include "cpu/allocator.h"
#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace qlora {

namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend() : isa_(choose_isa()), ops_(make_ops_for(isa_)) {
    std::thread([this] { run(); }).detach();  // the backend lives as long as the process
  }

  std::string name() const override { return "cpu"; }
  std::string info() const override {
    return "isa=" + isa_ + "\nbf16_dot=" + (has_bf16_dot() ? "true" : "false") +
           "\nnum_threads=" + std::to_string(thread_pool().size());
  }
  void set_num_threads(int n) override {
    submit("set_num_threads", [n] { thread_pool().resize(n); });
  }
  Allocator& allocator() override { return allocator_; }
  Ops& ops() override { return *ops_; }

  void submit(std::string op, std::function<void()> task) override {
    push({std::move(op), std::move(task), nullptr});
  }
  void finish(std::function<void()> task, std::function<void(const std::string&)> done) override {
    push({"", std::move(task), std::move(done)});
  }

  /** Over MPI, all of whose calls are made by the queue's thread. */
  void open_group(GroupPlace place, std::function<void(const std::string&)> done) override {
    finish([this, place] { std::atomic_store(&group_, open_mpi(place)); }, std::move(done));
  }
  void close_group() override {
    const std::shared_ptr<Collectives> group = this->group();
    if (!group) return;
    std::promise<void> left;
    finish([group] { group->close(); }, [&left](const std::string&) { left.set_value(); });
    left.get_future().wait();
  }

 private:
  struct Item {
    std::string op;
    std::function<void()> task;
    std::function<void(const std::string&)> done;
  };

  void push(Item item) {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(item));
    }
    wake_.notify_one();
  }

  void run() {
    thread_pool();
    flush_subnormals_here();
    for (;;) {
      Item item;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        item = std::move(queue_.front());
        queue_.pop_front();
      }
      if (error_.empty() && item.task) {
        try {
          item.task();
        } catch (const std::bad_alloc&) {
          error_ = "[" + item.op + "] out of memory";
        } catch (const std::exception& e) {
          std::string text = e.what();
          error_ = item.op.empty() || text.rfind('[', 0) == 0 ? text : "[" + item.op + "] " + text;
        }
      }
      item.task = nullptr;  // frees tensors that only this task held, in the order of execution
      if (item.done) {
        std::string error;
        std::swap(error, error_);
        item.done(error);
      }
    }
  }

  const std::string isa_;
  std::unique_ptr<Ops> ops_;
  CpuAllocator allocator_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  std::string error_;  // first error since the last finish
};

}  // namespace

Backend& open_backend(const std::string& name) {
  if (name.rfind("cuda:", 0) == 0 && name.size() == 6 && name[5] >= '0' && name[5] <= '9')
    return open_cuda(name[5] - '0');
  static CpuBackend* cpu = new CpuBackend;
  if (name != "cpu") fail("[device] unknown device '", name, "'; known: cpu, cuda:0 to cuda:9");
  return *cpu;
}

}  // namespace qlora
