import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { HfArgumentParser } from '../../src/options/argument-parser'
import { TrlParser } from '../../src/options/trl-parser'
import { SFTConfig, TrainingArguments } from '../../src/trainer/arguments'
import { temporaryFolder } from '../files/support/temporary'

class ScriptArguments {
  static help: Record<string, string> = { dataset_path: 'Folder of the data set' }
  dataset_path: string | null = null
  model_id!: string
  max_seq_len: number = 512
  use_flash_attn: boolean = false
  splits: string = 'train,test'
  layers: number[] = [0]
}

/** As scripts of 2023 declare their own settings beside those of the trainer, with other defaults. */
class OwnArguments extends TrainingArguments {
  override optim: TrainingArguments['optim'] = 'paged_adamw_32bit'
  override max_grad_norm: number = 0.3
  override output_dir: string = './output'
  cache_dir: string | null = null
  bits: number = 4
}

const words = (line: string): string[] => line.split(' ')

it("reads fields of a user's class by the types of their first values", () => {
  const parser = new HfArgumentParser([ScriptArguments, TrainingArguments])
  const [script, training] = parser.parse_args_into_dataclasses(
    words('--model_id m --max-seq-len 128 --use_flash_attn --dataset_path data --layers 1 2 --seed 7'),
  )
  expect(script).toBeInstanceOf(ScriptArguments)
  expect({ ...script }).toEqual({
    dataset_path: 'data',
    model_id: 'm',
    max_seq_len: 128,
    use_flash_attn: true,
    splits: 'train,test',
    layers: [1, 2],
  })
  expect(training).toBeInstanceOf(TrainingArguments)
  expect(training.seed).toBe(7)
  const [again] = parser.parse_args_into_dataclasses(words('--model_id m'))
  expect(again.layers).toEqual([0])
  expect(parser.format_help()).toMatch(/--dataset_path\n +Folder of the data set\n/)
})

it('says what is missing, unknown or of another type', () => {
  const parser = new HfArgumentParser([ScriptArguments])
  expect(() => parser.parse_args_into_dataclasses([])).toThrow('[ScriptArguments] model_id is missing')
  expect(() => parser.parse_args_into_dataclasses(words('--model_id m --max_seq_len long'))).toThrow(
    "[ScriptArguments] max_seq_len: got 'long', needs a number or null",
  )
  expect(() => parser.parse_args_into_dataclasses(words('--model_idd m'))).toThrow(
    "Did you mean '--model_id'?",
  )
  class Needs {
    constructor(readonly x: { y: number }) {
      void x.y
    }
  }
  expect(() => new HfArgumentParser([Needs as never])).toThrow('Needs cannot be made without arguments')
})

it('a subclass of TrainingArguments adds fields and changes defaults, and its options are checked as ever', () => {
  const parser = new HfArgumentParser(OwnArguments)
  const [args] = parser.parse_args_into_dataclasses(words('--bits 8 --learning_rate 1e-4')) as [OwnArguments]
  expect(args).toBeInstanceOf(OwnArguments)
  expect(args).toMatchObject({ bits: 8, cache_dir: null, learning_rate: 1e-4, max_grad_norm: 0.3 })
  expect(args).toMatchObject({ optim: 'paged_adamw_32bit', output_dir: './output', run_name: './output' })
  expect(args.get_warmup_steps(10)).toBe(0)
  const [other] = parser.parse_args_into_dataclasses(words('--optim sgd')) as [OwnArguments]
  expect(other.optim).toBe('sgd')
  expect(() => parser.parse_args_into_dataclasses(words('--learning_rate -1'))).toThrow(
    '[TrainingArguments] learning_rate: got -1',
  )
})

it('reads YAML files', async () => {
  const path = join(await temporaryFolder(), 'args.yaml')
  await writeFile(path, 'model_id: m\nmax_seq_len: 64\nlearning_rate: 2.0e-4\n')
  const [script, config] = await new HfArgumentParser([ScriptArguments, SFTConfig]).parse_yaml_file(path)
  expect([script.max_seq_len, config.learning_rate]).toEqual([64, 2e-4])
  await writeFile(path, '- a\n')
  await expect(new HfArgumentParser([ScriptArguments]).parse_yaml_file(path)).rejects.toThrow(
    `${path}: got ["a"], needs an object of options`,
  )
})

it('TrlParser: --config gives defaults and environment, the command line goes before it', async () => {
  const path = join(await temporaryFolder(), 'config.yaml')
  await writeFile(path, 'env:\n  QLORA_TEST_ENV: 3\nmodel_id: m\nmax_seq_len: 64\nlearning_rate: 2.0e-4\n')
  const parser = new TrlParser([ScriptArguments, SFTConfig])
  const [script, config] = await parser.parse_args_and_config(['--max_seq_len', '32', '--config', path])
  expect([script.model_id, script.max_seq_len, config.learning_rate]).toEqual(['m', 32, 2e-4])
  expect(process.env['QLORA_TEST_ENV']).toBe('3')
  delete process.env['QLORA_TEST_ENV']
  await writeFile(path, 'model_id: m\nmodle: 2\n')
  await expect(parser.parse_args_and_config(['--config', path])).rejects.toThrow('no class knows modle')
  const kept = await parser.parse_args_and_config(['--config', path, '--mine', '1'], {
    return_remaining_strings: true,
  })
  expect((kept as unknown[])[2]).toEqual(['--modle', '2', '--mine', '1'])
  const [lenient] = await parser.parse_args_and_config(['--config', path], { fail_with_unknown_args: false })
  expect(lenient.model_id).toBe('m')
})
