import type { Refused } from '../options/declaration'

const distributed = 'training runs in one process on one device.'
const hub = 'uploading to the hub is not built.'
const resume = 'a run goes on exactly where its checkpoint was made.'
const compile = 'there is no graph compiler; the kernels are fused already.'
const best = 'choosing a best checkpoint is not built yet.'
const full16 = 'evaluation uses the same number formats as training.'
const gone = 'it was removed in transformers 5; leave it out.'
const onlyOptim = 'no supported optimizer takes it.'

/** To support one, move its line to arguments-options.ts. `reason` ends the sentence "... is not supported: ". */
export const refusedTrainingOptions: Readonly<Record<string, Refused>> = {
  accelerator_config: { default: null, reason: distributed },
  activation_checkpointing_kwargs: { default: null, neutral: [{}], reason: 'every layer is treated alike.' },
  adafactor: { default: false, reason: 'choose an optimizer with optim.' },
  auto_find_batch_size: { default: false, reason: 'choose per_device_train_batch_size yourself.' },
  average_tokens_across_devices: { default: true, neutral: [false], reason: distributed },
  batch_eval_metrics: { default: false, reason: 'evaluation reports the loss only.' },
  bf16_full_eval: { default: false, reason: full16 },
  dataloader_in_order: { default: true, reason: 'rows always come in the order of the sampler.' },
  dataloader_multiprocessing_context: { default: null, reason: 'there are no loader processes.' },
  ddp_backend: { default: null, reason: distributed },
  ddp_broadcast_buffers: { default: null, neutral: [false], reason: distributed },
  ddp_bucket_cap_mb: { default: null, reason: distributed },
  ddp_find_unused_parameters: { default: null, neutral: [false], reason: distributed },
  ddp_static_graph: { default: null, neutral: [false], reason: distributed },
  ddp_timeout: { default: 1800, reason: distributed },
  debug: { default: '', neutral: [[]], reason: 'there are no debug modes.' },
  deepspeed: { default: null, reason: distributed },
  enable_jit_checkpoint: {
    default: false,
    reason: 'an interrupted run stays in memory; save it from there.',
  },
  eval_accumulation_steps: { default: null, reason: 'evaluation keeps no predictions.' },
  eval_do_concat_batches: { default: true, reason: 'evaluation keeps no predictions.' },
  eval_use_gather_object: { default: false, reason: distributed },
  fp16: {
    default: false,
    // Recipes compute it from what the device supports.
    type: 'boolean',
    reason: 'it needs loss scaling, which is not built yet; use bf16: true, or neither for float32.',
  },
  fp16_full_eval: { default: false, reason: full16 },
  fsdp: { default: null, neutral: ['', [], false], reason: distributed },
  fsdp_config: { default: null, neutral: [{}], reason: distributed },
  gradient_checkpointing_kwargs: {
    default: null,
    neutral: [{}, { use_reentrant: true }, { use_reentrant: false }],
    reason: 'the only extra known is use_reentrant, and both of its values are the same here.',
  },
  greater_is_better: { default: null, neutral: [false], reason: best },
  hub_always_push: { default: false, reason: hub },
  hub_model_id: { default: null, reason: hub },
  hub_private_repo: { default: null, reason: hub },
  hub_revision: { default: null, reason: hub },
  hub_strategy: { default: 'every_save', reason: hub },
  hub_token: { default: null, reason: hub },
  ignore_data_skip: { default: false, reason: resume },
  include_for_metrics: { default: [], reason: 'evaluation reports the loss only.' },
  include_num_input_tokens_seen: {
    default: 'no',
    neutral: [false],
    reason: 'each logged row counts its tokens in num_tokens already.',
  },
  jit_mode_eval: { default: false, reason: gone },
  label_names: {
    default: null,
    neutral: [['labels']],
    reason: "the labels of a causal language model are its 'labels'.",
  },
  liger_kernel_config: { default: null, reason: 'Liger kernels are Python; ours are fused already.' },
  load_best_model_at_end: { default: false, reason: best },
  local_rank: { default: -1, neutral: [0], reason: distributed },
  log_level_replica: { default: 'warning', reason: distributed },
  log_on_each_node: { default: true, neutral: [false], reason: distributed },
  metric_for_best_model: { default: null, neutral: ['loss', 'eval_loss'], reason: best },
  neftune_noise_alpha: { default: null, neutral: [0], reason: 'noise on embeddings is not built.' },
  no_cuda: {
    default: false,
    neutral: [true],
    reason: 'the trainer runs where the model is; see device_map.',
  },
  optim_target_modules: { default: null, neutral: [[]], reason: onlyOptim },
  parallelism_config: { default: null, reason: distributed },
  prediction_loss_only: { default: false, neutral: [true], reason: 'evaluation reports the loss only.' },
  project: { default: 'huggingface', reason: 'no tracker here has projects.' },
  push_to_hub: { default: false, reason: hub },
  ray_scope: { default: 'last', reason: gone },
  restore_callback_states_from_checkpoint: { default: false, reason: 'callbacks have no saved state.' },
  resume_from_checkpoint: {
    default: null,
    neutral: [false],
    reason: 'give it to trainer.train({ resume_from_checkpoint }).',
  },
  save_on_each_node: { default: false, reason: distributed },
  save_safetensors: { default: true, reason: 'weights are always written as safetensors.' },
  torch_compile: { default: false, reason: compile },
  torch_compile_backend: { default: null, reason: compile },
  torch_compile_mode: { default: null, reason: compile },
  torch_empty_cache_steps: {
    default: null,
    reason: 'there is no cache to empty; memory is freed after each step.',
  },
  trackio_bucket_id: { default: null, reason: 'there is no Trackio tracker.' },
  trackio_space_id: { default: null, reason: 'there is no Trackio tracker.' },
  trackio_static_space_id: { default: null, neutral: [false], reason: 'there is no Trackio tracker.' },
  use_cache: { default: false, reason: 'training never keeps keys and values.' },
  use_cpu: {
    default: false,
    neutral: [true],
    reason: 'the trainer runs where the model is; see device_map.',
  },
}
