import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, it } from 'vitest'

import { HelpRequested, HfArgumentParser } from '../../src/options/argument-parser'
import { LoraConfig } from '../../src/peft/config'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { SFTConfig, TrainingArguments } from '../../src/trainer/arguments'

const parser = new HfArgumentParser([TrainingArguments, LoraConfig, BitsAndBytesConfig])
const parse = (line: string): [TrainingArguments, LoraConfig, BitsAndBytesConfig] =>
  parser.parse_args_into_dataclasses(line.split(' '))

describe('parse_args_into_dataclasses', () => {
  it('fills one object a class, each value of its own type', () => {
    const [args, lora, bnb] = parse(
      '--output_dir out --learning_rate 2e-4 --max-steps=-1 --num_train_epochs 10 --data_seed None --r 64 --lora_dropout 0.1 ' +
        '--target_modules q_proj v_proj --task_type CAUSAL_LM --rank_pattern {"q_proj":4} --bnb_4bit_quant_type nf4 --load_in_4bit',
    )
    expect(args).toBeInstanceOf(TrainingArguments)
    expect(args).toMatchObject({
      output_dir: 'out',
      learning_rate: 2e-4,
      max_steps: -1,
      num_train_epochs: 10,
      data_seed: null,
    })
    expect(lora).toMatchObject({
      r: 64,
      lora_dropout: 0.1,
      target_modules: ['q_proj', 'v_proj'],
      rank_pattern: { q_proj: 4 },
    })
    expect(lora.task_type).toBe('CAUSAL_LM')
    expect(bnb).toMatchObject({ bnb_4bit_quant_type: 'nf4', load_in_4bit: true })
  })

  it('reads booleans as --name, --name value and --no_name', () => {
    for (const on of ['--bf16', '--bf16 True', '--bf16=true', '--bf16 1', '--bf16 yes'])
      expect(parse(on)[0].bf16, on).toBe(true)
    for (const off of ['--bf16 False', '--bf16 0', '--no_bf16', '--no-bf16'])
      expect(parse(off)[0].bf16, off).toBe(false)
    expect(parse('--no_dataloader_pin_memory')[0].dataloader_pin_memory).toBe(false)
    expect(parse('--disable_tqdm')[0].disable_tqdm).toBe(true)
    expect(parse('--disable_tqdm None')[0].disable_tqdm).toBeNull()
    expect(() => parse('--bf16 maybe')).toThrow("[TrainingArguments] bf16: got 'maybe', needs true or false")
    expect(() => parse('--no_bf16 True')).toThrow("--no_bf16 takes no value, got 'True'")
  })

  it('reads unions, lists and other spellings', () => {
    expect(parse('--target_modules all-linear')[1].target_modules).toBe('all-linear')
    expect(parse('--init_lora_weights gaussian')[1].init_lora_weights).toBe('gaussian')
    expect(parse('--init_lora_weights false')[1].init_lora_weights).toBe(false)
    expect(parse('--layers_to_transform 1 2')[1].layers_to_transform).toEqual([1, 2])
    expect(parse('--report_to tensorboard csv')[0].report_to).toEqual(['tensorboard', 'csv'])
    expect(parse('--report_to tensorboard')[0].report_to).toEqual(['tensorboard'])
    expect(parse('--report_to none')[0].report_to).toEqual([])
    expect(parse('--modules_to_save lm_head')[1].modules_to_save).toEqual(['lm_head'])
    expect(parse('--warmup_ratio 0.03 --group_by_length')[0]).toMatchObject({
      warmup_steps: 0.03,
      train_sampling_strategy: 'group_by_length',
    })
    expect(
      parse('--lr_scheduler_type cosine --lr_scheduler_kwargs {"num_cycles":1.5}')[0].lr_scheduler_kwargs,
    ).toEqual({
      num_cycles: 1.5,
    })
    expect(parse('--output_dir 123')[0].output_dir).toBe('123')
  })

  it('names the nearest for an unknown option', () => {
    expect(() => parse('--learning_rat 1')).toThrow(
      new TypeError("[HfArgumentParser] unknown option '--learning_rat'. Did you mean '--learning_rate'?"),
    )
    expect(() => parse('--zzzzzzzzzz 1')).toThrow(
      "[HfArgumentParser] unknown option '--zzzzzzzzzz'. Known: --output_dir",
    )
    expect(() => parse('word')).toThrow("'word' follows no option")
  })

  it('refuses one option twice, a missing and a surplus value, and what a class refuses', () => {
    expect(() => parse('--r 1 --r 2')).toThrow('[HfArgumentParser] --r is given twice')
    expect(() => parse('--r')).toThrow('[HfArgumentParser] --r needs a value')
    expect(() => parse('--r 1 2')).toThrow('[LoraConfig] r: got ["1","2"], needs a whole number >= 1')
    expect(() => parse('--r many')).toThrow("[LoraConfig] r: got 'many', needs a whole number >= 1")
    expect(() => parse('--rank_pattern {oops')).toThrow(
      "[LoraConfig] rank_pattern: got '{oops', needs an object",
    )
    expect(() => parse('--deepspeed ds.json')).toThrow(
      "deepspeed = 'ds.json' is not supported: ranks are replicas that share the batches",
    )
    expect(() => parse('--fp16')).toThrow('fp16 = true is not supported')
    expect(parse('--no_fp16 --deepspeed None')[0].bf16).toBe(false)
  })

  it('gives back what it does not know when asked', () => {
    const [args, , , rest] = parser.parse_args_into_dataclasses(
      ['--seed', '7', '--mine', 'a', 'b', '--other=1', '--bf16'],
      { return_remaining_strings: true },
    )
    expect(args).toMatchObject({ seed: 7, bf16: true })
    expect(rest).toEqual(['--mine', 'a', 'b', '--other=1'])
  })

  it('shows each option with its default on --help, and the process goes on', () => {
    let help = ''
    try {
      parse('--help')
    } catch (error) {
      expect(error).toBeInstanceOf(HelpRequested)
      help = (error as Error).message
    }
    expect(help).toContain('LoraConfig:')
    expect(help).toContain('--warmup_steps (also --warmup_ratio)')
    expect(help).toContain('a number >= 0; default: 0.00005')
    expect(help).toMatch(/Known but not supported: .*deepspeed/)
    // What fits can be said in words for every option.
    const all = help + new HfArgumentParser([SFTConfig]).format_help()
    expect(all).not.toContain('another value')
    expect(all).toContain("one of 'nll', 'chunked_nll', 'dft'; default: 'chunked_nll'")
  })

  it('refuses two classes with one option', () => {
    expect(() => new HfArgumentParser([TrainingArguments, SFTConfig])).toThrow(
      "[HfArgumentParser] TrainingArguments and SFTConfig both have an option 'output_dir'",
    )
  })
})

describe('parse_dict and parse_json_file', () => {
  let folder: string | undefined
  afterEach(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true })
    folder = undefined
  })
  const file = async (text: string | Buffer): Promise<string> => {
    folder ??= await mkdtemp(join(tmpdir(), 'qlora-arguments-'))
    const path = join(folder, 'args.json')
    await writeFile(path, text)
    return path
  }

  it('hands each name to its class', () => {
    const [args, lora] = parser.parse_dict({ output_dir: 'x', lora_alpha: 16, warmup_ratio: 0.1 })
    expect(args).toMatchObject({ output_dir: 'x', warmup_steps: 0.1 })
    expect(lora.lora_alpha).toBe(16)
    expect(() => parser.parse_dict({ lora_alfa: 16 })).toThrow(
      "unknown option 'lora_alfa'. Did you mean 'lora_alpha'?",
    )
    expect(parser.parse_dict({ lora_alfa: 16 }, { allow_extra_keys: true })[1].lora_alpha).toBe(8)
  })

  it('reads a file and names it when it is not one object', async () => {
    const [args] = await parser.parse_json_file(await file('{ "seed": 3, "report_to": "tensorboard" }'))
    expect(args).toMatchObject({ seed: 3, report_to: ['tensorboard'] })
    await expect(parser.parse_json_file(await file('{ "seed": '))).rejects.toThrow(
      /args\.json: not valid JSON/,
    )
    await expect(parser.parse_json_file(await file('[1]'))).rejects.toThrow(
      /args\.json: expected a JSON object, got an array/,
    )
    await expect(parser.parse_json_file('/nowhere/args.json')).rejects.toThrow(
      '/nowhere/args.json: no such file',
    )
    // As other editors save it, and as they should not.
    const [marked] = await parser.parse_json_file(await file('\ufeff{ "seed": 4 }'))
    expect(marked.seed).toBe(4)
    await expect(
      parser.parse_json_file(await file(Buffer.from('{ "run_name": "é" }', 'latin1'))),
    ).rejects.toThrow(/args\.json:1: not UTF-8 at byte 15/)
  })
})
