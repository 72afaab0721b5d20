#include "cuda/cudnn_attention.h"

#include <algorithm>
#include <cstdlib>

#include "cuda/context.h"
#include "cuda/error.h"

namespace qlora::cuda {

namespace {

constexpr size_t kPlans = 64;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string mode_from_environment() {
  const std::string mode = environment("QLORA_ATTENTION");
  if (mode != "" && mode != "own" && mode != "cudnn")
    fail("[device] QLORA_ATTENTION: expected 'own' or 'cudnn', got '", mode, "'");
  return mode;
}

char* at(const Tensor& t, int64_t element) {
  return t.data<char>() + element * static_cast<int64_t>(size_of(t.dtype));
}

/** cuDNN reads and writes vectors, so memory must be aligned. */
bool is_aligned(const AttentionCall& c) {
  for (const Tensor* t : {&c.q, &c.k, &c.v, &c.out, c.dout, c.dq, c.dk, c.dv})
    if (t && reinterpret_cast<uintptr_t>(t->data<char>()) % 16 != 0) return false;
  return true;
}

/** Parts of one allocation. */
struct Layout {
  size_t bytes = 0;
  size_t add(int64_t part) {
    const size_t begin = bytes;
    bytes += static_cast<size_t>((part + 255) / 256 * 256);
    return begin;
  }
};

}  // namespace

CudnnAttention::CudnnAttention(cudaStream_t stream, int capability)
    : stream_(stream), capability_(capability), mode_(mode_from_environment()) {
  if (mode_ == "own") refusal_ = "QLORA_ATTENTION=own";
}

std::string CudnnAttention::status() const {
  if (!cudnn_)
    return "own kernels" + (refusal_.empty() ? "" : ": " + refusal_.substr(0, refusal_.find('\n')));
  const size_t v = cudnn_->version();
  return "cuDNN " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100) + " (" + cudnn_->path() + "), " + std::to_string(plans_.size()) + " plans" +
         (refusal_.empty() ? "" : "; last refusal: " + refusal_.substr(0, refusal_.find('\n')));
}

void CudnnAttention::refuse(const std::string& reason) {
  refusal_ = reason;
  if (mode_ == "cudnn") fail("[attention] QLORA_ATTENTION=cudnn, but ", reason);
}

CudnnAttention::Key CudnnAttention::key_of(const AttentionForm& f) {
  return {f.backward, f.deterministic, f.dtype, f.batch, f.length, f.total, f.heads,
          f.kv_heads, f.head_dim,      f.q_row, f.k_row, f.window, f.scale};
}

bool CudnnAttention::open() {
  if (!tried_) {
    tried_ = true;
    try {
      cudnn_ = open_cudnn(stream_, capability_);
    } catch (const std::exception& e) {
      refuse(e.what());
    }
  }
  return cudnn_ != nullptr;
}

AttentionPlan* CudnnAttention::plan_for(const AttentionForm& form) {
  const Key key = key_of(form);
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    if (plans_.size() >= kPlans)
      plans_.erase(std::min_element(plans_.begin(), plans_.end(), [](const auto& a, const auto& b) {
        return a.second.last_use < b.second.last_use;
      }));
    Entry entry{};
    try {
      entry.plan = cudnn_->plan(form);
    } catch (const std::exception& e) {
      refuse(e.what());
    }
    found = plans_.emplace(key, std::move(entry)).first;
  }
  found->second.last_use = ++uses_;
  return found->second.plan.get();
}

bool CudnnAttention::run(const Context& context, const AttentionCall& call) {
  if (mode_ == "own" || capability_ < 80) return false;
  const std::optional<AttentionForm> suitable = form_of(call);
  if (!suitable || !is_aligned(call) || !open()) return false;
  const AttentionForm& form = *suitable;
  // cuDNN has no packed lse on sm_8x and sm_12x
  if (form.ragged() && capability_ / 10 != 9 && capability_ / 10 != 10) return false;
  AttentionPlan* plan = plan_for(form);
  if (!plan) return false;

  const int64_t tokens = call.tokens(), runs = call.heads / form.heads;
  const bool in_place = form.stats_in_place();
  const int64_t index_bytes = form.ragged() ? (form.batch + 1) * 8 : 0;
  Layout layout;
  const size_t plan_at = layout.add(static_cast<int64_t>(plan->workspace())),
               stats_at = layout.add(stats_bytes(call, form));
  size_t index_at[4];
  for (size_t& at : index_at) at = layout.add(index_bytes);
  const Scratch scratch(context, layout.bytes);
  char* const memory_at = scratch.as<char>();
  char* const stats = in_place ? call.lse.data<char>() : memory_at + stats_at;

  AttentionMemory memory{};
  if (form.ragged()) {
    void** const index[] = {&memory.lengths, &memory.stats_begin, &memory.q_begin, &memory.k_begin};
    for (int i = 0; i < 4; i++) *index[i] = memory_at + index_at[i];
  }
  prepare_attention(context, call, form, memory,
                    call.backward() && !in_place ? reinterpret_cast<float*>(stats) : nullptr);
  for (int64_t i = 0; i < runs; i++) {
    const int64_t q = i * form.heads * form.head_dim, k = i * form.kv_heads * form.head_dim;
    memory.q = at(call.q, q);
    memory.k = at(call.k, k);
    memory.v = at(call.v, k);
    memory.out = at(call.out, q);
    memory.stats = stats + i * form.heads * tokens * 4;
    if (call.backward()) {
      memory.dout = at(*call.dout, q);
      memory.dq = at(*call.dq, q);
      memory.dk = at(*call.dk, k);
      memory.dv = at(*call.dv, k);
    }
    try {
      plan->run(memory, memory_at + plan_at);
    } catch (const std::exception& e) {
      plans_[key_of(form)].plan = nullptr;
      refuse(e.what());
      return false;  // our own kernels write every element again
    }
  }
  if (!call.backward() && !in_place) take_lse(context, call, form, reinterpret_cast<float*>(stats));
  return true;
}

}  // namespace qlora::cuda
