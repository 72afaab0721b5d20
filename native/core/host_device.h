#pragma once

// For arithmetic that both backends share: `namespace qlora::QLORA_HERE { QLORA_BOTH float f(...) {...} }`.
// With nvcc it is a function for host and GPU; on the CPU it is compiled once per instruction set, like the
// operations (cpu/cpu_ops.h).
#ifndef QLORA_ISA
#define QLORA_ISA baseline
#endif

#ifdef __CUDACC__
#define QLORA_BOTH __host__ __device__ inline
#define QLORA_HERE cuda
#else
#define QLORA_BOTH inline
#define QLORA_HERE QLORA_ISA
#endif
