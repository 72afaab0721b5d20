#ifdef QLORA_CUDNN
#include "cuda/cudnn_plan.h"

#include <cudnn_frontend.h>

#include <unordered_map>

#include "core/error.h"
#include "cuda/cudnn_symbols.h"

namespace qlora::cuda {

namespace {

namespace fe = cudnn_frontend;
using TensorRef = std::shared_ptr<fe::graph::Tensor_attributes>;

enum Id : int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kStats,
  kDout,
  kDq,
  kDk,
  kDv,
  kLengths,
  kQBegin,
  kKBegin,
  kStatsBegin,
  kIds
};

/** The tensors of one form, declared in its graph. */
class Tensors {
 public:
  Tensors(fe::graph::Graph& graph, const AttentionForm& form) : graph_(graph), form_(form) {
    if (!form.ragged()) return;
    lengths = index("lengths", kLengths, form.batch, fe::DataType_t::INT32);
    q_begin_ = index("q_begin", kQBegin, form.batch + 1, fe::DataType_t::INT64);
    k_begin_ = index("k_begin", kKBegin, form.batch + 1, fe::DataType_t::INT64);
    stats_begin_ = index("stats_begin", kStatsBegin, form.batch + 1, fe::DataType_t::INT64);
  }

  TensorRef query(const char* name, Id id) {
    return declare(rows(name, id, form_.heads, form_.q_row, q_begin_));
  }
  TensorRef key(const char* name, Id id) {
    return declare(rows(name, id, form_.kv_heads, form_.k_row, k_begin_));
  }
  TensorRef stats() { return declare(stats_attributes()); }

  void as_query(const TensorRef& t, const char* name, Id id) {
    as_output(t, rows(name, id, form_.heads, form_.q_row, q_begin_));
  }
  void as_query_gradient(const TensorRef& t, const char* name, Id id) {
    as_output(t, rows(name, id, form_.heads, form_.q_row, q_begin_));
  }
  void as_key_gradient(const TensorRef& t, const char* name, Id id) {
    as_output(t, rows(name, id, form_.kv_heads, form_.k_row, k_begin_));
  }
  void as_stats(const TensorRef& t) { as_output(t, stats_attributes()); }

  TensorRef lengths;

 private:
  fe::graph::Tensor_attributes rows(const char* name, Id id, int64_t heads, int64_t row,
                                    const TensorRef& begin) {
    fe::graph::Tensor_attributes t;
    t.set_name(name)
        .set_uid(id)
        .set_dim({form_.batch, heads, form_.length, form_.head_dim})
        .set_stride({form_.length * row, form_.head_dim, row, 1})
        .set_data_type(form_.dtype == DType::bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::HALF);
    if (begin) t.set_ragged_offset(begin);
    return t;
  }
  fe::graph::Tensor_attributes stats_attributes() {
    const int64_t h = form_.heads, s = form_.length;
    fe::graph::Tensor_attributes t;
    t.set_name("stats").set_uid(kStats).set_dim({form_.batch, h, s, 1}).set_data_type(fe::DataType_t::FLOAT);
    if (form_.ragged())
      t.set_stride({h * s, 1, h, 1}).set_ragged_offset(stats_begin_);
    else
      t.set_stride({h * s, s, 1, 1});
    return t;
  }
  TensorRef index(const char* name, Id id, int64_t n, fe::DataType_t type) {
    fe::graph::Tensor_attributes t;
    t.set_name(name).set_uid(id).set_dim({n, 1, 1, 1}).set_stride({1, 1, 1, 1}).set_data_type(type);
    return declare(t);
  }
  TensorRef declare(const fe::graph::Tensor_attributes& t) { return graph_.tensor(t); }
  static void as_output(const TensorRef& t, fe::graph::Tensor_attributes like) {
    t->set_output(true)
        .set_name(like.get_name())
        .set_uid(like.get_uid())
        .set_dim(like.get_dim())
        .set_stride(like.get_stride())
        .set_data_type(like.get_data_type());
    if (like.get_ragged_offset()) t->set_ragged_offset(like.get_ragged_offset());
  }

  fe::graph::Graph& graph_;
  const AttentionForm& form_;
  TensorRef q_begin_, k_begin_, stats_begin_;
};

void ok(fe::error_t status, const char* step) {
  if (status.is_bad()) fail("cuDNN, ", step, ": ", status.get_message());
}

/** The options that forward and backward share. */
template <typename Options>
void describe(Options& options, const AttentionForm& form, const Tensors& tensors) {
  options.set_attn_scale(form.scale)
      .set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT)
      .set_diagonal_band_right_bound(0);
  if (form.window > 0) options.set_diagonal_band_left_bound(static_cast<int>(form.window));
  if (form.ragged())
    options.set_padding_mask(true).set_seq_len_q(tensors.lengths).set_seq_len_kv(tensors.lengths);
}

/**
 * A graph that runs without the frontend's `execute`, which looks up every pointer in hash maps: a training
 * step calls it twice for each layer.
 */
class Graph final : public fe::graph::Graph {
 public:
  /** Called once, when the plan is built. */
  void prepare() {
    ok(collect_pass_by_value_tensors_subtree(constants_), "constants");
    std::unordered_map<uid_t, std::tuple<int64_t, int64_t, std::vector<float>>> inside;
    int64_t end = 0;
    ok(collect_tensors_in_workspace_subtree(inside, end), "workspace");
    frontend_bytes_ = get_fe_workspace_size_subtree();
    for (const auto& [id, place] : inside)
      if (std::get<0>(place) != 2) plain_ = false;  // the frontend fills it before each run
    for (const uid_t id : variant_pack_uids) {
      void* pointer = nullptr;
      if (const auto constant = constants_.find(id); constant != constants_.end())
        pointer = std::visit([](auto& value) -> void* { return &value; }, constant->second);
      else if (const auto place = inside.find(id); place != inside.end())
        inside_.push_back({ids_.size(), std::get<1>(place->second)});
      else if (id > 0 && id < kIds)
        given_.push_back({ids_.size(), id});
      else
        plain_ = false;
      ids_.push_back(id);
      pointers_.push_back(pointer);
    }
  }

  void run(cudnnHandle_t handle, void* const (&given)[kIds], void* workspace) {
    char* const memory = static_cast<char*>(workspace);
    if (!plain_) {
      std::unordered_map<int64_t, void*> pack;
      for (const auto& [i, id] : given_) pack[id] = given[id];
      return ok(execute(handle, pack, workspace), "execute");
    }
    for (const auto& [i, offset] : inside_) pointers_[i] = memory + offset;
    for (const auto& [i, id] : given_) pointers_[i] = given[id];
    ok(fe::detail::execute(handle, plans.execution_plans[static_cast<size_t>(plans.candidate)].get(),
                           pointers_, ids_, memory + frontend_bytes_),
       "execute");
  }

 private:
  std::unordered_map<uid_t, fe::graph::Tensor_attributes::pass_by_values_t> constants_;
  std::vector<uid_t> ids_;
  std::vector<void*> pointers_;                     // of ids_
  std::vector<std::pair<size_t, int64_t>> inside_;  // number in ids_, offset in the workspace
  std::vector<std::pair<size_t, uid_t>> given_;     // number in ids_, Id
  int64_t frontend_bytes_ = 0;
  bool plain_ = true;
};

class Plan final : public AttentionPlan {
 public:
  Plan(cudnnHandle_t handle, int capability, const AttentionForm& form) : handle_(handle) {
    const auto io = form.dtype == DType::bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::HALF;
    graph_.set_io_data_type(io)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(capability);
    Tensors tensors(graph_, form);
    if (form.backward)
      add_backward(tensors, form);
    else
      add_forward(tensors, form);
    ok(graph_.validate(), "validate");
    ok(graph_.build_operation_graph(handle_), "operation graph");
    ok(graph_.create_execution_plans({fe::HeurMode_t::A}), "execution plans");
    ok(graph_.check_support(handle_), "support");
    ok(graph_.build_plans(handle_), "build");
    int64_t bytes = 0;
    ok(graph_.get_workspace_size(bytes), "workspace");
    workspace_ = static_cast<size_t>(std::max<int64_t>(bytes, 0));
    graph_.prepare();
  }

  size_t workspace() const override { return workspace_; }

  void run(const AttentionMemory& m, void* workspace) override {
    void* given[kIds] = {};
    const auto give = [&](Id id, void* pointer) { given[id] = pointer; };
    give(kQ, m.q), give(kK, m.k), give(kV, m.v), give(kOut, m.out), give(kStats, m.stats);
    give(kDout, m.dout), give(kDq, m.dq), give(kDk, m.dk), give(kDv, m.dv);
    give(kLengths, m.lengths), give(kStatsBegin, m.stats_begin);
    give(kQBegin, m.q_begin), give(kKBegin, m.k_begin);
    graph_.run(handle_, given, workspace);
  }

 private:
  void add_forward(Tensors& tensors, const AttentionForm& form) {
    fe::graph::SDPA_attributes options;
    options.set_name("attention").set_generate_stats(true);
    describe(options, form, tensors);
    auto [out, stats] =
        graph_.sdpa(tensors.query("q", kQ), tensors.key("k", kK), tensors.key("v", kV), options);
    tensors.as_query(out, "out", kOut);
    tensors.as_stats(stats);
  }
  void add_backward(Tensors& tensors, const AttentionForm& form) {
    fe::graph::SDPA_backward_attributes options;
    options.set_name("attention_backward").set_deterministic_algorithm(form.deterministic);
    describe(options, form, tensors);
    if (form.ragged()) options.set_max_total_seq_len_q(form.total).set_max_total_seq_len_kv(form.total);
    auto [dq, dk, dv] = graph_.sdpa_backward(tensors.query("q", kQ), tensors.key("k", kK),
                                             tensors.key("v", kV), tensors.query("out", kOut),
                                             tensors.query("dout", kDout), tensors.stats(), options);
    tensors.as_query_gradient(dq, "dq", kDq);
    tensors.as_key_gradient(dk, "dk", kDk);
    tensors.as_key_gradient(dv, "dv", kDv);
  }

  const cudnnHandle_t handle_;
  Graph graph_;
  size_t workspace_ = 0;
};

class OpenCudnn final : public Cudnn {
 public:
  OpenCudnn(cudaStream_t stream, int capability) : capability_(capability), path_(load_cudnn()) {
    if (version() < 90600 || version() == 91000 || version() == 91001)
      fail(path_, " is version ", version(), "; 9.6 or later is needed, and not 9.10.0 or 9.10.1");
    check(cudnnCreate(&handle_), "cudnnCreate");
    check(cudnnSetStream(handle_, stream), "cudnnSetStream");
  }

  size_t version() const override { return cudnnGetVersion(); }
  const std::string& path() const override { return path_; }
  std::unique_ptr<AttentionPlan> plan(const AttentionForm& form) override {
    return std::make_unique<Plan>(handle_, capability_, form);
  }

 private:
  void check(cudnnStatus_t status, const char* call) const {
    if (status != CUDNN_STATUS_SUCCESS) fail(path_, ", ", call, ": ", cudnnGetErrorString(status));
  }

  const int capability_;
  const std::string path_;
  cudnnHandle_t handle_ = nullptr;
};

}  // namespace

std::unique_ptr<Cudnn> open_cudnn(cudaStream_t stream, int capability) {
  return std::make_unique<OpenCudnn>(stream, capability);
}

}  // namespace qlora::cuda
#endif
