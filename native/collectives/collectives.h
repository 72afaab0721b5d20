#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "core/tensor.h"

namespace qlora {

/** Where this process stands among those that work together. */
struct GroupPlace {
  int rank;
  int world;
  /** What the engine needs to find the others: NCCL's unique id; nothing for MPI, whose launcher knows. */
  std::string id;
};

/** How far a group is, in collectives: of the same program on every rank both count the same ones. */
struct GroupProgress {
  int64_t begun;
  int64_t done;
};

/**
 * Sums and copies between the devices of a group of processes. All ranks call the same ones in the same
 * order. A collective is begun behind the operations enqueued so far and runs beside what follows; its
 * tensors stay untouched and alive until `wait`. What throws poisons the device's queue, as an operation
 * does. Only the thread that executes operations calls these, except where it says so.
 */
class Collectives {
 public:
  virtual ~Collectives() = default;

  virtual GroupPlace place() const = 0;
  /** Name and version of the library. */
  virtual std::string library() const = 0;

  /** x = sum over the ranks of x, float32; the same bits on every rank. */
  virtual void all_reduce(const Tensor& x) = 0;
  /** out [world, n] = x [n] of each rank in turn, any dtype. x may be this rank's part of out. */
  virtual void all_gather(const Tensor& x, const Tensor& out) = 0;
  /** out [n] = this rank's part of the sum over the ranks of x [world, n], float32. */
  virtual void reduce_scatter(const Tensor& x, const Tensor& out) = 0;
  /** x = x of rank `root`, any dtype. */
  virtual void broadcast(const Tensor& x, int root) = 0;
  /** Operations enqueued from now on run when every rank has come here. */
  virtual void barrier() = 0;
  /** Operations enqueued from now on see the results in `out`. */
  virtual void wait(const Tensor& out) = 0;

  /** From any thread. */
  virtual GroupProgress progress() = 0;
  /** Collectives under way and all later ones fail with `reason`. From any thread. */
  virtual void abort(const std::string& reason) = 0;
  /** Leaves the group, once all others do; no collective may be under way. Returns at once after `abort`. */
  virtual void close() = 0;
};

}  // namespace qlora
