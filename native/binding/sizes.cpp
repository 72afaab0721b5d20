#include <functional>
#include <tuple>
#include <unordered_map>

#include "binding/arguments.h"
#include "binding/table.h"
#include "cpu/scratch.h"
#include "cuda/scratch.h"

// The memory sizes of a backend, for the memory planner; neither the backend nor tensors are needed.
namespace qlora {

namespace {

/** Reads described tensors: { dtype, shape }. They have neither memory nor a device. */
struct Descriptions {
  static Tensor tensor(const Napi::Value& v, ArgumentPlace at) {
    if (!v.IsObject()) fail(at, ": expected { dtype, shape }");
    const auto object = v.As<Napi::Object>();
    const auto dtype = Argument<std::string>::from(object.Get("dtype"), at.part("dtype"));
    return {nullptr, nullptr, dtype_from_name(dtype),
            Argument<Shape>::from(object.Get("shape"), at.part("shape"))};
  }
};

/** The scratch bytes of an operation with described arguments. */
using Query = std::function<int64_t(const Napi::Array& arguments)>;
using Queries = std::unordered_map<std::string, Query>;

template <typename Backend, typename Of, typename... A, size_t... I>
Query query(const char* name, int64_t (Of::*method)(A...) const, std::index_sequence<I...>) {
  // An operation that a backend does not override needs 0 bytes: no query.
  if constexpr (std::is_same_v<Of, ScratchBytes>) return nullptr;
  return [name, method](const Napi::Array& arguments) {
    if (arguments.Length() != sizeof...(A))
      fail("[", name, "] expected ", sizeof...(A), " arguments, got ", arguments.Length());
    const std::tuple<std::decay_t<A>...> read{Argument<std::decay_t<A>, Descriptions>::from(
        arguments.Get(static_cast<uint32_t>(I)), ArgumentPlace{name, I})...};
    return (Backend().*method)(std::get<I>(read)...);
  };
}

template <typename Backend, typename Of, typename... A>
Query query(const char* name, int64_t (Of::*method)(A...) const) {
  return query<Backend>(name, method, std::index_sequence_for<A...>{});
}

template <typename Backend>
const Queries& queries() {
  static const Queries all{
#define OP(name, arguments) {#name, query<Backend>(#name, &Backend::name)},
#include "core/ops.inc"
#undef OP
  };
  return all;
}

bool is_cuda(const char* op, const Napi::Value& v) {
  const auto name = Argument<std::string>::from(v, {op, 0});
  if (name != "cpu" && name != "cuda") fail("[", op, "] backend: expected 'cpu' or 'cuda', got '", name, "'");
  return name == "cuda";
}

Napi::Value scratch_bytes(const Napi::CallbackInfo& info) {
  const bool cuda = is_cuda("scratch_bytes", info[0]);
  const auto name = Argument<std::string>::from(info[1], {"scratch_bytes", 1});
  if (!info[2].IsArray()) fail("[scratch_bytes] argument 2: expected the operation's arguments");
  const Queries& known = cuda ? queries<cuda::CudaScratch>() : queries<CpuScratch>();
  const auto found = known.find(name);
  if (found == known.end()) fail("[scratch_bytes] operation: no '", name, "' in the list of operations");
  const Query& query = found->second;
  return Napi::Number::New(info.Env(), static_cast<double>(query ? query(info[2].As<Napi::Array>()) : 0));
}

Napi::Value scratch_operations(const Napi::CallbackInfo& info) {
  const bool cuda = is_cuda("scratch_operations", info[0]);
  auto names = Napi::Array::New(info.Env());
  for (const auto& [name, query] : cuda ? queries<cuda::CudaScratch>() : queries<CpuScratch>())
    if (query) names.Set(names.Length(), name);
  return names;
}

Napi::Value allocation_bytes(const Napi::CallbackInfo& info) {
  const bool cuda = is_cuda("allocation_bytes", info[0]);
  const auto place = Argument<std::string>::from(info[1], {"allocation_bytes", 1});
  if (place != "device" && place != "host")
    fail("[allocation_bytes] place: expected 'device' or 'host', got '", place, "'");
  const int64_t asked = Argument<int64_t>::from(info[2], {"allocation_bytes", 2});
  if (asked < 0) fail("[allocation_bytes] bytes: expected 0 or more, got ", asked);
  auto bytes = static_cast<size_t>(asked);
  if (!cuda)
    bytes = CpuAllocator::rounded(bytes);
  else if (place == "host")
    bytes = cuda::pinned_bytes(bytes);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

}  // namespace

void export_size_functions(Napi::Object exports) {
  export_function(exports, "scratch_bytes", scratch_bytes);
  export_function(exports, "scratch_operations", scratch_operations);
  export_function(exports, "allocation_bytes", allocation_bytes);
}

}  // namespace qlora
