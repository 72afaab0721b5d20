import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { train as artidoroQlora } from '../../examples/artidoro-qlora'
import { main as llama2Colab } from '../../examples/llama-2-colab'
import { main as peftSft } from '../../examples/peft-sft'
import { main as fsdpQlora } from '../../examples/run-fsdp-qlora'
import { main as trlDpo } from '../../examples/trl-dpo'
import { main as trlSft } from '../../examples/trl-sft'
import { main as unslothAlpaca } from '../../examples/unsloth-llama-3-alpaca'
import { Dataset, IterableDataset, logging } from '../../src/index'
import { cleanHubEnvironment } from '../files/support/hub-case'
import { HubReceiver } from '../files/support/hub-receive'
import { HubServer } from '../files/support/hub-server'
import { temporaryFolder } from '../files/support/temporary'
import { tinyFolder } from './tiny-folder'

// Published scripts, ported line by line (examples/), on a tiny model and tiny data.

cleanHubEnvironment()
const verbosity = logging.get_verbosity()
afterEach(() => {
  vi.restoreAllMocks()
  logging.set_verbosity(verbosity)
})

/** What is printed from here on goes into the list. */
function quiet(): string[] {
  const printed: string[] = []
  vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed.push(values.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(' '))
  })
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  return printed
}

/** A data set's folder with these rows, and those of a test split. */
async function dataFolder(train: object[], test?: object[]): Promise<string> {
  const folder = await temporaryFolder()
  const lines = (rows: object[]): string => rows.map((row) => JSON.stringify(row)).join('\n')
  await writeFile(join(folder, 'train.jsonl'), lines(train))
  if (test) await writeFile(join(folder, 'test.jsonl'), lines(test))
  return folder
}

async function fakeHub(): Promise<HubServer> {
  const hub = await HubServer.start()
  hub.receiver = new HubReceiver(hub, 'hf_x')
  vi.stubEnv('HF_ENDPOINT', hub.endpoint)
  vi.stubEnv('HF_HOME', await temporaryFolder())
  vi.stubEnv('HF_TOKEN', 'hf_x')
  return hub
}

it('run_fsdp_qlora.py: a YAML file, conversations, packing, an adapter saved', async () => {
  quiet()
  const folder = await temporaryFolder()
  const rows = Array.from({ length: 6 }, (_, i) => ({
    messages: [
      { role: 'user', content: `hello ${i}` },
      { role: 'assistant', content: 'world' },
    ],
  }))
  for (const name of ['train_dataset.json', 'test_dataset.json'])
    await writeFile(join(folder, name), rows.map((row) => JSON.stringify(row)).join('\n'))
  const config = [
    `model_id: ${await tinyFolder()}`,
    `dataset_path: ${folder}`,
    'max_seq_len: 64',
    `output_dir: ${join(folder, 'out')}`,
    ...['max_steps: 2', 'logging_steps: 1', 'eval_strategy: epoch', 'bf16: true', 'tf32: true'],
    ...['gradient_checkpointing: true', 'optim: adamw_torch', 'report_to: none', 'disable_tqdm: true'],
  ]
  await writeFile(join(folder, 'config.yaml'), config.join('\n'))
  const trainer = await fsdpQlora(['--config', join(folder, 'config.yaml'), '--learning_rate', '2e-4'])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.args).toMatchObject({ learning_rate: 2e-4, packing: true, max_length: 64 })
  expect(trainer.state.log_history.some((row) => 'eval_loss' in row)).toBe(true)
  expect(existsSync(join(folder, 'out', 'adapter_model.safetensors'))).toBe(true)
})

it('Llama 2 in Colab: 4 bits, a text column, TensorBoard, an answer, merged, both on the hub', async () => {
  const printed = quiet()
  const hub = await fakeHub()
  const folder = await temporaryFolder()
  const trainer = await llama2Colab({
    model_name: await tinyFolder(),
    dataset_name: await dataFolder([{ text: '<s>[INST] hello [/INST] world </s>' }, { text: 'hello' }]),
    new_model: 'me/miniguanaco',
    output_dir: join(folder, 'results'),
    device_map: 'cpu',
    max_steps: 2,
  })
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.args).toMatchObject({ max_length: 1024, optim: 'paged_adamw_32bit', bf16: false })
  expect((await readdir(join(folder, 'results'))).sort()).toEqual(
    expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'runs']),
  )
  expect(printed.at(-1)).toContain('[INST] What is a large language model?')
  const { files } = hub.repos.find(({ key }) => key === 'model/me/miniguanaco')!
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']),
  )
})

it("Unsloth's Llama 3 Alpaca: FastLanguageModel, batched map, 8-bit AdamW, streamed text, merged and GGUF", async () => {
  quiet()
  const shown = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
  const folder = await temporaryFolder()
  const trainer = await unslothAlpaca({
    model_name: await tinyFolder(),
    dataset_name: await dataFolder([
      { instruction: 'add', input: '1 1', output: '2' },
      { instruction: 'greet', input: '', output: 'hello world' },
    ]),
    folder,
    max_steps: 2,
    max_new_tokens: 3,
  })
  onTestFinished(() => trainer.dispose())
  shown.mockRestore()
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.model.peft_config).toMatchObject({ r: 16, lora_dropout: 0 })
  const made = await Promise.all(
    ['llama_lora', 'llama_finetune_16bit', 'llama_finetune'].map((name) => readdir(join(folder, name))),
  )
  expect(made[0]).toContain('adapter_model.safetensors')
  expect(made[1]).toContain('model.safetensors')
  expect(made[2]!.some((name) => name.endsWith('.gguf'))).toBe(true)
})

it("peft's examples/sft: a JSON file, splits that save_to_disk wrote, a template, packing", async () => {
  quiet()
  const folder = await temporaryFolder()
  const messages = [
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'world' },
  ]
  for (const split of ['train', 'test'])
    await Dataset.from_list([{ messages }, { messages }]).save_to_disk(join(folder, 'data', split))
  const config = {
    ...{ model_name_or_path: await tinyFolder(), dataset_name: join(folder, 'data') },
    ...{ chat_template_format: 'chatml', dataset_text_field: 'content', lora_r: 8 },
    ...{ use_peft_lora: true, use_4bit_quantization: true, use_nested_quant: true, packing: true },
    ...{ max_seq_length: 64, output_dir: join(folder, 'out'), max_steps: 2, eval_strategy: 'epoch' },
    ...{ gradient_checkpointing: true, use_reentrant: true, report_to: 'none', log_level: 'info', seed: 100 },
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const trainer = await peftSft([join(folder, 'config.json')])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.state.log_history.some((row) => 'eval_loss' in row)).toBe(true)
  expect(trainer.args).toMatchObject({ packing: true, max_length: 64, dataset_text_field: 'content' })
  expect(trainer.model.base_model.quantization_config).toMatchObject({ bnb_4bit_use_double_quant: true })
  const [row] = trainer.train_dataset as Dataset
  expect(row!['content']).toBe('<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nworld<|im_end|>\n')
  expect(existsSync(join(folder, 'out', 'adapter_model.safetensors'))).toBe(true)
})

it("artidoro's qlora.py: the command line, a collator of its own, a callback, evaluation", async () => {
  quiet()
  const output = await temporaryFolder()
  const rows = Array.from({ length: 6 }, (_, i) => ({ instruction: `add ${i}`, input: '', output: 'world' }))
  const words = {
    ...{ model_name_or_path: await tinyFolder(), dataset: await dataFolder(rows), dataset_format: 'alpaca' },
    ...{ output_dir: output, max_steps: '2', save_steps: '2', eval_dataset_size: '2', source_max_len: '40' },
    ...{ per_device_train_batch_size: '2', gradient_accumulation_steps: '1', learning_rate: '0.0002' },
    ...{ lora_r: '4', optim: 'paged_adamw_32bit', lr_scheduler_type: 'constant', max_grad_norm: '0.3' },
    ...{ remove_unused_columns: 'False', report_to: 'none', group_by_length: 'True', warmup_ratio: '0.03' },
  }
  const trainer = await artidoroQlora([
    ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]),
    ...['--do_train', '--do_eval', '--gradient_checkpointing'],
  ])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(trainer.state.log_history.at(-1)).toHaveProperty('eval_loss')
  expect((trainer.train_dataset as Dataset).column_names).toEqual(['input', 'output'])
  for (const path of ['completed', 'checkpoint-2/adapter_model/adapter_model.safetensors'])
    expect(existsSync(join(output, path))).toBe(true)
})

it("TRL's sft.py: the command line, 4 bits, an adapter, evaluation", async () => {
  quiet()
  const output = await temporaryFolder()
  const rows = [{ text: 'hello world' }, { text: 'world' }]
  const words = {
    ...{ model_name_or_path: await tinyFolder(), dataset_name: await dataFolder(rows, rows) },
    ...{
      output_dir: output,
      max_steps: '2',
      eval_strategy: 'steps',
      eval_steps: '2',
      learning_rate: '2.0e-4',
    },
    ...{
      lora_r: '4',
      lora_target_modules: 'all-linear',
      report_to: 'none',
      bf16: 'False',
      save_strategy: 'no',
    },
  }
  const trainer = await trlSft([
    ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]),
    ...['--use_peft', '--load_in_4bit', '--packing', '--gradient_checkpointing'],
  ])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.log_history.some((row) => 'eval_loss' in row)).toBe(true)
  expect(trainer.model.peft_config).toMatchObject({ r: 4, lora_alpha: 32, lora_dropout: 0.05 })
  expect(trainer.model.base_model.quantization_config).toMatchObject({ bnb_4bit_quant_type: 'nf4' })
  expect(existsSync(join(output, 'adapter_model.safetensors'))).toBe(true)
})

it("TRL's sft.py: a stream of the command line", async () => {
  quiet()
  const rows = [{ text: 'hello world' }, { text: 'world' }]
  const words = ['--model_name_or_path', await tinyFolder(), '--dataset_name', await dataFolder(rows)]
  const trainer = await trlSft([
    ...[...words, '--output_dir', await temporaryFolder(), '--max_steps', '3', '--use_peft'],
    ...['--dataset_streaming', '--report_to', 'none', '--bf16', 'False', '--save_strategy', 'no'],
  ])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(3)
  expect(trainer.train_dataset).toBeInstanceOf(IterableDataset)
})

it("TRL's dpo.py: pairs, an adapter, rewards measured", async () => {
  const printed = quiet()
  const output = await temporaryFolder()
  const rows = [{ prompt: 'say', chosen: ' hello', rejected: ' world' }]
  const words = {
    ...{ model_name_or_path: await tinyFolder(), dataset_name: await dataFolder(rows, rows) },
    ...{ output_dir: output, max_steps: '2', eval_strategy: 'epoch', report_to: 'none', bf16: 'False' },
  }
  const trainer = await trlDpo([
    ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]),
    '--use_peft',
  ])
  onTestFinished(() => trainer.dispose())
  expect(trainer.state.global_step).toBe(2)
  expect(printed.some((line) => line.includes('eval_rewards/margins'))).toBe(true)
  expect(existsSync(join(output, 'adapter_model.safetensors'))).toBe(true)
  await expect(trlDpo(['--model_name_or_path', 'x', '--output_dir', output])).rejects.toThrow()
})

describe('docs/ports.md', async () => {
  const page = await readFile(resolve(__dirname, '../../docs/ports.md'), 'utf8')
  const rows = [...page.matchAll(/^\| .*\| `(examples\/[\w-]+\.ts)` +\| (\d+) +\| (\d+)/gm)]

  it('lists every port', async () => {
    const ports = (await readdir(resolve(__dirname, '../../examples'))).filter((name) => name.endsWith('.ts'))
    expect(rows.map(([, path]) => path).sort()).toEqual(ports.map((name) => `examples/${name}`).sort())
  })

  it.each(rows.map(([, path, statements, more]) => [path!, Number(statements), Number(more)] as const))(
    '%s: %i statements, of which %i needed more than syntax',
    async (path, statements, more) => {
      const text = await readFile(resolve(__dirname, '../..', path), 'utf8')
      const numbers = [...text.matchAll(/^ *\/\/ ((?:\d+(?:, )?)+)\./gm)].flatMap(([, list]) =>
        list!.split(', '),
      )
      expect(numbers.map(Number)).toEqual(Array.from({ length: statements }, (_, i) => i + 1))
      expect([...text.matchAll(/^ *\/\/ [\d, ]+\. more than syntax: \w/gm)].length).toBe(more)
    },
  )
})
