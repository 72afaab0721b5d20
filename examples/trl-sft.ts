// A port of TRL's trl/scripts/sft.py (github.com/huggingface/trl).
// Each numbered statement is one of the script's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import {
  AutoConfig,
  AutoModelForCausalLM,
  get_kbit_device_map,
  get_peft_config,
  get_quantization_config,
  load_dataset,
  ModelConfig,
  type PretrainedOptions,
  ScriptArguments,
  SFTConfig,
  SFTTrainer,
  TrlParser,
} from '../src/index'

export async function run(
  script_args: ScriptArguments,
  training_args: SFTConfig,
  model_args: ModelConfig,
): Promise<SFTTrainer> {
  // 1. How the model is loaded.
  const model_kwargs: PretrainedOptions = {
    revision: model_args.model_revision,
    trust_remote_code: training_args.trust_remote_code,
    attn_implementation: model_args.attn_implementation,
    dtype: model_args.dtype,
  }
  // 2, 3, 4. In how many bits, and where.
  const quantization_config = get_quantization_config(model_args)
  if (quantization_config !== null) {
    model_kwargs.device_map = get_kbit_device_map()
    model_kwargs.quantization_config = quantization_config
  }

  // 5. The kind of the model.
  const config = await AutoConfig.from_pretrained(model_args.model_name_or_path!)
  // 6. more than syntax: models of images and text are not loaded here; from_pretrained refuses them by name.
  console.log(`a model of the kind ${config.model_type}`)
  // 7.
  const model = await AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path!, model_kwargs)

  // 8. The data, whole or while it is used.
  const { dataset_name, dataset_config: name, dataset_streaming: streaming } = script_args
  const dataset = await load_dataset(dataset_name!, { name, streaming } as { name: string | null })

  // 9. The trainer.
  const trainer = new SFTTrainer({
    model,
    args: training_args,
    train_dataset: dataset[script_args.dataset_train_split]!,
    eval_dataset: training_args.eval_strategy !== 'no' ? dataset[script_args.dataset_test_split]! : null,
    peft_config: get_peft_config(model_args),
  })

  // 10, 11. Training.
  await trainer.train()
  trainer.accelerator.print('Training is done.')
  // 12, 13. The adapter is saved.
  await trainer.save_model(training_args.output_dir)
  trainer.accelerator.print(`The model is in ${training_args.output_dir}.`)
  // 14. more than syntax: push_to_hub is no option of SFTConfig; where HF_TOKEN is set, the adapter goes to the hub.
  if (process.env['HF_TOKEN'] !== undefined) await trainer.push_to_hub()
  return trainer
}

export async function main(words: readonly string[]): Promise<SFTTrainer> {
  // 15, 16. The arguments.
  const parser = new TrlParser([ScriptArguments, SFTConfig, ModelConfig])
  const [script_args, training_args, model_args] = await parser.parse_args_and_config(words)
  // 17.
  return run(script_args, training_args, model_args)
}

if (process.argv[1]?.endsWith('trl-sft.ts')) await main(process.argv.slice(2))
