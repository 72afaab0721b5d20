#pragma once
#include <optional>
#include <string>

#include "cuda/joined_products.h"

namespace qlora::cuda {

/** Arguments of the operations of these names, as in ops.inc. */
struct Addition {
  Tensor a, b, out;
  double alpha;
};
struct Rotation {
  Tensor x, positions, inv_freq, out;
  int64_t head_dim;
  double scaling;
  bool inverse;
};
struct Scattering {
  Tensor x, index, out;
};

void run(const Context& context, const Addition& call);
/** Two rotations go together when `go_together`, in one launch. */
void run(const Context& context, const Rotation& call, const Rotation* other = nullptr);
void run(const Context& context, const Scattering& call, const Scattering* other = nullptr);

/**
 * In a recording, an operation may wait for the one behind it, to be one launch with it: a step of generation
 * has hundreds of small launches, and each costs more than its work. Outside of a recording nothing waits.
 */
class Joins {
 public:
  JoinedProducts products;

  /** From now on operations wait. */
  void begin();
  /** Launches what waits for something else than `op`, which comes next. */
  void before(const Context& context, const std::string& op);
  /** Launches what waits; operations wait no more. */
  void end(const Context& context);
  /** Forgets what waits: the recording failed. */
  void drop();

  /** Keeps the sum for the norm of it; false: to be run at once. */
  bool keep(const Addition& call);
  /** The addition that waits, when it makes x; another one is launched. */
  std::optional<Addition> take_sum(const Context& context, const Tensor& x);

  /** Runs the call, or keeps it for the next one of its kind. */
  template <typename Call>
  void join(const Context& context, const Call& call);

 private:
  template <typename Call>
  void flush(const Context& context, std::optional<Call>& waiting);
  std::optional<Rotation>& waiting(const Rotation&) { return rotation_; }
  std::optional<Scattering>& waiting(const Scattering&) { return scattering_; }

  bool waits_ = false;
  std::optional<Addition> addition_;
  std::optional<Rotation> rotation_;
  std::optional<Scattering> scattering_;
};

}  // namespace qlora::cuda
