#include "binding/table.h"

#include "binding/operation.h"

namespace qlora {

void export_operations(Napi::Object exports) {
#define EXPORT(name) export_operation(exports, #name, &Ops::name)
  EXPORT(fill);
  EXPORT(copy);
  EXPORT(copy_columns);
  EXPORT(start_copy);
  EXPORT(finish_copy);
  EXPORT(add);
  EXPORT(add_bias);
  EXPORT(sum_rows);
  EXPORT(scale_rows);
  EXPORT(row_norm);
  EXPORT(dot_columns);
  EXPORT(gather_rows);
  EXPORT(scatter_rows);
  EXPORT(random_uniform);
  EXPORT(random_normal);
  EXPORT(dropout);
  EXPORT(quantize_4bit);
  EXPORT(quantize_absmax);
  EXPORT(dequantize_4bit);
  EXPORT(matmul);
  EXPORT(matmul_4bit);
  EXPORT(rms_norm_forward);
  EXPORT(rms_norm_backward);
  EXPORT(rope);
  EXPORT(attention_forward);
  EXPORT(attention_backward);
  EXPORT(swiglu_forward);
  EXPORT(swiglu_backward);
  EXPORT(cross_entropy);
  EXPORT(global_norm);
  EXPORT(clip_by_norm);
  EXPORT(adamw);
  EXPORT(adamw_8bit);
  EXPORT(lion);
  EXPORT(lion_8bit);
  EXPORT(sgd);
#undef EXPORT
}

}  // namespace qlora
