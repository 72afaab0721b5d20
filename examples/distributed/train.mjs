// Supervised fine-tuning on as many ranks as the launcher starts; the same script runs alone. In a clone after `npm run build`:
//   npx qlora launch --nproc 2 examples/distributed/train.mjs MODEL [DATA.jsonl] [OUTPUT]
// MODEL is a folder or a hub repository. In a project of your own: from 'qlora'. See docs/distributed.md.
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  load_dataset,
  LoraConfig,
  PartialState,
  SFTConfig,
  SFTTrainer,
} from '../../dist/index.js'

const [
  name = 'HuggingFaceTB/SmolLM2-135M-Instruct',
  data = join(import.meta.dirname, 'data.jsonl'),
  output_dir = 'results/distributed',
] = process.argv.slice(2)
const state = new PartialState()

// 'auto': the GPU of this rank, else the CPU.
const model = await AutoModelForCausalLM.from_pretrained(name, {
  device_map: 'auto',
  quantization_config: new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' }),
})
const trainer = new SFTTrainer({
  model,
  processing_class: await AutoTokenizer.from_pretrained(name),
  train_dataset: await load_dataset('json', { data_files: data, split: 'train' }),
  peft_config: new LoraConfig({ r: 8, lora_alpha: 16, target_modules: 'all-linear', task_type: 'CAUSAL_LM' }),
  args: new SFTConfig({
    output_dir,
    num_train_epochs: 2,
    per_device_train_batch_size: 2,
    learning_rate: 2e-4,
    logging_steps: 1,
    save_strategy: 'epoch',
    // A rank that keeps the others waiting for ten minutes ends the run with its name.
    ddp_timeout: 600,
  }),
})
const { training_loss } = await trainer.train()
await trainer.save_model() // rank 0 writes
state.print(`${state.num_processes} ranks, mean loss ${training_loss.toFixed(4)}: ${output_dir}`)
