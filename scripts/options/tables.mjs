// The option tables of src/, and the file that the interfaces of each are written to.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../..', import.meta.url))

const require = createRequire(import.meta.url)
const compilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true,
}

// The tables are read from the sources: a build would need the interfaces that are still to be written.
require.extensions['.ts'] = (module, file) =>
  module._compile(
    ts.transpileModule(readFileSync(file, 'utf8'), { compilerOptions, fileName: file }).outputText,
    file,
  )

const load = (path) => require(`${root}src/${path}`)

const trainer = {
  ...load('trainer/arguments-options'),
  ...load('trainer/sft-options'),
  ...load('trainer/trainer-options'),
  ...load('trainer/train-options'),
  ...load('trainer/preference/options'),
  ...load('trainer/preference/trainer-options'),
}
const serving = { ...load('serving/options'), ...load('serving/request-options') }
/** What each option means for a run that goes on from a checkpoint. */
export const runSettings = load('trainer/run-settings')
const peft = {
  ...load('peft/options'),
  ...load('peft/adapter-options'),
  ...load('peft/weighted'),
  ...load('peft/merge-options'),
}
const exporting = load('export/options')
export const describeSchema = load('options/describe').describeSchema
export const toJsonSchema = load('options/describe').toJsonSchema

/** `values`: the interface of parsed values; `given`: of what a caller gives; `base`: the table that this one extends. */
const training = { set: trainer.trainingOptionSet, values: 'TrainingOptions', given: 'TrainingInit' }

export const files = [
  {
    path: 'src/trainer/options.generated.ts',
    imports: [
      "import type { DatasetKwargs, FormattingFunc } from '../data/row-text'",
      "import type { PreTrainedTokenizer } from '../data/tokenizer'",
      "import type { PretrainedOptions } from '../models/pretrained-options'",
      "import type { TrainingDisplay } from '../display/training-progress'",
      "import type { CausalLM } from '../models/causal-lm'",
      "import type { LoraConfig } from '../peft/config'",
      "import type { PeftModel } from '../peft/model'",
      "import type { TrainingArguments } from './arguments'",
      "import type { Objective } from '../models/objective'",
      "import type { GivenCallback } from './callbacks'",
      "import type { AnyCollator } from '../data/collators/any'",
      "import type { ComputeMetrics } from './evaluation'",
      "import type { EvaluationData } from './evaluation-call'",
      "import type { TrainingData } from './row-sets'",
      "import type { Optimizer } from '../optim/optimizer'",
      "import type { Schedule } from '../optim/schedules'",
      "import type { BitsAndBytesConfig } from '../quantization/config'",
    ],
    tables: [
      training,
      { set: trainer.sftOptionSet, values: 'SFTOptions', given: 'SFTInit', base: training },
      { set: trainer.sftTrainerOptionSet, values: 'ParsedSFTTrainerOptions', given: 'SFTTrainerOptions' },
      { set: trainer.trainOptionSet, values: 'ParsedTrainOptions', given: 'TrainOptions' },
    ],
  },
  {
    path: 'src/trainer/preference/options.generated.ts',
    imports: [
      "import type { Dataset } from '../../data/dataset'",
      "import type { PreTrainedTokenizer } from '../../data/tokenizer'",
      "import type { TrainingDisplay } from '../../display/training-progress'",
      "import type { CausalLM } from '../../models/causal-lm'",
      "import type { LoraConfig } from '../../peft/config'",
      "import type { PeftModel } from '../../peft/model'",
      "import type { TrainingArguments } from '../arguments'",
      "import type { GivenCallback } from '../callbacks'",
      "import type { EvaluationData } from '../evaluation-call'",
      "import type { Optimizer } from '../../optim/optimizer'",
      "import type { Schedule } from '../../optim/schedules'",
      "import type { TrainingInit, TrainingOptions } from '../options.generated'",
    ],
    tables: [
      { set: trainer.dpoOptionSet, values: 'DPOOptions', given: 'DPOInit', base: training },
      { set: trainer.orpoOptionSet, values: 'ORPOOptions', given: 'ORPOInit', base: training },
      { set: trainer.ktoOptionSet, values: 'KTOOptions', given: 'KTOInit', base: training },
      {
        set: trainer.preferenceTrainerOptionSet('DPOTrainer'),
        values: 'ParsedPreferenceTrainerOptions',
        given: 'PreferenceTrainerOptions',
      },
    ],
  },
  {
    path: 'src/peft/options.generated.ts',
    imports: [],
    tables: [
      { set: peft.loraOptionSet, values: 'LoraOptions', given: 'LoraInit' },
      { set: peft.peftOptionSet, values: 'ParsedPeftOptions', given: 'PeftOptions' },
      { set: peft.adapterOptionSet, values: 'ParsedAdapterOptions', given: 'AdapterOptions' },
      { set: peft.weightedOptionSet, values: 'ParsedWeightedOptions', given: 'WeightedOptions' },
      { set: peft.mergeOptionSet, values: 'ParsedMergeOptions', given: 'MergeOptions' },
    ],
  },
  {
    path: 'src/memory/options.generated.ts',
    imports: [
      "import type { CausalLM } from '../models/causal-lm'",
      "import type { PretrainedConfig } from '../models/config'",
      "import type { PeftModel } from '../peft/model'",
      "import type { MemoryWish } from './planner'",
    ],
    tables: [
      { set: load('memory/options').planOptionSet, values: 'ParsedPlanOptions', given: 'PlanOptions' },
    ],
  },
  {
    path: 'src/quantization/options.generated.ts',
    imports: [],
    tables: [
      {
        set: load('quantization/config').bitsAndBytesOptionSet,
        values: 'BitsAndBytesOptions',
        given: 'BitsAndBytesInit',
      },
    ],
  },
  {
    path: 'src/models/options.generated.ts',
    imports: ["import type { BitsAndBytesConfig } from '../quantization/config'"],
    tables: [
      {
        set: load('models/pretrained-options').pretrainedOptionSet('AutoModelForCausalLM.from_pretrained'),
        values: 'ParsedPretrainedOptions',
        given: 'PretrainedOptions',
      },
    ],
  },
  {
    path: 'src/generation/options.generated.ts',
    imports: [
      "import type { PreTrainedTokenizer } from '../data/tokenizer'",
      "import type { DynamicCache } from './dynamic-cache'",
      "import type { GenerationConfig } from './generation-config'",
      "import type { BaseStreamer } from './streamers'",
    ],
    tables: [
      {
        set: load('generation/options').generateOptionSet,
        values: 'ParsedGenerateOptions',
        given: 'GenerateOptions',
      },
    ],
  },
  {
    path: 'src/serving/options.generated.ts',
    imports: ["import type { ChatMessage } from '../data/chat-template'"],
    tables: [
      { set: serving.serveOptionSet, values: 'ParsedServeOptions', given: 'ServeOptions' },
      { set: serving.samplingRequestSet, values: 'ParsedSamplingRequest', given: 'SamplingRequest' },
      {
        set: serving.chatRequestSet,
        values: 'ParsedChatRequest',
        given: 'ChatRequest',
        base: { set: serving.samplingRequestSet, values: 'ParsedSamplingRequest', given: 'SamplingRequest' },
      },
      {
        set: serving.completionRequestSet,
        values: 'ParsedCompletionRequest',
        given: 'CompletionRequest',
        base: { set: serving.samplingRequestSet, values: 'ParsedSamplingRequest', given: 'SamplingRequest' },
      },
    ],
  },
  {
    path: 'src/data/options.generated.ts',
    imports: [],
    tables: [
      {
        set: load('data/load-dataset-options').loadDatasetOptionSet,
        values: 'ParsedLoadDatasetOptions',
        given: 'LoadDatasetOptions',
      },
    ],
  },
  {
    path: 'src/export/options.generated.ts',
    imports: [
      "import type { PreTrainedTokenizer } from '../data/tokenizer'",
      "import type { BitsAndBytesConfig } from '../quantization/config'",
    ],
    tables: [
      { set: exporting.saveOptionSet, values: 'ParsedSaveOptions', given: 'SaveOptions' },
      { set: exporting.mergedOptionSet, values: 'ParsedMergedOptions', given: 'MergedOptions' },
      { set: exporting.ggufOptionSet, values: 'ParsedGgufOptions', given: 'GgufOptions' },
      { set: exporting.pushOptionSet, values: 'ParsedPushOptions', given: 'PushOptions' },
    ],
  },
]
