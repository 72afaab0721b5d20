// A port of philschmid's run_fsdp_qlora.py (github.com/philschmid/deep-learning-pytorch-huggingface, training/scripts) for one device.
// Each numbered statement is one of the script's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  load_dataset,
  LoraConfig,
  set_seed,
  SFTTrainer,
  TrainingArguments,
  TrlParser,
} from '../src/index'

// 1. The template: plain turns, each closed by the end token.
const CHAT_TEMPLATE =
  "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}" +
  "{% elif message['role'] == 'user' %}{{ '\n\nHuman: ' + message['content'] + eos_token }}" +
  "{% elif message['role'] == 'assistant' %}{{ '\n\nAssistant: ' + message['content'] + eos_token }}" +
  "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\n\nAssistant: ' }}{% endif %}"

// 2. The script's own arguments.
export class ScriptArguments {
  static help: Record<string, string> = {
    dataset_path: 'Folder with train_dataset.json and test_dataset.json',
    model_id: 'Model to fine-tune',
    max_seq_len: 'Tokens of a row',
  }
  dataset_path: string = ''
  model_id: string = ''
  max_seq_len: number = 512
}

export async function training_function(
  script_args: ScriptArguments,
  training_args: TrainingArguments,
): Promise<SFTTrainer> {
  // 3, 4. The data sets.
  let train_dataset = await load_dataset('json', {
    data_files: join(script_args.dataset_path, 'train_dataset.json'),
    split: 'train',
  })
  let test_dataset = await load_dataset('json', {
    data_files: join(script_args.dataset_path, 'test_dataset.json'),
    split: 'train',
  })

  // 5, 6, 7. The tokenizer.
  const tokenizer = await AutoTokenizer.from_pretrained(script_args.model_id, { use_fast: true })
  tokenizer.pad_token = tokenizer.eos_token
  tokenizer.chat_template = CHAT_TEMPLATE

  // 8, 9, 10. Conversations become texts.
  const template_dataset = async (example: Record<string, unknown>): Promise<{ text: string }> => ({
    text: await tokenizer.apply_chat_template(example['messages'] as never, { tokenize: false }),
  })
  train_dataset = await train_dataset.map(template_dataset, { remove_columns: ['messages'] })
  test_dataset = await test_dataset.map(template_dataset, { remove_columns: ['messages'] })

  // 11, 12. The model.
  const torch_dtype = 'torch.bfloat16'
  const model = await AutoModelForCausalLM.from_pretrained(script_args.model_id, {
    attn_implementation: 'sdpa',
    torch_dtype,
    use_cache: false,
    low_cpu_mem_usage: true,
  })

  // 13.
  if (training_args.gradient_checkpointing) model.gradient_checkpointing_enable()

  // 14. The adapter.
  const peft_config = new LoraConfig({
    lora_alpha: 8,
    lora_dropout: 0.05,
    r: 16,
    bias: 'none',
    target_modules: 'all-linear',
    task_type: 'CAUSAL_LM',
  })

  // 15. The trainer.
  const trainer = new SFTTrainer({
    model,
    args: training_args,
    train_dataset,
    dataset_text_field: 'text',
    eval_dataset: test_dataset,
    peft_config,
    max_seq_length: script_args.max_seq_len,
    tokenizer,
    packing: true,
    dataset_kwargs: { add_special_tokens: false, append_concat_token: false },
  })
  // 16.
  if (trainer.accelerator.is_main_process) trainer.model.print_trainable_parameters()

  // 17, 18, 19. Training, from a checkpoint where one is named.
  let checkpoint: string | null = null
  if (training_args.resume_from_checkpoint !== null) checkpoint = training_args.resume_from_checkpoint
  await trainer.train({ resume_from_checkpoint: checkpoint })

  // 20. more than syntax: the branch of FSDP has nothing to set; it is never entered.
  if (trainer.is_fsdp_enabled) throw new Error('one process: there is no FSDP')
  // 21.
  await trainer.save_model()
  return trainer
}

export async function main(words: readonly string[]): Promise<SFTTrainer> {
  // 22, 23. The arguments, from a YAML file and the command line.
  const parser = new TrlParser([ScriptArguments, TrainingArguments])
  const [script_args, training_args] = await parser.parse_args_and_config(words)
  // 24.
  if (training_args.gradient_checkpointing)
    training_args.gradient_checkpointing_kwargs = { use_reentrant: true }
  // 25.
  set_seed(training_args.seed)
  // 26.
  return training_function(script_args, training_args)
}

if (process.argv[1]?.endsWith('run-fsdp-qlora.ts')) await main(process.argv.slice(2))
