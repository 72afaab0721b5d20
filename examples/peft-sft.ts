// A port of peft's examples/sft, train.py and utils.py (github.com/huggingface/peft), on one device.
// Each numbered statement is one of the scripts', changed in syntax only; a line with "more than syntax" says where that did not do.
// test/scripts/ports.test.ts runs it on a tiny model; in a project of your own the names come from 'qlora'.
import { join } from 'node:path'
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BitsAndBytesConfig,
  type CausalLM,
  type Dataset,
  DatasetDict,
  HfArgumentParser,
  load_dataset,
  load_from_disk,
  LoraConfig,
  type PreTrainedTokenizer,
  set_seed,
  SFTTrainer,
  TrainingArguments,
} from '../src/index'

// 1. The templates.
const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
const ZEPHYR =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"

// 2. The arguments of the model.
export class ModelArguments {
  model_name_or_path!: string
  chat_template_format: string = 'none'
  lora_alpha: number = 16
  lora_dropout: number = 0.1
  lora_r: number = 64
  lora_target_modules: string = 'q_proj,k_proj,v_proj,o_proj,down_proj,up_proj,gate_proj'
  use_nested_quant: boolean = false
  bnb_4bit_compute_dtype: 'float16' | 'bfloat16' | 'float32' = 'float16'
  bnb_4bit_quant_type: 'nf4' | 'fp4' = 'nf4'
  use_flash_attn: boolean = false
  use_peft_lora: boolean = false
  use_4bit_quantization: boolean = false
  use_reentrant: boolean = false
}

// 3. The arguments of the data.
export class DataTrainingArguments {
  dataset_name: string = 'timdettmers/openassistant-guanaco'
  packing: boolean = false
  dataset_text_field: string = 'text'
  max_seq_length: number = 512
  append_concat_token: boolean = false
  add_special_tokens: boolean = false
  splits: string = 'train,test'
}

async function create_datasets(
  tokenizer: PreTrainedTokenizer,
  data_args: DataTrainingArguments,
  apply_chat_template: boolean,
): Promise<[Dataset, Dataset]> {
  // 4. Conversations become texts.
  const preprocess = async (samples: Record<string, unknown[]>): Promise<{ content: string[] }> => {
    const content: string[] = []
    for (const conversation of samples['messages']!)
      content.push(await tokenizer.apply_chat_template(conversation as never, { tokenize: false }))
    return { content }
  }
  // 5, 6. From the hub, or else from a folder that save_to_disk wrote.
  let raw_datasets = new DatasetDict()
  for (const split of data_args.splits.split(',')) {
    const dataset = await load_dataset(data_args.dataset_name, { split }).catch(
      async () => (await load_from_disk(join(data_args.dataset_name, split))) as Dataset,
    )
    if (!['train', 'test'].some((known) => split.includes(known)))
      throw new Error(`Split type ${split} is neither train nor test.`)
    raw_datasets.set(split.includes('train') ? 'train' : 'test', dataset)
  }
  // 7.
  if (apply_chat_template)
    raw_datasets = await raw_datasets.map(preprocess as never, {
      batched: true,
      remove_columns: raw_datasets.get('train').column_names,
    })
  // 8.
  const [train_data, valid_data] = [raw_datasets.get('train'), raw_datasets.get('test')]
  console.log(`${train_data.length} rows to learn from, ${valid_data.length} to validate on`)
  return [train_data, valid_data]
}

async function create_and_prepare_model(
  args: ModelArguments,
): Promise<[CausalLM, LoraConfig | null, PreTrainedTokenizer]> {
  // 9. How the model is quantized.
  const bnb_config = args.use_4bit_quantization
    ? new BitsAndBytesConfig({
        load_in_4bit: true,
        bnb_4bit_quant_type: args.bnb_4bit_quant_type,
        bnb_4bit_compute_dtype: args.bnb_4bit_compute_dtype,
        bnb_4bit_use_double_quant: args.use_nested_quant,
      })
    : null
  // 10.
  const model = await AutoModelForCausalLM.from_pretrained(args.model_name_or_path, {
    quantization_config: bnb_config,
    trust_remote_code: true,
    attn_implementation: args.use_flash_attn ? 'flash_attention_2' : 'eager',
    torch_dtype: 'float32',
  })
  // 11. The adapter.
  const peft_config = args.use_peft_lora
    ? new LoraConfig({
        lora_alpha: args.lora_alpha,
        lora_dropout: args.lora_dropout,
        r: args.lora_r,
        bias: 'none',
        task_type: 'CAUSAL_LM',
        target_modules:
          args.lora_target_modules === 'all-linear' ? 'all-linear' : args.lora_target_modules.split(','),
      })
    : null
  // 12. The tokenizer.
  const tokenizer = await AutoTokenizer.from_pretrained(args.model_name_or_path, { trust_remote_code: true })
  tokenizer.pad_token = tokenizer.eos_token
  // 13. more than syntax: the script adds the template's marks as new tokens; here they are texts of the old vocabulary.
  if (args.chat_template_format !== 'none')
    tokenizer.chat_template = args.chat_template_format === 'chatml' ? CHATML : ZEPHYR
  return [model, peft_config, tokenizer]
}

export async function run(
  model_args: ModelArguments,
  data_args: DataTrainingArguments,
  training_args: TrainingArguments,
): Promise<SFTTrainer> {
  // 14. The seed and the model.
  set_seed(training_args.seed)
  const [model, peft_config, tokenizer] = await create_and_prepare_model(model_args)
  model.config.use_cache = !training_args.gradient_checkpointing
  // 15.
  if (training_args.gradient_checkpointing)
    training_args.gradient_checkpointing_kwargs = { use_reentrant: model_args.use_reentrant }
  // 16. The data.
  const has_template = model_args.chat_template_format !== 'none'
  const [train_dataset, eval_dataset] = await create_datasets(tokenizer, data_args, has_template)

  // 17. The trainer.
  const trainer = new SFTTrainer({
    model,
    tokenizer,
    args: training_args,
    train_dataset,
    eval_dataset,
    peft_config,
    packing: data_args.packing,
    dataset_kwargs: {
      append_concat_token: data_args.append_concat_token,
      add_special_tokens: data_args.add_special_tokens,
    },
    dataset_text_field: data_args.dataset_text_field,
    max_seq_length: data_args.max_seq_length,
  })
  trainer.accelerator.print(String(trainer.model.peft_config.r))
  if (model_args.use_peft_lora) trainer.model.print_trainable_parameters()
  // 18. Training, from a checkpoint where one is named; the adapter is saved.
  await trainer.train({ resume_from_checkpoint: training_args.resume_from_checkpoint })
  await trainer.save_model()
  return trainer
}

export async function main(words: readonly string[]): Promise<SFTTrainer> {
  // 19. The arguments, from a JSON file or the command line.
  const parser = new HfArgumentParser([ModelArguments, DataTrainingArguments, TrainingArguments])
  const [model_args, data_args, training_args] =
    words.length === 1 && words[0]!.endsWith('.json')
      ? await parser.parse_json_file(words[0]!)
      : parser.parse_args_into_dataclasses(words)
  return run(model_args, data_args, training_args)
}

if (process.argv[1]?.endsWith('peft-sft.ts')) await main(process.argv.slice(2))
