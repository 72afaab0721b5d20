#include "binding/arguments.h"
#include "binding/promise.h"
#include "binding/recorder.h"
#include "binding/table.h"

namespace qlora {

namespace {

std::shared_ptr<Collectives> group_of(Backend& backend, const char* op) {
  auto group = backend.group();
  if (!group) fail("[", op, "] ", backend.name(), " belongs to no group; open_group first");
  return group;
}

/** The tensor of argument 0 and the group of its device. */
std::pair<Tensor, std::shared_ptr<Collectives>> first(const Napi::CallbackInfo& info, const char* op) {
  refuse_while_recording(op);
  Tensor tensor = Argument<Tensor>::from(info[0], {op, 0});
  return {tensor, group_of(*tensor.backend, op)};
}

void require_floats(const Tensor& x, const char* op) {
  if (x.dtype != DType::f32) fail("[", op, "] argument 0: expected float32, got ", name_of(x.dtype));
}

/** `whole` has `world` times the elements of `part`, and the same dtype and device. */
void require_parts(const Tensor& part, const Tensor& whole, int64_t world, const char* op) {
  if (whole.backend != part.backend) fail("[", op, "] tensors live on different devices");
  if (part.dtype != whole.dtype || part.numel() * world != whole.numel())
    fail("[", op, "] expected ", name_of(whole.dtype), " tensors of n and ", world, " x n elements, got ",
         name_of(part.dtype), " ", to_string(part.shape), " and ", name_of(whole.dtype), " ",
         to_string(whole.shape));
}

/** group_id(device) -> Uint8Array */
Napi::Value group_id(const Napi::CallbackInfo& info) {
  const std::string id = unwrap_device(info[0], {"group_id", 0}).group_id();
  auto bytes = Napi::Uint8Array::New(info.Env(), id.size());
  std::memcpy(bytes.Data(), id.data(), id.size());
  return bytes;
}

/** open_group(device, rank, world, id) -> Promise<string>: the library's name and version. */
Napi::Value open_group(const Napi::CallbackInfo& info) {
  Backend& backend = unwrap_device(info[0], {"open_group", 0});
  const int64_t rank = Argument<int64_t>::from(info[1], {"open_group", 1});
  const int64_t world = Argument<int64_t>::from(info[2], {"open_group", 2});
  if (world < 1 || world > 1 << 20 || rank < 0 || rank >= world)
    fail("[open_group] rank ", rank, " of ", world, ": expected 0 <= rank < world");
  if (!info[3].IsTypedArray()) fail("[open_group] argument 3: expected a Uint8Array");
  const auto id = info[3].As<Napi::Uint8Array>();
  GroupPlace place{static_cast<int>(rank), static_cast<int>(world),
                   std::string(reinterpret_cast<const char*>(id.Data()), id.ByteLength())};
  return as_promise(
      info.Env(), [&](Done done) { backend.open_group(std::move(place), std::move(done)); },
      [&backend](Napi::Env env) -> Napi::Value {
        return Napi::String::New(env, group_of(backend, "open_group")->library());
      });
}

/** close_group(device) */
Napi::Value close_group(const Napi::CallbackInfo& info) {
  unwrap_device(info[0], {"close_group", 0}).close_group();
  return info.Env().Undefined();
}

/** abort_group(device, reason) */
Napi::Value abort_group(const Napi::CallbackInfo& info) {
  group_of(unwrap_device(info[0], {"abort_group", 0}), "abort_group")
      ->abort(Argument<std::string>::from(info[1], {"abort_group", 1}));
  return info.Env().Undefined();
}

/** group_progress(device) -> { begun, done } */
Napi::Value group_progress(const Napi::CallbackInfo& info) {
  const GroupProgress progress =
      group_of(unwrap_device(info[0], {"group_progress", 0}), "group_progress")->progress();
  auto object = Napi::Object::New(info.Env());
  object.Set("begun", static_cast<double>(progress.begun));
  object.Set("done", static_cast<double>(progress.done));
  return object;
}

/** all_reduce(x) */
Napi::Value all_reduce(const Napi::CallbackInfo& info) {
  const auto [x, group] = first(info, "all_reduce");
  require_floats(x, "all_reduce");
  x.backend->submit("all_reduce", [x = x, group = group] { group->all_reduce(x); });
  return info.Env().Undefined();
}

/** all_gather(x, out) */
Napi::Value all_gather(const Napi::CallbackInfo& info) {
  const auto [x, group] = first(info, "all_gather");
  const Tensor out = Argument<Tensor>::from(info[1], {"all_gather", 1});
  require_parts(x, out, group->place().world, "all_gather");
  x.backend->submit("all_gather", [x = x, out, group = group] { group->all_gather(x, out); });
  return info.Env().Undefined();
}

/** reduce_scatter(x, out) */
Napi::Value reduce_scatter(const Napi::CallbackInfo& info) {
  const auto [x, group] = first(info, "reduce_scatter");
  const Tensor out = Argument<Tensor>::from(info[1], {"reduce_scatter", 1});
  require_floats(x, "reduce_scatter");
  require_parts(out, x, group->place().world, "reduce_scatter");
  x.backend->submit("reduce_scatter", [x = x, out, group = group] { group->reduce_scatter(x, out); });
  return info.Env().Undefined();
}

/** broadcast(x, root) */
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  const auto [x, group] = first(info, "broadcast");
  const int64_t root = Argument<int64_t>::from(info[1], {"broadcast", 1});
  const int64_t world = group->place().world;
  if (root < 0 || root >= world) fail("[broadcast] root ", root, ": expected 0 to ", world - 1);
  x.backend->submit("broadcast",
                    [x = x, root, group = group] { group->broadcast(x, static_cast<int>(root)); });
  return info.Env().Undefined();
}

/** barrier(device) */
Napi::Value barrier(const Napi::CallbackInfo& info) {
  refuse_while_recording("barrier");
  Backend& backend = unwrap_device(info[0], {"barrier", 0});
  backend.submit("barrier", [group = group_of(backend, "barrier")] { group->barrier(); });
  return info.Env().Undefined();
}

/** finish_collective(out) */
Napi::Value finish_collective(const Napi::CallbackInfo& info) {
  const auto [out, group] = first(info, "finish_collective");
  out.backend->submit("finish_collective", [out = out, group = group] { group->wait(out); });
  return info.Env().Undefined();
}

}  // namespace

void export_group_functions(Napi::Object exports) {
  export_function(exports, "group_id", group_id);
  export_function(exports, "open_group", open_group);
  export_function(exports, "close_group", close_group);
  export_function(exports, "abort_group", abort_group);
  export_function(exports, "group_progress", group_progress);
  export_function(exports, "all_reduce", all_reduce);
  export_function(exports, "all_gather", all_gather);
  export_function(exports, "reduce_scatter", reduce_scatter);
  export_function(exports, "broadcast", broadcast);
  export_function(exports, "barrier", barrier);
  export_function(exports, "finish_collective", finish_collective);
}

}  // namespace qlora
