#include "core/check/checks.h"
namespace qlora {
__attribute__((weak)) void Checks::fill(const Tensor& out, double value) {}
__attribute__((weak)) void Checks::copy(const Tensor& x, const Tensor& out) {}
__attribute__((weak)) void Checks::add(const Tensor& a, const Tensor& b, const Tensor& out, double alpha) {}
__attribute__((weak)) void Checks::add_bias(const Tensor& x, const Tensor& bias, const Tensor& out) {}
__attribute__((weak)) void Checks::sum_rows(const Tensor& x, const Tensor& out, double beta) {}
__attribute__((weak)) void Checks::scale_rows(const Tensor& x, const Tensor& scale, const Tensor& out, bool per_column) {}
__attribute__((weak)) void Checks::row_norm(const Tensor& x, const Tensor& out, bool inverse) {}
__attribute__((weak)) void Checks::dot_columns(const Tensor& a, const Tensor& b, const Tensor& out, double beta) {}
__attribute__((weak)) void Checks::gather_rows(const Tensor& x, const Tensor& index, const Tensor& out) {}
__attribute__((weak)) void Checks::scatter_rows(const Tensor& x, const Tensor& index, const Tensor& out) {}
__attribute__((weak)) void Checks::random_uniform(const Tensor& out, double low, double high, int64_t seed, int64_t stream) {}
__attribute__((weak)) void Checks::random_normal(const Tensor& out, double mean, double std, int64_t seed, int64_t stream) {}
__attribute__((weak)) void Checks::dropout(const Tensor& x, const Tensor& out, double p, int64_t seed, int64_t stream, int64_t substream) {}
__attribute__((weak)) void Checks::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax, const std::string& quant_type, int64_t blocksize) {}
__attribute__((weak)) void Checks::dequantize_4bit(const Tensor& codes, const Tensor& absmax, const Tensor& out, const std::string& quant_type, int64_t blocksize) {}
__attribute__((weak)) void Checks::quantize_absmax(const Tensor& absmax, const Tensor& code_map, const Tensor& q, const Tensor& nested_absmax, const Tensor& offset, int64_t blocksize) {}
__attribute__((weak)) void Checks::dequantize_absmax(const Tensor& q, const Tensor& code_map, const Tensor& nested_absmax, const Tensor& offset, const Tensor& absmax, int64_t blocksize) {}
__attribute__((weak)) void Checks::matmul(const Tensor& a, const Tensor& b, const Tensor& out, bool transpose_a, bool transpose_b, double alpha, double beta, const std::string& operand_dtype) {}
__attribute__((weak)) void Checks::matmul_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax, const Tensor& out, int64_t out_features, int64_t in_features, const std::string& quant_type, int64_t blocksize, bool transpose, double alpha, double beta, const std::string& weight_dtype, const std::string& operand_dtype) {}
__attribute__((weak)) void Checks::rms_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& out, const Tensor& rstd, double eps) {}
__attribute__((weak)) void Checks::rms_norm_backward(const Tensor& dout, const Tensor& x, const Tensor& weight, const Tensor& rstd, const OptionalTensor& residual, const Tensor& dx, const OptionalTensor& dweight) {}
__attribute__((weak)) void Checks::rope(const Tensor& x, const Tensor& positions, const Tensor& inv_freq, const Tensor& out, int64_t head_dim, double scaling, bool inverse) {}
__attribute__((weak)) void Checks::attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q, const Tensor& cu_k, const Tensor& out, const Tensor& lse, int64_t heads, int64_t kv_heads, double scale, int64_t window) {}
__attribute__((weak)) void Checks::attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& lse, const Tensor& cu, const Tensor& dq, const Tensor& dk, const Tensor& dv, int64_t heads, int64_t kv_heads, double scale, int64_t window) {}
__attribute__((weak)) void Checks::swiglu_forward(const Tensor& gate, const Tensor& up, const Tensor& out) {}
__attribute__((weak)) void Checks::swiglu_backward(const Tensor& dout, const Tensor& gate, const Tensor& up, const Tensor& dgate, const Tensor& dup) {}
__attribute__((weak)) void Checks::cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& stats, const OptionalTensor& dlogits, double grad_scale) {}
__attribute__((weak)) void Checks::global_norm(const TensorList& tensors, const Tensor& norm) {}
__attribute__((weak)) void Checks::clip_by_norm(const TensorList& tensors, const Tensor& norm, double max_norm) {}
__attribute__((weak)) void Checks::adamw(const Tensor& param, const Tensor& grad, const Tensor& exp_avg, const Tensor& exp_avg_sq, double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step) {}
}
