// TEMPORARY: weak definitions until every operation file exists; deleted before the first release.
#include "cpu/cpu_ops.h"
namespace qlora::QLORA_ISA {
__attribute__((weak)) void CpuOps::fill(const Tensor& out, double value) { fail("[fill] not built yet"); }
__attribute__((weak)) void CpuOps::copy(const Tensor& x, const Tensor& out) { fail("[copy] not built yet"); }
__attribute__((weak)) void CpuOps::add(const Tensor& a, const Tensor& b, const Tensor& out, double alpha) { fail("[add] not built yet"); }
__attribute__((weak)) void CpuOps::add_bias(const Tensor& x, const Tensor& bias, const Tensor& out) { fail("[add_bias] not built yet"); }
__attribute__((weak)) void CpuOps::sum_rows(const Tensor& x, const Tensor& out, double beta) { fail("[sum_rows] not built yet"); }
__attribute__((weak)) void CpuOps::scale_rows(const Tensor& x, const Tensor& scale, const Tensor& out, bool per_column) { fail("[scale_rows] not built yet"); }
__attribute__((weak)) void CpuOps::row_norm(const Tensor& x, const Tensor& out, bool inverse) { fail("[row_norm] not built yet"); }
__attribute__((weak)) void CpuOps::dot_columns(const Tensor& a, const Tensor& b, const Tensor& out, double beta) { fail("[dot_columns] not built yet"); }
__attribute__((weak)) void CpuOps::gather_rows(const Tensor& x, const Tensor& index, const Tensor& out) { fail("[gather_rows] not built yet"); }
__attribute__((weak)) void CpuOps::scatter_rows(const Tensor& x, const Tensor& index, const Tensor& out) { fail("[scatter_rows] not built yet"); }
__attribute__((weak)) void CpuOps::random_uniform(const Tensor& out, double low, double high, int64_t seed, int64_t stream) { fail("[random_uniform] not built yet"); }
__attribute__((weak)) void CpuOps::random_normal(const Tensor& out, double mean, double std, int64_t seed, int64_t stream) { fail("[random_normal] not built yet"); }
__attribute__((weak)) void CpuOps::dropout(const Tensor& x, const Tensor& out, double p, int64_t seed, int64_t stream, int64_t substream) { fail("[dropout] not built yet"); }
__attribute__((weak)) void CpuOps::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax, const std::string& quant_type, int64_t blocksize) { fail("[quantize_4bit] not built yet"); }
__attribute__((weak)) void CpuOps::dequantize_4bit(const Tensor& codes, const Tensor& absmax, const Tensor& out, const std::string& quant_type, int64_t blocksize) { fail("[dequantize_4bit] not built yet"); }
__attribute__((weak)) void CpuOps::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q, const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) { fail("[quantize_absmax] not built yet"); }
__attribute__((weak)) void CpuOps::dequantize_absmax(const Tensor& q, const Tensor& code_map, const Tensor& nested_absmax, const Tensor& offset, const Tensor& absmax, int64_t blocksize) { fail("[dequantize_absmax] not built yet"); }
__attribute__((weak)) void CpuOps::matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b, double alpha, double beta, const std::string& operand_dtype) { fail("[matmul] not built yet"); }
__attribute__((weak)) void CpuOps::matmul_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax, const Tensor& out, int64_t out_features, int64_t in_features, const std::string& quant_type, int64_t blocksize, bool transpose, double alpha, double beta, const std::string& weight_dtype, const std::string& operand_dtype) { fail("[matmul_4bit] not built yet"); }
__attribute__((weak)) void CpuOps::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd, double eps) { fail("[rms_norm_forward] not built yet"); }
__attribute__((weak)) void CpuOps::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd, const OptionalTensor& residual, const Tensor& dx, const OptionalTensor& dweight) { fail("[rms_norm_backward] not built yet"); }
__attribute__((weak)) void CpuOps::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out, int64_t head_dim, double scaling, bool inverse) { fail("[rope] not built yet"); }
__attribute__((weak)) void CpuOps::attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse, int64_t heads, int64_t kv_heads, double scale, int64_t window) { fail("[attention_forward] not built yet"); }
__attribute__((weak)) void CpuOps::attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq, const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads, double scale, int64_t window) { fail("[attention_backward] not built yet"); }
__attribute__((weak)) void CpuOps::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) { fail("[swiglu_forward] not built yet"); }
__attribute__((weak)) void CpuOps::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate, const Tensor& dup) { fail("[swiglu_backward] not built yet"); }
__attribute__((weak)) void CpuOps::cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& stats, const OptionalTensor& dlogits, double grad_scale) { fail("[cross_entropy] not built yet"); }
__attribute__((weak)) void CpuOps::global_norm(const TensorList& tensors, const Tensor& norm) { fail("[global_norm] not built yet"); }
__attribute__((weak)) void CpuOps::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) { fail("[clip_by_norm] not built yet"); }
__attribute__((weak)) void CpuOps::adamw(const Tensor& param, const Tensor& grad, const Tensor& exp_avg, const Tensor& exp_avg_sq, double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step) { fail("[adamw] not built yet"); }
}
