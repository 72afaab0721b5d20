// A port of artidoro's qlora.py (github.com/artidoro/qlora), the script of the QLoRA paper.
// Each numbered statement is one of the script's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  type CallbackContext,
  type CausalLM,
  type CollatedRows,
  cuda,
  type Dataset,
  type DatasetDict,
  get_peft_model,
  HfArgumentParser,
  load_dataset,
  LoraConfig,
  PeftModel,
  prepare_model_for_kbit_training,
  type PreTrainedTokenizer,
  set_seed,
  SFTTrainer,
  type TrainerState,
  TrainingArguments,
} from '../src/index'

// 1.
const IGNORE_INDEX = -100

// 2, 3, 4, 5. The arguments of model, data, training and generation.
export class ModelArguments {
  model_name_or_path: string = 'EleutherAI/pythia-12b'
  trust_remote_code: boolean = false
}
export class DataArguments {
  eval_dataset_size: number = 1024
  max_train_samples: number | null = null
  max_eval_samples: number | null = null
  source_max_len: number = 1024
  target_max_len: number = 256
  dataset: string = 'alpaca'
  dataset_format: string | null = null
}
export class QLoraArguments extends TrainingArguments {
  cache_dir: string | null = null
  train_on_source: boolean = false
  double_quant: boolean = true
  quant_type: 'nf4' | 'fp4' = 'nf4'
  bits: number = 4
  lora_r: number = 64
  lora_alpha: number = 16
  lora_dropout: number = 0
  max_memory_MB: number = 80000
}
export class GenerationArguments {
  max_new_tokens: number = 256
  do_sample: boolean = false
  num_beams: number = 1
  temperature: number = 1
  top_k: number = 50
  top_p: number = 1
  repetition_penalty: number = 1
}

// 6. Checkpoints of the adapter, and a mark at the end.
class SavePeftModelCallback {
  async save_model(args: TrainingArguments, state: TrainerState, model: PeftModel): Promise<void> {
    const folder = state.best_model_checkpoint ?? join(args.output_dir, `checkpoint-${state.global_step}`)
    await model.save_pretrained(join(folder, 'adapter_model'))
  }

  async on_save(
    args: TrainingArguments,
    state: TrainerState,
    _control: unknown,
    _folder: string,
    { model }: CallbackContext,
  ): Promise<void> {
    await this.save_model(args, state, model)
  }

  async on_train_end(
    args: TrainingArguments,
    state: TrainerState,
    _control: unknown,
    _finished: boolean,
    { model }: CallbackContext,
  ): Promise<void> {
    writeFileSync(join(args.output_dir, 'completed'), '')
    await this.save_model(args, state, model)
  }
}

// 7. The model with an adapter, new or of a checkpoint.
async function get_accelerate_model(
  { model_name_or_path, trust_remote_code }: ModelArguments,
  args: QLoraArguments,
  checkpoint_dir: string | null,
): Promise<PeftModel> {
  // 8, 9. Where the model goes.
  const max_memory = Object.fromEntries(
    Array.from({ length: cuda.device_count() }, (_, i) => [i, `${args.max_memory_MB}MB`]),
  )
  const device_map = 'auto'
  // 10, 11. The base model in 4 bits.
  const compute_dtype = args.bf16 ? 'bfloat16' : 'float32'
  const base: CausalLM = await AutoModelForCausalLM.from_pretrained(model_name_or_path, {
    cache_dir: args.cache_dir,
    load_in_4bit: args.bits === 4,
    device_map,
    max_memory,
    quantization_config: new BitsAndBytesConfig({
      load_in_4bit: args.bits === 4,
      llm_int8_threshold: 6,
      llm_int8_has_fp16_weight: false,
      bnb_4bit_compute_dtype: compute_dtype,
      bnb_4bit_use_double_quant: args.double_quant,
      bnb_4bit_quant_type: args.quant_type,
    }),
    torch_dtype: compute_dtype,
    trust_remote_code,
  })
  // 12, 13. Norms and head in float32; layers keep their inputs alone.
  prepare_model_for_kbit_training(base, { use_gradient_checkpointing: args.gradient_checkpointing })
  if (args.gradient_checkpointing) base.gradient_checkpointing_enable()
  // 14, 15. more than syntax: the script finds the linear layers by walking torch's modules; 'all-linear' names them.
  if (checkpoint_dir !== null)
    return PeftModel.from_pretrained(base, join(checkpoint_dir, 'adapter_model'), { is_trainable: true })
  const config = new LoraConfig({
    r: args.lora_r,
    lora_alpha: args.lora_alpha,
    target_modules: 'all-linear',
    lora_dropout: args.lora_dropout,
    bias: 'none',
    task_type: 'CAUSAL_LM',
  })
  return get_peft_model(base, config)
}

// 16. Ids and labels of sources and targets.
class DataCollatorForCausalLM {
  constructor(
    readonly tokenizer: PreTrainedTokenizer,
    readonly source_max_len: number,
    readonly target_max_len: number,
    readonly train_on_source: boolean,
  ) {}

  async call(instances: Record<string, string>[]): Promise<CollatedRows> {
    const { tokenizer } = this
    const ids = async (texts: string[], max_length: number): Promise<number[][]> =>
      (await tokenizer.call(texts, { max_length, truncation: true, add_special_tokens: false })).input_ids
    const sources = await ids(
      instances.map(({ input }) => `${tokenizer.bos_token}${input}`),
      this.source_max_len,
    )
    const targets = await ids(
      instances.map(({ output }) => `${output}${tokenizer.eos_token}`),
      this.target_max_len,
    )
    const masked = (source: number[]): number[] =>
      this.train_on_source ? source : source.map(() => IGNORE_INDEX)
    return {
      input_ids: sources.map((source, i) => [...source, ...targets[i]!]),
      labels: sources.map((source, i) => [...masked(source), ...targets[i]!]),
    }
  }
}

// 17, 18. Alpaca's rows as input and output.
const ALPACA_PROMPT = (instruction: string, input: string): string =>
  input === ''
    ? `Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n${instruction}\n\n### Response: `
    : `Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response: `
const extract_alpaca_dataset = (example: Record<string, string>): { input: string } => ({
  input: ALPACA_PROMPT(example['instruction']!, example['input'] ?? ''),
})

// 19. The data sets and their collator.
async function make_data_module(
  tokenizer: PreTrainedTokenizer,
  args: DataArguments,
  training: QLoraArguments,
): Promise<{ train_dataset: Dataset; eval_dataset: Dataset | null; data_collator: DataCollatorForCausalLM }> {
  // 20, 21. Of the hub or a file, as input and output.
  let dataset: DatasetDict = await load_dataset(args.dataset)
  if (args.dataset_format === 'alpaca')
    dataset = await dataset.map(extract_alpaca_dataset as never, { remove_columns: ['instruction'] })
  // 22.
  const columns = dataset.column_names['train']!
  dataset = dataset.remove_columns(columns.filter((col) => !['input', 'output'].includes(col)))
  // 23. A part to evaluate on.
  let eval_dataset: Dataset | null = null
  if (training.do_eval) {
    dataset = dataset['train']!.train_test_split({
      test_size: args.eval_dataset_size,
      shuffle: true,
      seed: 42,
    })
    eval_dataset = dataset['test']!
    if (args.max_eval_samples !== null) eval_dataset = eval_dataset.take(args.max_eval_samples)
  }
  // 24.
  let train_dataset = dataset['train']!
  if (args.max_train_samples !== null) train_dataset = train_dataset.take(args.max_train_samples)
  const data_collator = new DataCollatorForCausalLM(
    tokenizer,
    args.source_max_len,
    args.target_max_len,
    training.train_on_source,
  )
  return { train_dataset, eval_dataset, data_collator }
}

// 25. The newest checkpoint, and whether a run was completed.
function get_last_checkpoint(folder: string): [string | null, boolean] {
  if (!existsSync(folder)) return [null, false]
  if (existsSync(join(folder, 'completed'))) return [null, true]
  const steps = readdirSync(folder).flatMap((name) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1] ?? []))
  return [steps.length > 0 ? join(folder, `checkpoint-${Math.max(...steps)}`) : null, false]
}

export async function train(words: readonly string[]): Promise<SFTTrainer> {
  // 26. The arguments.
  const hfparser = new HfArgumentParser([ModelArguments, DataArguments, QLoraArguments, GenerationArguments])
  const [model_args, data_args, training_args] = hfparser.parse_args_into_dataclasses(words)
  // 27. The model.
  const [checkpoint_dir, completed_training] = get_last_checkpoint(training_args.output_dir)
  if (completed_training) console.log('Training was already completed.')
  const model = await get_accelerate_model(model_args, training_args, checkpoint_dir)
  model.base_model.config.use_cache = false
  model.print_trainable_parameters()
  set_seed(training_args.seed)
  // 28. more than syntax: the script adds [PAD] as a new token; padding never reaches a model here, so the end token does.
  const tokenizer = await AutoTokenizer.from_pretrained(model_args.model_name_or_path, {
    padding_side: 'right',
    use_fast: false,
  })
  tokenizer.pad_token ??= tokenizer.eos_token
  // 29. more than syntax: SFTTrainer takes the place of Seq2SeqTrainer, which differs in what it predicts by generating.
  const data_module = await make_data_module(tokenizer, data_args, training_args)
  const trainer = new SFTTrainer({ model, tokenizer, args: training_args, ...data_module })
  // 30. more than syntax: the callback of MMLU needs whole logits, which never exist here; it is left out.
  trainer.add_callback(SavePeftModelCallback as never)
  // 31. Training and evaluation.
  if (training_args.do_train) await trainer.train()
  if (training_args.do_eval) console.log(await trainer.evaluate({ metric_key_prefix: 'eval' }))
  return trainer
}

if (process.argv[1]?.endsWith('artidoro-qlora.ts')) await train(process.argv.slice(2))
