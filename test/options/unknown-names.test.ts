import { describe, expect, it } from 'vitest'
import * as qlora from '../../src/index'
import { tinyTokenizer } from '../data/tiny'
import { tinyModel, tinyPeft } from '../models/tiny'
import { tinyPreference, tinyTrainer } from '../trainer/tiny'

// "None is ignored": every public function that takes options is called with a name that does not exist.

const odd = { no_such_option: 1 } as never
const rows = qlora.Dataset.from_list([{ text: 'a' }, { text: 'b' }])
const stream = qlora.IterableDataset.from_generator(() => rows)
const absent = '/nowhere/at-all'

const calls: Record<string, () => unknown> = {
  SFTConfig: () => new qlora.SFTConfig(odd),
  TrainingArguments: () => new qlora.TrainingArguments(odd),
  LoraConfig: () => new qlora.LoraConfig(odd),
  BitsAndBytesConfig: () => new qlora.BitsAndBytesConfig(odd),
  AdamW: () => new qlora.AdamW([], odd),
  Lion: () => new qlora.Lion([], odd),
  SGD: () => new qlora.SGD([], odd),
  SFTTrainer: () => tinyTrainer({}, odd),
  DPOConfig: () => new qlora.DPOConfig(odd),
  KTOConfig: () => new qlora.KTOConfig(odd),
  ORPOConfig: () => new qlora.ORPOConfig(odd),
  DPOTrainer: () => tinyPreference('DPO', {}, odd),
  KTOTrainer: () => tinyPreference('KTO', {}, odd),
  ORPOTrainer: () => tinyPreference('ORPO', {}, odd),
  init_process_group: () => qlora.init_process_group(odd),
  train_step: async () => {
    const model = await tinyPeft()
    const options = { learning_rate: 1, ...(odd as object) }
    return qlora.train_step(model, new qlora.AdamW(model.parameters()), [{ input_ids: [[1]] }], options)
  },
  plot: () => qlora.plot(odd),
  plan_memory: () => qlora.plan_memory(odd),
  show_batch: async () => qlora.show_batch(await tinyTrainer(), odd),
  token_losses: async () => qlora.token_losses(await tinyModel(), 'a', odd),
  logit_lens: async () => qlora.logit_lens(await tinyModel(), 'a', odd),
  'PeftModel.forward_backward': async () => (await tinyPeft()).forward_backward({ input_ids: [[1]] }, odd),
  'PeftModel.forward_backward inputs': async () =>
    (await tinyPeft()).forward_backward({ input_ids: [[1]], ...(odd as object) }),
  'PeftModel.forward inputs': async () =>
    (await tinyPeft()).forward({ input_ids: [[1]], ...(odd as object) }),
  'SFTTrainer.train': async () => (await tinyTrainer()).train(odd),
  'SFTTrainer.evaluate': async () => (await tinyTrainer()).evaluate(rows, odd),
  get_scheduler: () =>
    qlora.get_scheduler('linear', { num_training_steps: 1, learning_rate: 1, ...(odd as object) }),
  'get_scheduler extras': () =>
    qlora.get_scheduler('cosine', { num_training_steps: 1, learning_rate: 1, lr_scheduler_kwargs: odd }),
  get_peft_model: async () => qlora.get_peft_model(await tinyModel(), new qlora.LoraConfig(), odd),
  'PeftModel.from_pretrained': async () => qlora.PeftModel.from_pretrained(await tinyModel(), absent, odd),
  'AutoPeftModelForCausalLM.from_pretrained': () =>
    qlora.AutoPeftModelForCausalLM.from_pretrained(absent, odd),
  'AutoConfig.from_pretrained': () => qlora.AutoConfig.from_pretrained(absent, odd),
  'AutoModelForCausalLM.from_pretrained': () => qlora.AutoModelForCausalLM.from_pretrained(absent, odd),
  'AutoTokenizer.from_pretrained': () => qlora.AutoTokenizer.from_pretrained(absent, odd),
  load_dataset: () => qlora.load_dataset(absent, odd),
  'Dataset.map': () => rows.map((row) => row, odd),
  'Dataset.filter': () => rows.filter(() => true, odd),
  'Dataset.shuffle': () => rows.shuffle(odd),
  'Dataset.train_test_split': () => rows.train_test_split(odd),
  'Dataset.sort': () => rows.sort('text', odd),
  'Dataset.shard': () => rows.shard(odd as never),
  'Dataset.to_json': () => rows.to_json('x.jsonl', odd),
  'Dataset.to_csv': () => rows.to_csv('x.csv', odd),
  'Dataset.save_to_disk': () => rows.save_to_disk('x', odd),
  'DatasetDict.save_to_disk': () => new qlora.DatasetDict([['train', rows]]).save_to_disk('x', odd),
  'IterableDataset.map': () => stream.map((row: object) => row, odd),
  'IterableDataset.filter': () => stream.filter(() => true, odd),
  'IterableDataset.shuffle': () => stream.shuffle(odd),
  concatenate_datasets: () => qlora.concatenate_datasets([rows], odd),
  'tokenizer.call': async () => (await tinyTokenizer()).call('a', odd),
  'tokenizer.batch_encode': async () => (await tinyTokenizer()).batch_encode(['a'], odd),
  'tokenizer.encode': async () => (await tinyTokenizer()).encode('a', odd),
  'tokenizer.decode': async () => (await tinyTokenizer()).decode([1], odd),
  'tokenizer.batch_decode': async () => (await tinyTokenizer()).batch_decode([[1]], odd),
  'tokenizer.apply_chat_template': async () =>
    (await tinyTokenizer()).apply_chat_template([{ role: 'user', content: 'a' }], odd),
  'model.generate': async () => (await tinyModel()).generate({ input_ids: [[1]] }, odd),
  'model.generate inputs': async () => (await tinyModel()).generate({ input_ids: [[1]], ...(odd as object) }),
  'PeftModel.generate': async () => (await tinyPeft()).generate({ input_ids: [[1]] }, odd),
  'model.stream': async () =>
    (await tinyModel()).stream('a', { tokenizer: await tinyTokenizer(), ...(odd as object) }).next(),
  'PeftModel.stream': async () =>
    (await tinyPeft()).stream('a', { tokenizer: await tinyTokenizer(), ...(odd as object) }).next(),
  GenerationConfig: () => new qlora.GenerationConfig(odd),
  'GenerationConfig.from_pretrained': () => qlora.GenerationConfig.from_pretrained(absent, odd),
  TextStreamer: async () => new qlora.TextStreamer(await tinyTokenizer(), odd),
  TextIteratorStreamer: async () => new qlora.TextIteratorStreamer(await tinyTokenizer(), odd),
  Conversation: async () => new qlora.Conversation(await tinyModel(), await tinyTokenizer(), odd),
  chat: async () => qlora.chat(await tinyModel(), await tinyTokenizer(), odd),
  serve: async () => qlora.serve(await tinyModel(), await tinyTokenizer(), odd),
  pipeline: async () =>
    qlora.pipeline('text-generation', {
      model: await tinyModel(),
      tokenizer: await tinyTokenizer(),
      ...(odd as object),
    }),
  'pipeline call': async () =>
    (await qlora.pipeline('text-generation', { model: await tinyModel(), tokenizer: await tinyTokenizer() }))(
      'a',
      odd,
    ),
  'functional.quantize_4bit': () => qlora.functional.quantize_4bit(qlora.Tensor.from([1, 2]), odd),
  'functional.dequantize_4bit': () => {
    const { codes, quant_state } = qlora.functional.quantize_4bit(qlora.Tensor.from([1, 2]))
    return qlora.functional.dequantize_4bit(codes, quant_state, odd)
  },
  'Tensor.from': () => qlora.Tensor.from([1], odd),
  hf_hub_download: () => qlora.hf_hub_download({ repo_id: 'a/b', filename: 'c', ...(odd as object) }),
  list_repo_files: () => qlora.list_repo_files({ repo_id: 'a/b', ...(odd as object) }),
  snapshot_download: () => qlora.snapshot_download({ repo_id: 'a/b', ...(odd as object) }),
  plot_loss: () => qlora.plot_loss([], odd),
  show_table: () => qlora.show_table([], odd),
  display: () => qlora.display(1, odd),
  watch: async () => qlora.watch(await tinyTrainer(), odd),
  EarlyStoppingCallback: () => new qlora.EarlyStoppingCallback(odd),
  train_on_responses_only: async () => qlora.train_on_responses_only(await tinyTrainer(), odd),
  DataCollatorForCompletionOnlyLM: () => new qlora.DataCollatorForCompletionOnlyLM(odd),
  DataCollatorForLanguageModeling: () => new qlora.DataCollatorForLanguageModeling(odd),
  DataCollatorForSeq2Seq: () => new qlora.DataCollatorForSeq2Seq(odd),
  DataCollatorWithPadding: () => new qlora.DataCollatorWithPadding(odd),
  'SFTTrainer.predict': async () => (await tinyTrainer()).predict(rows, odd),
  prepare_model_for_kbit_training: async () => qlora.prepare_model_for_kbit_training(await tinyModel(), odd),
  'FastLanguageModel.from_pretrained': () =>
    qlora.FastLanguageModel.from_pretrained({ model_name: absent, ...(odd as object) }),
  'FastLanguageModel.get_peft_model': async () =>
    qlora.FastLanguageModel.get_peft_model(await tinyModel(), odd),
  AutoPeftModelForCausalLM: () => qlora.AutoPeftModelForCausalLM.from_pretrained(absent, odd),
  'TrlParser.parse_args_and_config': () =>
    new qlora.TrlParser([qlora.LoraConfig]).parse_args_and_config([], odd),
  'HfArgumentParser.parse_dict': () => new qlora.HfArgumentParser([qlora.LoraConfig]).parse_dict(odd),
  'HfArgumentParser.parse_dict options': () =>
    new qlora.HfArgumentParser([qlora.LoraConfig]).parse_dict({}, odd),
  'HfArgumentParser.parse_args options': () =>
    new qlora.HfArgumentParser([qlora.LoraConfig]).parse_args_into_dataclasses([], odd),
}

describe('a name that no function knows', () => {
  it.each(Object.entries(calls))('%s', async (_, call) => {
    await expect((async () => call())()).rejects.toThrow('no_such_option')
  })

  it('a new public function is in the list, or takes no options', () => {
    // Classes that are not made by users, values, and functions without options.
    const without = [
      'CausalLM',
      'LlamaForCausalLM',
      'PretrainedConfig',
      'LlamaConfig',
      'PreTrainedTokenizer',
      'DatasetDict',
      'DynamicCache',
      'IterableDatasetDict',
      'load_from_disk',
      'ModelConfig',
      'ScriptArguments',
      'get_kbit_device_map',
      'get_peft_config',
      'get_quantization_config',
    ]
    const others = [
      'TaskType',
      'set_seed',
      'clip_grad_norm_',
      'Device',
      'load_safetensors',
      'save_safetensors',
      'cuda',
      'destroy_process_group',
      'PartialState',
      'logging',
      'experimental',
    ]
    const called = new Set(Object.keys(calls).map((name) => name.split(/[ .]/)[0]!))
    const missing = Object.keys(qlora).filter((name) => ![...called, ...without, ...others].includes(name))
    expect(missing).toEqual([])
  })
})

describe('what the reference takes and this does not', () => {
  it.each<[string, () => unknown, string]>([
    [
      'input_columns of map',
      () => rows.map((row) => row, { input_columns: 'text' } as never),
      'input_columns',
    ],
    ['fn_kwargs of filter', () => rows.filter(() => true, { fn_kwargs: { k: 1 } } as never), 'fn_kwargs'],
    [
      'stratify_by_column',
      () => rows.train_test_split({ stratify_by_column: 'text' } as never),
      'stratify_by_column',
    ],
    [
      'return_tensors',
      async () => (await tinyTokenizer()).call('a', { return_tensors: 'pt' } as never),
      'return_tensors',
    ],
    [
      'padding misspelt',
      async () => (await tinyTokenizer()).call('a', { paddin: true } as never),
      "Did you mean 'padding'",
    ],
    [
      "generate's options beside the prompt",
      async () => (await tinyModel()).generate({ input_ids: [[1]], max_new_tokens: 3 } as never),
      'max_new_tokens is an option: give it in a second object',
    ],
  ])('%s is told', async (_, call, message) => {
    await expect((async () => call())()).rejects.toThrow(message)
  })

  it('passes where nothing is asked for', async () => {
    const harmless = { num_proc: 1, load_from_cache_file: false, with_indices: true, desc: null } as object
    expect((await rows.map((_row, i) => ({ i }), harmless)).column('i')).toEqual([0, 1])
    expect(
      (await (await tinyTokenizer()).call('a', { return_tensors: null } as object)).input_ids.length,
    ).toBeGreaterThan(0)
  })
})

describe('callbacks', () => {
  it('a method that nothing calls is told, one of a class too', async () => {
    class Late {
      on_epoch_start(): void {}
    }
    for (const callback of [{ on_step_start: () => undefined }, new Late()])
      await expect(tinyTrainer({}, { callbacks: [callback] as never })).rejects.toThrow(
        /unknown event 'on_(step|epoch)_start'/,
      )
    await expect(tinyTrainer({}, { callbacks: [7] as never })).rejects.toThrow('callbacks: got 7')
    class Own {
      helper(): void {}
      on_log(): void {}
    }
    await expect(tinyTrainer({}, { callbacks: [new Own()] })).resolves.toBeDefined()
  })
})

describe('mistakes are told when they are made', () => {
  it.each<[string, object, string]>([
    [
      'a DatasetDict as train_dataset',
      { train_dataset: new qlora.DatasetDict([['train', rows]]) },
      "dict.get('train')",
    ],
    ['an array as train_dataset', { train_dataset: rows.to_list() }, 'train_dataset: got'],
    ['rows as eval_dataset', { eval_dataset: { a: rows.to_list() } }, 'eval_dataset: got'],
    ['an object as peft_config', { peft_config: { r: 2 } }, 'needs a LoraConfig or null'],
  ])('%s', async (_, options, message) => {
    await expect(tinyTrainer({}, options as never)).rejects.toThrow(message)
  })

  it('eval_strategy without eval_dataset', async () => {
    await expect(tinyTrainer({ eval_strategy: 'epoch' }, { eval_dataset: null })).rejects.toThrow(
      "eval_strategy is 'epoch': give eval_dataset",
    )
  })

  it('a second adapter: the message says whose unload() takes the first off', async () => {
    const peft = await tinyPeft()
    expect(() => qlora.get_peft_model(peft as never, new qlora.LoraConfig())).toThrow(
      'call unload() on it first',
    )
    expect(() => qlora.get_peft_model(peft.base_model, new qlora.LoraConfig())).toThrow(
      'Take it off with model.unload()',
    )
  })

  it('HfArgumentParser takes one class, and says which classes it can read', () => {
    const [args] = new qlora.HfArgumentParser(qlora.LoraConfig).parse_args_into_dataclasses(['--r', '4'])
    expect((args as qlora.LoraConfig).r).toBe(4)
    class Mine {}
    expect(() => new qlora.HfArgumentParser([Mine] as never)).toThrow('the class Mine has no fields')
    expect(() => new qlora.HfArgumentParser([undefined] as never)).toThrow(
      'got undefined; needs a class with fields, or TrainingArguments',
    )
  })
})
