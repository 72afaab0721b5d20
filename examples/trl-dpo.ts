// A port of TRL's trl/scripts/dpo.py (github.com/huggingface/trl).
// Each numbered statement is one of the script's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  DPOConfig,
  DPOTrainer,
  get_kbit_device_map,
  get_peft_config,
  get_quantization_config,
  load_dataset,
  ModelConfig,
  type PretrainedOptions,
  ScriptArguments,
  TrlParser,
} from '../src/index'

export async function run(
  script_args: ScriptArguments,
  training_args: DPOConfig,
  model_args: ModelConfig,
): Promise<DPOTrainer> {
  // 1. How the model is loaded.
  const model_kwargs: PretrainedOptions = {
    revision: model_args.model_revision,
    attn_implementation: model_args.attn_implementation,
    dtype: model_args.dtype,
  }
  // 2, 3, 4. In how many bits, and where.
  const quantization_config = get_quantization_config(model_args)
  if (quantization_config !== null) {
    model_kwargs.device_map = get_kbit_device_map()
    model_kwargs.quantization_config = quantization_config
  }
  // 5.
  const model = await AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path!, model_kwargs)
  // 6.
  const peft_config = get_peft_config(model_args)
  // 7. more than syntax: without an adapter the script loads a second model; here an adapter is what is trained.
  if (peft_config === null) throw new Error('pass --use_peft')

  // 8, 9. The tokenizer.
  const tokenizer = await AutoTokenizer.from_pretrained(model_args.model_name_or_path!)
  if (tokenizer.pad_token === null) tokenizer.pad_token = tokenizer.eos_token

  // 10. The pairs.
  const dataset = await load_dataset(script_args.dataset_name!, { name: script_args.dataset_config })

  // 11. The trainer.
  const trainer = new DPOTrainer({
    model,
    args: training_args,
    train_dataset: dataset[script_args.dataset_train_split]!,
    eval_dataset: training_args.eval_strategy !== 'no' ? dataset[script_args.dataset_test_split]! : null,
    processing_class: tokenizer,
    peft_config,
  })

  // 12. Training.
  await trainer.train()
  // 13. What is measured at the end.
  if (training_args.eval_strategy !== 'no') console.log(await trainer.evaluate())
  // 14. The adapter is saved.
  await trainer.save_model(training_args.output_dir)
  // 15. more than syntax: push_to_hub is no option of DPOConfig; where HF_TOKEN is set, the adapter goes to the hub.
  if (process.env['HF_TOKEN'] !== undefined) await trainer.push_to_hub()
  return trainer
}

export async function main(words: readonly string[]): Promise<DPOTrainer> {
  // 16, 17. The arguments.
  const parser = new TrlParser([ScriptArguments, DPOConfig, ModelConfig])
  const [script_args, training_args, model_args] = await parser.parse_args_and_config(words)
  // 18.
  return run(script_args, training_args, model_args)
}

if (process.argv[1]?.endsWith('trl-dpo.ts')) await main(process.argv.slice(2))
