// Preference training without a notebook, in a clone after `npm run build`:
//   node examples/preference.mjs MODEL [PAIRS.jsonl] [OUTPUT]
// MODEL is a folder or a hub repository, such as HuggingFaceTB/SmolLM2-135M-Instruct. In a project of your own: from 'qlora'.
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  DPOConfig,
  DPOTrainer,
  load_dataset,
  LoraConfig,
} from '../dist/index.js'

const [
  name = 'HuggingFaceTB/SmolLM2-135M-Instruct',
  pairs = join(import.meta.dirname, 'data/pairs.jsonl'),
  output_dir = 'results/preference',
] = process.argv.slice(2)

const model = await AutoModelForCausalLM.from_pretrained(name, {
  quantization_config: new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' }),
})
const tokenizer = await AutoTokenizer.from_pretrained(name)

// Rows of prompt, chosen and rejected: texts here; lists of turns would go through the tokenizer's chat template.
const train_dataset = await load_dataset('json', { data_files: pairs, split: 'train' })

const trainer = new DPOTrainer({
  model,
  processing_class: tokenizer,
  train_dataset,
  peft_config: new LoraConfig({ r: 8, lora_alpha: 16, target_modules: 'all-linear', task_type: 'CAUSAL_LM' }),
  args: new DPOConfig({
    output_dir,
    num_train_epochs: 3,
    per_device_train_batch_size: 4,
    learning_rate: 5e-5,
    beta: 0.1,
    logging_steps: 1,
    save_strategy: 'no',
  }),
})
await trainer.train()

// The margin is how much better the chosen answers are by now than the rejected ones, measured from the model without adapter.
const rows = trainer.state.log_history.filter((row) => 'rewards/margins' in row)
console.log('reward margins:', rows.map((row) => row['rewards/margins'].toFixed(3)).join(' '))
await trainer.save_model(join(output_dir, 'adapter'))
trainer.dispose()
