#include "binding/arguments.h"
#include "binding/promise.h"
#include "binding/recorder.h"
#include "binding/table.h"
#include "core/ggml_blocks.h"
#include "cpu/thread_pool.h"

namespace qlora {

namespace {

/**
 * quantize_ggml(tensor, format) -> Promise<ArrayBuffer>: the ggml blocks of a float32 tensor on the CPU,
 * concatenated.
 */
Napi::Value quantize_ggml(const Napi::CallbackInfo& info) {
  refuse_while_recording("quantize_ggml");
  Tensor tensor = Argument<Tensor>::from(info[0], {"quantize_ggml", 0});
  const GgmlFormat& format = ggml_format(Argument<std::string>::from(info[1], {"quantize_ggml", 1}));
  if (tensor.dtype != DType::f32 || tensor.backend->name() != "cpu")
    fail("[quantize_ggml] tensor: expected float32 on the CPU, got ", name_of(tensor.dtype), " on ",
         tensor.backend->name());
  const int64_t blocks = count(tensor.shape) / format.values;
  if (blocks * format.values != count(tensor.shape))
    fail("[quantize_ggml] tensor: expected whole blocks of ", format.values, " values, got ",
         count(tensor.shape), " values");
  auto bytes = std::make_shared<std::string>();
  return finish_as_promise(
      info.Env(), *tensor.backend,
      [tensor, &format, blocks, bytes] {
        bytes->resize(static_cast<size_t>(blocks * format.bytes));
        const float* x = tensor.data<float>();
        auto* out = reinterpret_cast<uint8_t*>(bytes->data());
        parallel_for(blocks, 16, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i++) format.block(x + i * format.values, out + i * format.bytes);
        });
      },
      [bytes](Napi::Env env) -> Napi::Value {
        auto buffer = Napi::ArrayBuffer::New(env, bytes->size());
        std::memcpy(buffer.Data(), bytes->data(), bytes->size());
        return buffer;
      });
}

}  // namespace

void export_ggml_functions(Napi::Object exports) { export_function(exports, "quantize_ggml", quantize_ggml); }

}  // namespace qlora
