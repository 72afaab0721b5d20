// A port of mlabonne's "Fine-tune Llama 2 in Google Colab" (github.com/mlabonne/llm-course).
// Each numbered statement is one of the notebook's, changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  cuda,
  load_dataset,
  logging,
  LoraConfig,
  PeftModel,
  pipeline,
  SFTTrainer,
  TrainingArguments,
} from '../src/index'

/** What a reader of the notebook changes. */
export interface Names {
  model_name: string
  dataset_name: string
  new_model: string
  output_dir: string
  device_map: string | Record<string, number>
  max_steps?: number
}

export async function main(names: Names): Promise<SFTTrainer> {
  // 1. The parameters.
  const { model_name, dataset_name, new_model, output_dir, device_map, max_steps = -1 } = names
  const [lora_r, lora_alpha, lora_dropout] = [64, 16, 0.1]
  const [use_4bit, bnb_4bit_compute_dtype, bnb_4bit_quant_type] = [true, 'float16', 'nf4'] as const
  const use_nested_quant = false

  // 2. The data.
  const dataset = await load_dataset(dataset_name, { split: 'train' })

  // 3, 4. How the base model is quantized.
  const compute_dtype = bnb_4bit_compute_dtype
  const bnb_config = new BitsAndBytesConfig({
    load_in_4bit: use_4bit,
    bnb_4bit_quant_type,
    bnb_4bit_compute_dtype: compute_dtype,
    bnb_4bit_use_double_quant: use_nested_quant,
  })

  // 5. more than syntax: the notebook asks the GPU without looking whether there is one.
  if (use_4bit && cuda.is_available()) {
    const [major] = cuda.get_device_capability()
    if (major >= 8) console.log('Your GPU has bfloat16: bf16: true trains faster')
  }

  // 6, 7, 8. The base model.
  let model = await AutoModelForCausalLM.from_pretrained(model_name, {
    quantization_config: bnb_config,
    device_map,
  })
  model.config.use_cache = false
  model.config.pretraining_tp = 1

  // 9, 10, 11. The tokenizer.
  let tokenizer = await AutoTokenizer.from_pretrained(model_name, { trust_remote_code: true })
  tokenizer.pad_token = tokenizer.eos_token
  tokenizer.padding_side = 'right'

  // 12. The adapter.
  const peft_config = new LoraConfig({
    lora_alpha,
    lora_dropout,
    r: lora_r,
    bias: 'none',
    task_type: 'CAUSAL_LM',
  })

  // 13. The settings of the run.
  const training_arguments = new TrainingArguments({
    output_dir,
    num_train_epochs: 1,
    per_device_train_batch_size: 4,
    gradient_accumulation_steps: 2,
    optim: 'paged_adamw_32bit',
    save_steps: 10,
    logging_steps: 1,
    learning_rate: 2e-4,
    weight_decay: 0.001,
    fp16: false,
    bf16: false,
    max_grad_norm: 0.3,
    max_steps,
    warmup_ratio: 0.03,
    group_by_length: true,
    lr_scheduler_type: 'constant',
    report_to: 'tensorboard',
  })

  // 14. The trainer.
  const trainer = new SFTTrainer({
    model,
    train_dataset: dataset,
    peft_config,
    dataset_text_field: 'text',
    max_seq_length: null,
    tokenizer,
    args: training_arguments,
    packing: false,
  })

  // 15, 16. Training; the adapter is saved.
  await trainer.train()
  await trainer.model.save_pretrained(output_dir)

  // 17, 18, 19. A question to the trained model.
  logging.set_verbosity(logging.CRITICAL)
  const pipe = await pipeline('text-generation', { model: trainer.model, tokenizer, max_length: 200 })
  const result = await pipe('<s>[INST] What is a large language model? [/INST]')
  console.log(result[0]!.generated_text)

  // 20, 21. The base model again, whole, and the adapter merged into it.
  const base_model = await AutoModelForCausalLM.from_pretrained(model_name, {
    low_cpu_mem_usage: true,
    return_dict: true,
    torch_dtype: 'float16',
    device_map,
  })
  model = await (await PeftModel.from_pretrained(base_model, output_dir)).merge_and_unload()

  // 22. The tokenizer again.
  tokenizer = await AutoTokenizer.from_pretrained(model_name, { trust_remote_code: true })
  tokenizer.pad_token = tokenizer.eos_token
  tokenizer.padding_side = 'right'

  // 23. Both go to the hub.
  await model.push_to_hub(new_model)
  await tokenizer.push_to_hub(new_model)
  return trainer
}
