import { join, resolve } from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'

// What an editor shows where an option is typed, taken from TypeScript's language service.

const root = resolve(__dirname, '../..')
const cell = join(root, 'test/options/cell.ts')
const opening = `import { AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, get_peft_model, load_dataset,
  LoraConfig, PeftModel, SFTConfig, SFTTrainer, Tensor, TrainingArguments, type CausalLM } from '../../src/index'
declare const model: CausalLM
declare const peft: PeftModel
declare const trainer: SFTTrainer
`

let text = opening
let version = 0
let service: ts.LanguageService

beforeAll(() => {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (fault) => {
        throw new Error(String(fault.messageText))
      },
    },
  )!
  service = ts.createLanguageService({
    getScriptFileNames: () => [cell],
    getScriptVersion: (file) => (file === cell ? String(version) : '0'),
    getScriptSnapshot(file) {
      const content = file === cell ? text : ts.sys.readFile(file)
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => ({
      ...config.options,
      rootDir: root,
      noEmit: true,
      declaration: false,
      isolatedDeclarations: false,
      noUnusedLocals: false,
    }),
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
  })
}, 60_000)

/** Sets the cell and gives the place of `|` in it. */
function typed(code: string): number {
  const at = code.indexOf('|')
  text = opening + code.replace('|', '')
  version++
  return opening.length + at
}

function completions(code: string): ts.CompletionEntry[] {
  const entries = service.getCompletionsAtPosition(cell, typed(code), {})?.entries ?? []
  return [...entries].sort((a, b) => (a.sortText < b.sortText ? -1 : a.sortText > b.sortText ? 1 : 0))
}

const textOf = (parts: ts.SymbolDisplayPart[] | undefined): string => ts.displayPartsToString(parts ?? [])

function hover(code: string): string {
  const info = service.getQuickInfoAtPosition(cell, typed(code))
  const tags = (info?.tags ?? []).map((tag) => `@${tag.name} ${textOf(tag.text)}`)
  return [textOf(info?.displayParts), textOf(info?.documentation), ...tags].join('\n')
}

function faults(code: string): string[] {
  typed(`|${code}`)
  return service
    .getSemanticDiagnostics(cell)
    .map((fault) => ts.flattenDiagnosticMessageText(fault.messageText, ' '))
}

describe('completion', () => {
  it.each([
    ['new SFTConfig({ | })', 70],
    ['new TrainingArguments({ | })', 60],
    ['new LoraConfig({ | })', 20],
    ['new BitsAndBytesConfig({ | })', 7],
    ["AutoModelForCausalLM.from_pretrained('x', { | })", 10],
    ["AutoConfig.from_pretrained('x', { | })", 10],
    ["PeftModel.from_pretrained(model, 'x', { | })", 6],
    ['get_peft_model(model, new LoraConfig(), { | })', 3],
    ['new SFTTrainer({ | })', 13],
    ['trainer.train({ | })', 2],
    ['model.generate({ input_ids: [[1]] }, { | })', 12],
    ["load_dataset('x', { | })", 10],
  ])('%s: supported options are documented and stand before refused ones', (code, atLeast) => {
    const position = typed(code)
    const entries = completions(code)
    const isRefused = (entry: ts.CompletionEntry): boolean =>
      entry.kindModifiers?.includes('deprecated') === true
    const supported = entries.filter((entry) => !isRefused(entry))
    expect(supported.length).toBeGreaterThanOrEqual(atLeast)
    expect(entries.slice(0, supported.length)).toEqual(supported)
    for (const entry of entries) {
      const details = service.getCompletionEntryDetails(
        cell,
        position,
        entry.name,
        {},
        undefined,
        {},
        undefined,
      )
      const documentation = textOf(details?.documentation)
      if (!isRefused(entry)) expect(documentation, entry.name).toMatch(/\w.*\./)
      else
        expect(textOf(details?.tags?.find((tag) => tag.name === 'deprecated')?.text), entry.name).toMatch(
          /^not supported: \w.*\.$/,
        )
    }
  })

  it.each([
    ["new LoraConfig({ target_modules: '|' })", ['all-linear']],
    ["new LoraConfig({ bias: '|' })", ['none', 'all', 'lora_only']],
    ["new SFTConfig({ memory: '|' })", ['fast', 'balanced', 'lean']],
    ["new SFTConfig({ packing_strategy: '|' })", ['bfd', 'bfd_split', 'wrapped']],
    ["new SFTConfig({ report_to: '|' })", ['tensorboard', 'csv', 'none', 'all']],
    ["new SFTConfig({ optim: '|' })", ['paged_adamw_8bit', 'sgd']],
    ["new SFTConfig({ lr_scheduler_type: '|' })", ['cosine', 'linear']],
    ["new SFTConfig({ evaluation_strategy: '|' })", ['no', 'steps', 'epoch']],
    ["new BitsAndBytesConfig({ bnb_4bit_quant_type: '|' })", ['nf4', 'fp4']],
    ["new BitsAndBytesConfig({ bnb_4bit_compute_dtype: '|' })", ['bfloat16', 'torch.bfloat16']],
    ["AutoModelForCausalLM.from_pretrained('x', { dtype: '|' })", ['auto', 'bfloat16', 'torch.float32']],
    ["AutoModelForCausalLM.from_pretrained('x', { device_map: '|' })", ['auto', 'cpu', 'cuda']],
  ])('%s offers the values', (code, values) => {
    expect(completions(code).map((entry) => entry.name)).toEqual(expect.arrayContaining(values))
  })
})

describe('hover', () => {
  it('says what an option does, what it takes and its default', () => {
    const shown = hover('new SFTConfig({ learn|ing_rate: 1e-4 })')
    expect(shown).toContain('learning_rate')
    expect(shown).toMatch(/Peak learning rate.*Takes a number >= 0\..*@default 0\.00002/s)
    expect(hover('new TrainingArguments({ learn|ing_rate: 1e-4 })')).toContain('@default 0.00005')
    expect(hover('new LoraConfig({ lora_alp|ha: 1 })')).toContain('lora_alpha / r')
    expect(hover('new SFTConfig({ war|mup_ratio: 0.1 })')).toContain('Another spelling of warmup_steps')
    expect(hover('new SFTConfig().max_len|gth')).toContain('@default 1024')
    expect(hover('new SFTConfig({ fp1|6: false })')).toContain(
      '@deprecated not supported: it needs loss scaling',
    )
  })
})

it("load_dataset's split offers the usual names", () => {
  const names = completions("load_dataset('x', { split: '|' })").map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['train', 'validation', 'test']))
})

describe('type check', () => {
  it.each([
    "async () => { const { train, test } = await load_dataset('x'); return [train!.length, test!.num_rows] }",
    "async () => { for await (const row of await load_dataset('x', { split: 'train', streaming: true })) row['text'] }",
    "new SFTConfig({ memory: '6.6GiB' }); new SFTConfig({ memory: '6 GB' }); new SFTConfig({ memory: 1e9 })",
    'new SFTConfig({ fp16: Math.random() > 2, deepspeed: null, fsdp: [], gradient_checkpointing_kwargs: { use_reentrant: false } })',
    "new LoraConfig({ target_modules: 'all-linear' }); new LoraConfig({ target_modules: '.*proj' })",
    'new SFTConfig({ ...new TrainingArguments({ seed: 1 }), max_length: 512 })',
    'async (t: Tensor): Promise<number[]> => Array.from(await t.data())',
  ])('%s passes', (code) => expect(faults(code)).toEqual([]))

  it.each([
    ['new SFTConfig({ adafactor: true })', "Type 'true' is not assignable"],
    ["new SFTConfig({ deepspeed: 'x.json' })", "Type 'string' is not assignable"],
    ["new SFTConfig({ memory: '6.6' })", 'is not assignable'],
    ["new SFTConfig({ memory: 'fastest' })", 'is not assignable'],
    ['new SFTConfig({ learning_rat: 1 })', "'learning_rate'"],
    ['new BitsAndBytesConfig({ llm_int8_has_fp16_weight: true })', "Type 'true' is not assignable"],
    ['new SFTTrainer({ model })', 'train_dataset'],
    ["load_dataset('x', { streaming: 'yes' })", 'No overload matches'],
  ])('%s is a red line', (code, message) => expect(faults(code).join('\n')).toContain(message))
})
