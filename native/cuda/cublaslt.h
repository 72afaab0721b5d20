#pragma once
#include <cuda_runtime.h>
#include <library_types.h>

#include <cstddef>
#include <cstdint>

// The part of cuBLASLt's documented C interface that is used. It is declared here because the library is
// opened at run time, and a CUDA toolkit without it (400 MB) must be sufficient for a build. Versions 12
// and 13 have the same layout.
namespace qlora::cuda::lt {

using Handle = void*;
using Desc = void*;
using Layout = void*;
using Preference = void*;

constexpr int kCompute32I = 72;  // exact sums of int8 products
constexpr int kCompute32F = 68;  // fp32 accumulation, and no TF32 for fp32 operands
constexpr int kOpN = 0, kOpT = 1;
constexpr int kDescTransA = 3, kDescTransB = 4;
constexpr int kPreferenceWorkspace = 1, kPreferenceReductions = 3;
constexpr uint32_t kReductionInCompute = 2;
constexpr int kPreferenceAlignmentA = 5, kPreferenceAlignmentB = 6, kPreferenceAlignmentC = 7,
              kPreferenceAlignmentD = 8;

struct Algo {
  uint64_t data[8];
};

struct Heuristic {
  Algo algo;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

struct Functions {
  int (*cublasLtCreate)(Handle*);
  size_t (*cublasLtGetVersion)();
  const char* (*cublasLtGetStatusString)(int);
  int (*cublasLtMatmulDescCreate)(Desc*, int compute, cudaDataType_t scale);
  int (*cublasLtMatmulDescSetAttribute)(Desc, int attribute, const void*, size_t);
  int (*cublasLtMatrixLayoutCreate)(Layout*, cudaDataType_t, uint64_t rows, uint64_t cols, int64_t ld);
  int (*cublasLtMatmulPreferenceCreate)(Preference*);
  int (*cublasLtMatmulPreferenceSetAttribute)(Preference, int attribute, const void*, size_t);
  int (*cublasLtMatmulPreferenceDestroy)(Preference);
  int (*cublasLtMatmulAlgoGetHeuristic)(Handle, Desc, Layout a, Layout b, Layout c, Layout d, Preference,
                                        int wanted, Heuristic*, int* found);
  int (*cublasLtMatmulAlgoCheck)(Handle, Desc, Layout a, Layout b, Layout c, Layout d, const Algo*,
                                 Heuristic*);
  int (*cublasLtMatmul)(Handle, Desc, const void* alpha, const void* a, Layout, const void* b, Layout,
                        const void* beta, const void* c, Layout, void* d, Layout, const Algo*,
                        void* workspace, size_t, cudaStream_t);
};

}  // namespace qlora::cuda::lt
