#pragma once
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collectives/collectives.h"
#include "core/file_io.h"
#include "core/ops.h"
#include "core/tensor.h"

namespace qlora {

/** An operation with its arguments, ready to run. */
struct Task {
  std::string op;
  std::function<void()> run;
};

/** Recorded operations that can be run many times with the same tensors, which the recording keeps alive. */
class Recording {
 public:
  explicit Recording(std::vector<Task> tasks) : tasks(std::move(tasks)) {}
  virtual ~Recording() = default;
  const std::vector<Task> tasks;
};

/** A device: memory, a queue that runs operations in the order of submission, and the operations. */
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;
  /** Human-readable facts: instruction set, threads, compute capability ... as "key=value" lines. */
  virtual std::string info() const = 0;
  virtual void set_num_threads(int n) = 0;
  virtual Allocator& allocator() = 0;
  /**
   * Host memory that this device's operations read and write in place; its own memory if that is the
   * host's.
   */
  virtual Allocator& pinned_allocator() { return allocator(); }
  virtual Ops& ops() = 0;

  /**
   * Runs task after everything submitted before. If a task throws, later tasks are dropped until `finish`
   * reports the error.
   */
  virtual void submit(std::string op, std::function<void()> task) = 0;
  /** Like submit, but always runs done(error or empty); runs `task` before it if there was no error. */
  virtual void finish(std::function<void()> task, std::function<void(const std::string& error)> done) = 0;

  /** Prepares tasks for `replay`; does not run them. */
  virtual std::shared_ptr<Recording> record(std::vector<Task> tasks) {
    return std::make_shared<Recording>(std::move(tasks));
  }
  /** Submits the recorded tasks in their order. */
  virtual void replay(std::shared_ptr<Recording> recording) {
    for (size_t i = 0; i < recording->tasks.size(); i++)
      submit(recording->tasks[i].op, [recording, i] { recording->tasks[i].run(); });
  }

  /** Copies host memory to device memory; only inside a task. `from` can be reused when it returns. */
  virtual void upload(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
  /**
   * Copies device memory to the host; only inside a task of `finish`. The bytes have arrived when `done` is
   * called.
   */
  virtual void download(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
  /** Like finish, with a task that fills a tensor from a byte range of a file. */
  virtual void read_file(const Tensor& tensor, const std::string& path, uint64_t offset,
                         std::function<void(const std::string& error)> done) {
    finish([tensor, path, offset] { read_range(path, offset, tensor.data<char>(), tensor.bytes()); },
           std::move(done));
  }

  /** What rank 0 makes for all ranks to open a group with; empty where the engine needs nothing. */
  virtual std::string group_id() { return ""; }
  /** Joins the group: `done` is called, from any thread, when every rank has come or with an error. */
  virtual void open_group(GroupPlace place, std::function<void(const std::string& error)> done) = 0;
  /** Leaves it when everything enqueued has run; blocks. Nothing to do where there is none. */
  virtual void close_group() = 0;
  /** The group that this device was opened for; null before. From any thread. */
  std::shared_ptr<Collectives> group() const { return std::atomic_load(&group_); }

  Tensor empty(DType dtype, Shape shape) { return make(allocator(), dtype, std::move(shape)); }
  Tensor empty_pinned(DType dtype, Shape shape) { return make(pinned_allocator(), dtype, std::move(shape)); }

 private:
  Tensor make(Allocator& memory, DType dtype, Shape shape) {
    Tensor t{nullptr, this, dtype, std::move(shape), 0};
    t.storage = std::make_shared<Storage>(memory, t.bytes());
    return t;
  }

 protected:
  std::shared_ptr<Collectives> group_;  // through std::atomic_load and std::atomic_store
};

/** The device called `name` ("cpu", "cuda:0"); one per process, never destroyed. Throws on an unknown name.
 */
Backend& open_backend(const std::string& name);
/**
 * GPU `index`, from the library qlora-cuda.so beside the addon. Throws when it was not built or finds no
 * GPU.
 */
Backend& open_cuda(int index);
/**
 * The number of GPUs that the CUDA library finds, without opening one. Throws when it was not built or
 * finds no driver.
 */
int cuda_device_count();

}  // namespace qlora
