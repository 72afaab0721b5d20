// A port of Unsloth's notebook Llama3_(8B)-Alpaca (github.com/unslothai/notebooks).
// Each numbered statement is one of the notebook's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import { join } from 'node:path'
import {
  AutoPeftModelForCausalLM,
  cuda,
  FastLanguageModel,
  load_dataset,
  type PeftModel,
  SFTConfig,
  SFTTrainer,
  TextStreamer,
} from '../src/index'

/** What a reader of the notebook changes. */
export interface Names {
  model_name: string
  dataset_name: string
  /** Where adapters, merged models and checkpoints go. */
  folder: string
  max_steps?: number
  max_new_tokens?: number
}

export async function main(names: Names): Promise<SFTTrainer> {
  // 1, 2, 3. The settings of loading.
  const max_seq_length = 2048
  const dtype = null
  const load_in_4bit = true
  // 4. The model and its tokenizer.
  const [base, tokenizer] = await FastLanguageModel.from_pretrained({
    model_name: names.model_name,
    max_seq_length,
    dtype,
    load_in_4bit,
  })

  // 5. The adapter.
  const model = FastLanguageModel.get_peft_model(base, {
    r: 16,
    target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    lora_alpha: 16,
    lora_dropout: 0,
    bias: 'none',
    use_gradient_checkpointing: 'unsloth',
    random_state: 3407,
    use_rslora: false,
    loftq_config: null,
  } as Parameters<typeof FastLanguageModel.get_peft_model>[1])

  // 6, 7, 8. Rows become texts that close with the end token.
  const alpaca_prompt = (instruction: string, input: string, output: string): string =>
    'Below is an instruction that describes a task, paired with an input that provides further context. ' +
    'Write a response that appropriately completes the request.\n\n' +
    `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n${output}`
  const EOS_TOKEN = tokenizer.eos_token!
  const formatting_prompts_func = (examples: Record<string, string[]>): { text: string[] } => ({
    text: examples['instruction']!.map(
      (instruction, i) =>
        alpaca_prompt(instruction, examples['input']![i]!, examples['output']![i]!) + EOS_TOKEN,
    ),
  })

  // 9, 10. The data.
  let dataset = await load_dataset(names.dataset_name, { split: 'train' })
  dataset = await dataset.map(formatting_prompts_func, { batched: true })

  // 11. The trainer.
  const trainer = new SFTTrainer({
    model,
    tokenizer,
    train_dataset: dataset,
    dataset_text_field: 'text',
    max_seq_length,
    packing: false,
    args: new SFTConfig({
      per_device_train_batch_size: 2,
      gradient_accumulation_steps: 4,
      warmup_steps: 5,
      max_steps: names.max_steps ?? 60,
      learning_rate: 2e-4,
      logging_steps: 1,
      optim: 'adamw_8bit',
      weight_decay: 0.001,
      lr_scheduler_type: 'linear',
      seed: 3407,
      output_dir: join(names.folder, 'outputs'),
    }),
  })

  // 12, 13. more than syntax: the notebook asks the GPU without looking whether there is one.
  const gpu = cuda.is_available()
  const start_gpu_memory = gpu ? cuda.memory_reserved() / 2 ** 30 : 0
  if (gpu) console.log(`${cuda.get_device_properties(0).name}: ${start_gpu_memory.toFixed(3)} GB reserved`)

  // 14. Training.
  const trainer_stats = await trainer.train()

  // 15, 16. The time and memory it took.
  const used_memory = gpu ? cuda.max_memory_allocated() / 2 ** 30 : 0
  console.log(`${trainer_stats.metrics['train_runtime']} seconds, ${used_memory.toFixed(3)} GB at most`)

  // 17. Answers.
  FastLanguageModel.for_inference(model)
  // 18. more than syntax: ids are lists, which generate takes to the device; there is no .to('cuda').
  const inputs = await tokenizer.call([
    alpaca_prompt('Continue the fibonacci sequence.', '1, 1, 2, 3, 5, 8', ''),
  ])
  // 19, 20.
  const max_new_tokens = names.max_new_tokens ?? 64
  const outputs = await model.generate(inputs, { max_new_tokens, use_cache: true })
  console.log(await tokenizer.batch_decode(outputs))

  // 21, 22. An answer that is shown as it comes.
  const text_streamer = new TextStreamer(tokenizer)
  await model.generate(inputs, { streamer: text_streamer, max_new_tokens })

  // 23, 24. The adapter is saved.
  await model.save_pretrained(join(names.folder, 'llama_lora'))
  await tokenizer.save_pretrained(join(names.folder, 'llama_lora'))

  // 25. The adapter again, by Unsloth's name and by PEFT's.
  const [again] = await FastLanguageModel.from_pretrained({
    model_name: join(names.folder, 'llama_lora'),
    max_seq_length,
    dtype,
    load_in_4bit,
  })
  again.dispose()
  const other: PeftModel = await AutoPeftModelForCausalLM.from_pretrained(join(names.folder, 'llama_lora'), {
    load_in_4bit,
  })
  other.dispose()

  // 26. Merged into 16 bits.
  await model.save_pretrained_merged(join(names.folder, 'llama_finetune_16bit'), tokenizer, {
    save_method: 'merged_16bit',
  })
  // 27. For llama.cpp.
  await model.save_pretrained_gguf(join(names.folder, 'llama_finetune'), tokenizer, {
    quantization_method: 'q8_0',
  })
  return trainer
}
