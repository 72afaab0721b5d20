import { homedir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it, vi } from 'vitest'

import { optionTable } from '../../src/options/declaration'
import { SFTConfig, TrainingArguments } from '../../src/trainer/arguments'
import type { SFTInit, TrainingInit } from '../../src/trainer/options.generated'
import { refusedTrainingOptions } from '../../src/trainer/arguments-refused'

const make = (init: TrainingInit = {}): TrainingArguments => new TrainingArguments(init)
const sft = (init: SFTInit = {}): SFTConfig => new SFTConfig(init)

describe('TrainingArguments', () => {
  it('has the defaults of transformers 5.18, over all its 110 options', () => {
    // From dataclasses.fields(TrainingArguments), after __post_init__ where that changes a value.
    // prettier-ignore
    const defaults = {
      output_dir: 'trainer_output', per_device_train_batch_size: 8, num_train_epochs: 3, max_steps: -1, learning_rate: 5e-5,
      lr_scheduler_type: 'linear', lr_scheduler_kwargs: null, warmup_steps: 0, optim: 'adamw_torch_fused', optim_args: null,
      weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, optim_target_modules: null,
      gradient_accumulation_steps: 1, average_tokens_across_devices: true, max_grad_norm: 1, label_smoothing_factor: 0,
      bf16: false, fp16: false, bf16_full_eval: false, fp16_full_eval: false, tf32: null, gradient_checkpointing: false,
      gradient_checkpointing_kwargs: null, torch_compile: false, torch_compile_backend: null, torch_compile_mode: null,
      use_liger_kernel: false, liger_kernel_config: null, use_cache: false, neftune_noise_alpha: null,
      torch_empty_cache_steps: null, auto_find_batch_size: false, logging_strategy: 'steps', logging_steps: 500,
      logging_first_step: false, log_on_each_node: true, logging_nan_inf_filter: true, include_num_input_tokens_seen: 'no',
      log_level: 'passive', log_level_replica: 'warning', disable_tqdm: null, report_to: [], run_name: 'trainer_output',
      project: 'huggingface', trackio_space_id: null, trackio_bucket_id: null, trackio_static_space_id: null,
      eval_strategy: 'no', eval_steps: null, eval_delay: 0, per_device_eval_batch_size: 8, prediction_loss_only: false,
      eval_on_start: false, eval_do_concat_batches: true, eval_use_gather_object: false, eval_accumulation_steps: null,
      include_for_metrics: [], batch_eval_metrics: false, save_only_model: false, save_strategy: 'steps', save_steps: 500,
      save_on_each_node: false, save_total_limit: null, enable_jit_checkpoint: false, push_to_hub: false, hub_token: null,
      hub_private_repo: null, hub_model_id: null, hub_strategy: 'every_save', hub_always_push: false, hub_revision: null,
      load_best_model_at_end: false, metric_for_best_model: null, greater_is_better: null, ignore_data_skip: false,
      restore_callback_states_from_checkpoint: false, full_determinism: false, seed: 42, data_seed: null, use_cpu: false,
      accelerator_config: null, parallelism_config: null, dataloader_drop_last: false, dataloader_num_workers: 0,
      dataloader_pin_memory: true, dataloader_persistent_workers: false, dataloader_prefetch_factor: null,
      dataloader_multiprocessing_context: null, dataloader_in_order: true, remove_unused_columns: true, label_names: null,
      train_sampling_strategy: 'random', length_column_name: 'length', ddp_find_unused_parameters: null,
      ddp_bucket_cap_mb: null, ddp_broadcast_buffers: null, ddp_static_graph: null, ddp_backend: null, ddp_timeout: 1800,
      fsdp: null, fsdp_config: null, deepspeed: null, debug: '', skip_memory_metrics: true, do_train: false, do_eval: false,
      do_predict: false, resume_from_checkpoint: null, local_rank: -1,
    }
    const dict = make().to_dict()
    expect(dict).toMatchObject(defaults)
    // What there is besides: options of 4.x and ours.
    const besides = [
      'adafactor',
      'jit_mode_eval',
      'logging_dir',
      'memory', // ours
      'max_nonfinite_steps', // ours
      'no_cuda',
      'overwrite_output_dir',
      'ray_scope',
      'save_safetensors',
    ]
    expect(Object.keys(dict)).toEqual([...Object.keys(defaults), ...besides].sort())
    expect(JSON.parse(make().to_json_string())).toEqual(dict)
  })

  it("takes the article's options", () => {
    const args = make({
      output_dir: './results',
      num_train_epochs: 10,
      per_device_train_batch_size: 4,
      gradient_accumulation_steps: 1,
      optim: 'paged_adamw_32bit',
      save_steps: 0,
      logging_steps: 25,
      learning_rate: 2e-4,
      weight_decay: 0.001,
      fp16: false,
      bf16: false,
      max_grad_norm: 0.3,
      max_steps: -1,
      warmup_ratio: 0.03,
      group_by_length: true,
      lr_scheduler_type: 'cosine',
      report_to: 'tensorboard',
    })
    expect(args).toMatchObject({
      output_dir: './results',
      optim: 'paged_adamw_32bit',
      warmup_steps: 0.03,
      train_sampling_strategy: 'group_by_length',
      report_to: ['tensorboard'],
      save_steps: 0,
    })
    expect(args.get_warmup_steps(250)).toBe(8)
    expect(args.get_interval('save', 250)).toBe(0)
    expect(args.get_interval('logging', 250)).toBe(25)
    expect(args.get_interval('eval', 250)).toBe(0)
  })

  it('counts warm-up and intervals in steps, or in shares below 1', () => {
    expect(make({ warmup_steps: 10 }).get_warmup_steps(100)).toBe(10)
    expect(make({ warmup_steps: 0.031 }).get_warmup_steps(100)).toBe(4)
    expect(make({ warmup_steps: 1.5 }).get_warmup_steps(100)).toBe(1)
    expect(make({ warmup_ratio: 1 }).get_warmup_steps(100)).toBe(100)
    expect(make({ warmup_ratio: 0, warmup_steps: 7 }).get_warmup_steps(100)).toBe(7)
    expect(() => make({ warmup_ratio: 3 })).toThrow(
      'warmup_ratio: got 3, needs a share of all steps from 0 to 1',
    )
    expect(make({ save_steps: 0.25 }).get_interval('save', 10)).toBe(3)
    expect(make({ save_strategy: 'epoch' }).get_interval('save', 10)).toBe(0)
    expect(() => make({ save_steps: 2.5 })).toThrow(
      'save_steps: got 2.5, needs a whole number of steps, or below 1 a share',
    )
  })

  it('takes the arguments of published recipes', () => {
    expect(make({ remove_unused_columns: false, tf32: true, use_liger_kernel: true }).tf32).toBe(true)
    expect(make({ overwrite_output_dir: true, log_level: 'info' }).log_level).toBe('info')
    expect(make({ activation_checkpointing: true }).gradient_checkpointing).toBe(true)
    // transformers 4: the number of steps wins over the share, whichever comes first.
    expect(make({ warmup_ratio: 0.03, warmup_steps: 100 }).warmup_steps).toBe(100)
    expect(make({ warmup_steps: 100, warmup_ratio: 0.03 }).warmup_steps).toBe(100)
  })

  it('reads the spellings of transformers 4', () => {
    expect(make({ evaluation_strategy: 'epoch' }).eval_strategy).toBe('epoch')
    expect(make({ group_by_length: false }).train_sampling_strategy).toBe('random')
    expect(make({ logging_dir: 'logs' }).logging_dir).toBe('logs')
    expect(make({ per_gpu_train_batch_size: 2 }).per_device_train_batch_size).toBe(2)
    expect(make({ per_gpu_eval_batch_size: 2 }).per_device_eval_batch_size).toBe(2)
  })

  it('settles what depends on other options', () => {
    expect(make({ eval_strategy: 'steps', logging_steps: 25 })).toMatchObject({
      eval_steps: 25,
      do_eval: true,
    })
    expect(make({ eval_strategy: 'steps', eval_steps: 5 }).get_interval('eval', 100)).toBe(5)
    expect(make({ report_to: 'all' }).report_to).toEqual(['tensorboard', 'csv'])
    expect(make({ report_to: 'none' }).report_to).toEqual([])
    expect(make({ report_to: null }).report_to).toEqual([])
    expect(make({ report_to: ['csv'] }).report_to).toEqual(['csv'])
    expect(make({ output_dir: '~/out' }).output_dir).toBe(join(homedir(), 'out'))
    expect(make({ output_dir: 'a~' }).run_name).toBe('a~')
  })

  it('names the option, the value and what fits', () => {
    expect(() => make({ learning_rat: 1 } as never)).toThrow(
      new TypeError("[TrainingArguments] unknown option 'learning_rat'. Did you mean 'learning_rate'?"),
    )
    expect(() => make({ learning_rate: '2e-4' as never })).toThrow(
      "learning_rate: got '2e-4', needs a number >= 0",
    )
    expect(() => make({ per_device_train_batch_size: 0 })).toThrow('got 0, needs a whole number >= 1')
    expect(() => make({ max_steps: -2 })).toThrow('got -2, needs a whole number >= -1')
    expect(() => make({ optim: 'lion' as never })).toThrow(
      "optim: got 'lion', needs one of 'adamw_torch', 'adamw_torch_fused', 'adamw_bnb_8bit', 'adamw_8bit', 'paged_adamw'",
    )
    expect(() => make({ optim: 'galore_adamw' as never })).toThrow(
      "[TrainingArguments] optim = 'galore_adamw' is not supported: it saves state of full weight matrices, and only adapters are trained here; their state is small. The nearest is 'adamw_8bit'.",
    )
    expect(() => make({ optim_args: 'momentum=0.9' })).toThrow('[optim_args] adamw_torch_fused takes none')
    expect(make({ optim: 'sgd', optim_args: 'momentum=0.9' }).optim_args).toBe('momentum=0.9')
    expect(() => make({ report_to: 'wandb' as never })).toThrow(
      "report_to: got 'wandb', needs 'none', 'all', 'tensorboard', 'csv'",
    )
    expect(() => make({ lr_scheduler_type: 'cos' as never })).toThrow(
      "got 'cos', needs one of 'linear', 'cosine'",
    )
    expect(() => make({ eval_strategy: 'best' as never })).toThrow("needs one of 'no', 'steps', 'epoch'")
    expect(() => make({ output_dir: 7 as never })).toThrow('output_dir: got 7, needs a text or null')
  })

  it('refuses contradictions', () => {
    expect(() => make({ fp16: true, bf16: true })).toThrow('fp16 = true is not supported')
    expect(() => make({ logging_steps: 0 })).toThrow("logging_strategy 'steps' needs more")
    expect(make({ logging_steps: 0, logging_strategy: 'no' }).get_interval('logging', 10)).toBe(0)
    expect(() => make({ eval_strategy: 'steps', logging_strategy: 'no', logging_steps: 0 })).toThrow(
      "eval_strategy 'steps' needs",
    )
    expect(() => make({ dataloader_prefetch_factor: 2 })).toThrow('needs dataloader_num_workers above 0')
    expect(make({ dataloader_prefetch_factor: 2, dataloader_num_workers: 1 }).dataloader_num_workers).toBe(1)
    expect(() => make({ lr_scheduler_type: 'greedy' })).toThrow(
      "'greedy' follows the evaluation loss: set eval_strategy",
    )
    expect(make({ lr_scheduler_type: 'greedy', eval_strategy: 'epoch' }).do_eval).toBe(true)
    expect(() => make({ lr_scheduler_type: 'cosine', lr_scheduler_kwargs: { cycles: 2 } })).toThrow(
      "unknown option 'cycles'",
    )
  })

  it('passes every refused option with its neutral values and no other', () => {
    const other = Symbol('a value nobody means')
    for (const [name, { default: value, neutral = [], reason }] of Object.entries(refusedTrainingOptions)) {
      for (const harmless of [value, null, undefined, ...neutral])
        expect(() => make({ [name]: harmless }), name).not.toThrow()
      expect(() => make({ [name]: other }), name).toThrow(
        `${name} = Symbol(a value nobody means) is not supported: ${reason}`,
      )
    }
    expect(() => make({ deepspeed: 'ds.json' as never })).toThrow('ranks are replicas that share the batches')
  })
})

it('what changes nothing is accepted with one line that names it, said once; what scripts read says nothing', () => {
  const shown = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const given = {
    torch_compile: true,
    activation_checkpointing_kwargs: { use_reentrant: false },
    ddp_find_unused_parameters: false,
    do_train: true,
    resume_from_checkpoint: 'runs/a',
  }
  const args = make(given)
  make(given)
  expect(shown.mock.calls.flat()).toEqual([
    'qlora: WARNING: [TrainingArguments] accepted, changes nothing here: ddp_find_unused_parameters = false, ' +
      'gradient_checkpointing_kwargs = {"use_reentrant":false}, torch_compile = true (why: docs/options.md)',
  ])
  expect(args).toMatchObject({ torch_compile: true, resume_from_checkpoint: 'runs/a', do_train: true })
  expect(() => make({ gradient_checkpointing_kwargs: { use_reentrnt: true } as never })).toThrow(
    'needs { use_reentrant: true or false } or null',
  )
  shown.mockRestore()
})

describe('SFTConfig', () => {
  it("has TRL's defaults on top", () => {
    expect(sft()).toBeInstanceOf(TrainingArguments)
    expect(sft()).toMatchObject({
      learning_rate: 2e-5,
      logging_steps: 10,
      gradient_checkpointing: true,
      bf16: true,
      dataset_text_field: 'text',
      max_length: 1024,
      loss_type: 'chunked_nll',
      output_dir: 'trainer_output',
      optim: 'adamw_torch_fused',
    })
    expect(make()).toMatchObject({
      learning_rate: 5e-5,
      logging_steps: 500,
      gradient_checkpointing: false,
      bf16: false,
    })
    expect(sft().to_dict()).toMatchObject({
      packing: false,
      packing_strategy: 'bfd',
      deepspeed: null,
      max_length: 1024,
    })
  })

  it('takes its own options, old spellings and null', () => {
    expect(sft({ max_seq_length: 128 }).max_length).toBe(128)
    expect(sft({ max_length: null, bf16: null, loss_type: null })).toMatchObject({
      max_length: null,
      bf16: true,
      loss_type: 'chunked_nll',
    })
    expect(sft({ bf16: false, loss_type: 'nll', dataset_text_field: 'story' })).toMatchObject({
      bf16: false,
      loss_type: 'nll',
      dataset_text_field: 'story',
    })
    expect(
      sft({ warmup_ratio: 0.1, packing: true, eval_packing: false, assistant_only_loss: true }),
    ).toMatchObject({
      warmup_steps: 0.1,
      packing: true,
      packing_strategy: 'bfd',
      eval_packing: false,
      completion_only_loss: null,
      assistant_only_loss: true,
    })
  })

  it('keeps what a TrainingArguments says', () => {
    const args = make({
      learning_rate: 2e-4,
      report_to: 'tensorboard',
      eval_strategy: 'steps',
      warmup_ratio: 0.03,
    })
    const config = sft({ ...args, max_length: 128 })
    for (const name of Object.keys(optionTable(TrainingArguments.options))) {
      expect(config[name as keyof SFTConfig], name).toEqual(args[name as keyof TrainingArguments])
    }
    expect(config.max_length).toBe(128)
  })

  it('refuses what is not built, by its own name', () => {
    expect(() => sft({ packing_strategy: 'ffd' as never })).toThrow(
      "got 'ffd', needs one of 'bfd', 'bfd_split', 'wrapped'",
    )
    expect(() => sft({ neftune_noise_alpha: 5 as never })).toThrow(
      '[SFTConfig] neftune_noise_alpha = 5 is not supported',
    )
    expect(() => sft({ max_length: 0 })).toThrow(
      '[SFTConfig] max_length: got 0, needs a whole number >= 1 or null',
    )
    expect(() => sft({ max_lenght: 5 } as never)).toThrow("Did you mean 'max_length'?")
    expect(() => make({ max_length: 5 } as never)).toThrow("[TrainingArguments] unknown option 'max_length'")
  })
})
