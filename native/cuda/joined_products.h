#pragma once
#include "cuda/context.h"

namespace qlora::cuda {

constexpr int kMostJoined = 4;

struct FewRowsMatrix {
  const uint8_t* codes;
  const void* stored;  // as Maxima has them
  const float *map, *nested, *offset;
  void* out;
  DType out_dtype;
  uint32_t out_features;
  uint32_t end_tile;  // the first tile that is no more its own
};

/** Matrices that multiply the same x, in one launch. */
struct FewRows {
  FewRowsMatrix matrices[kMostJoined];
  int count;
  int group;          // warps that share a tile
  uint16_t code[16];  // the codes' values in the dtype of the operands
  const void* x;      // operands
  uint32_t rows, in_features, tiles;
  int shift, nested_shift;
  DType operands;
  float alpha, beta;
  bool overlaps;  // with what was enqueued before the first of the matrices
};

/**
 * In a recording, products of one x that follow each other wait here for one launch: k and v have too few
 * rows to fill a GPU. Outside each is launched at once.
 */
class JoinedProducts {
 public:
  /** From now on products wait. */
  void begin() { waits_ = true; }
  /** Launches what waits; `begin` is over. */
  void end(const Context& context);
  /** Launches what waits: another operation follows. */
  void flush(const Context& context);
  /** Forgets what waits: the recording failed. */
  void drop() { waits_ = false, product_.count = 0; }
  void add(const Context& context, const FewRows& product, bool may_wait);

 private:
  bool waits_ = false;
  FewRows product_{};
};

}  // namespace qlora::cuda
