// SmolLM2-135M tuned as the tutorial does it, for what compares with other programs.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  Dataset,
  LoraConfig,
  SFTConfig,
  SFTTrainer,
} from '../../dist/index.js'
import { root } from '../setup/step.mjs'

const base = join(root, '.cache/models/SmolLM2-135M-Instruct')
const gguf_file = 'SmolLM2-135M-Instruct.Q4_1.gguf'

/** The tutorial's rows; the last hundred are not trained on. */
export const rows = readFileSync(join(root, 'notebooks/data/pocket-instruct/train.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))

export const loadTokenizer = () => AutoTokenizer.from_pretrained(base, { gguf_file })

/** The base in 4 bits, multiplied in float32 as llama.cpp multiplies an F32 file. */
export const loadBase = () =>
  AutoModelForCausalLM.from_pretrained(base, {
    gguf_file,
    quantization_config: new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_compute_dtype: 'float32',
    }),
  })

/** Trains an adapter into the folder, unless it is there; `before` gets the model, `after` the tuned one. */
export async function tune(folder, steps, { before, after } = {}) {
  if (existsSync(join(folder, 'adapter/adapter_config.json'))) return
  const tokenizer = await loadTokenizer()
  const model = await loadBase()
  await before?.(model, tokenizer)
  const trainer = new SFTTrainer({
    model,
    train_dataset: Dataset.from_list(rows.slice(0, -100)),
    processing_class: tokenizer,
    peft_config: new LoraConfig({ r: 64, lora_alpha: 16, lora_dropout: 0.1, task_type: 'CAUSAL_LM' }),
    args: new SFTConfig({
      output_dir: join(folder, 'run'),
      per_device_train_batch_size: 4,
      max_steps: steps,
      learning_rate: 2e-3,
      warmup_ratio: 0.03,
      lr_scheduler_type: 'cosine',
      max_grad_norm: 0.3,
      save_strategy: 'no',
      report_to: 'none',
      disable_tqdm: true,
    }),
  })
  const { training_loss } = await trainer.train()
  console.log(JSON.stringify({ steps, training_loss }))
  await after?.(trainer.model, tokenizer)
  await trainer.model.save_pretrained(join(folder, 'adapter'))
  trainer.dispose()
}

/** An answer up to its end token; what follows is padding. */
export function trimmed(answer, end) {
  const at = answer.indexOf(end)
  return at === -1 ? answer : answer.slice(0, at + 1)
}
