/**
 * How the library's own values are displayed as a cell's result, in a terminal and in a log. It is not in their
 * classes, so that tensors and models do not depend on the display. Loaded by `index.ts`.
 */
import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { Dataset } from './data/dataset'
import { DatasetDict } from './data/dataset-dict'
import { IterableDataset } from './data/iterable-dataset'
import { IterableDatasetDict } from './data/iterable-dataset-dict'
import { PreTrainedTokenizer } from './data/tokenizer'
import { CausalLM } from './models/causal-lm'
import { PeftModel } from './peft/model'
import { MergeDifferences } from './export/merge-differences'
import { MemoryForecast } from './memory/plan-memory'
import { forecastBundle } from './memory/plan-panel'
import { tableBundle } from './display/table'
import { Device } from './tensor/device'
import { Tensor } from './tensor/tensor'
import { Chat } from './serving/chat'
import { SFTTrainer } from './trainer/sft-trainer'
import {
  datasetBundle,
  datasetDictBundle,
  datasetDictText,
  datasetText,
  streamBundle,
  streamDictBundle,
  streamDictText,
  streamText,
} from './display/dataset-text'
import { formatNumber } from './display/format'
import { LogitLens, logitLensBundle } from './display/logit-lens'
import { TokenLosses, tokenLossesBundle } from './display/token-losses'
import type { MimeBundle } from './display/output'
import { setLook } from './display/rich-display'
import { modelBundle, modelLine, modelText } from './display/model-text'
import { tensorBundle, tensorText } from './display/tensor-text'
import { panelBundle, statusText } from './display/watch'

setLook(Tensor.prototype, { text: tensorText, bundle: tensorBundle })
setLook(Device.prototype, { text: (device) => `Device(${device.name})` })
setLook(Dataset.prototype, { text: datasetText, bundle: datasetBundle })
setLook(DatasetDict.prototype, { text: datasetDictText, bundle: datasetDictBundle })
setLook(IterableDataset.prototype, { text: streamText, bundle: streamBundle })
setLook(IterableDatasetDict.prototype, { text: streamDictText, bundle: streamDictBundle })
for (const { prototype } of [CausalLM, PeftModel] as const)
  setLook<CausalLM | PeftModel>(prototype, { text: modelText, short: modelLine, bundle: modelBundle })
setLook(PreTrainedTokenizer.prototype, {
  text: (tokenizer) => {
    const { name_or_path, length, model_max_length, padding_side, truncation_side } = tokenizer
    const { bos_token, eos_token, unk_token, pad_token } = tokenizer
    const facts = { name_or_path, vocab_size: length, model_max_length, padding_side, truncation_side }
    return `PreTrainedTokenizer ${inspect({ ...facts, bos_token, eos_token, unk_token, pad_token })}`
  },
  short: ({ name_or_path }) => `PreTrainedTokenizer(${inspect(name_or_path)})`,
})
const differencesTable = ({ rows, tokens }: MergeDifferences): MimeBundle =>
  tableBundle(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          typeof value === 'number' ? formatNumber(value) : value,
        ]),
      ),
    ),
    { title: `Merged beside the adapter on its base, ${tokens} tokens` },
  )
setLook(MergeDifferences.prototype, {
  text: (differences) => String(differencesTable(differences)['text/plain']),
  bundle: differencesTable,
})
setLook(Chat.prototype, { text: (chat) => `Chat(${chat.conversation.messages.length} messages)` })
setLook(SFTTrainer.prototype, {
  text: (trainer) => `SFTTrainer(${statusText(trainer.status())})`,
  bundle: (trainer) => panelBundle(trainer, trainer.status(), randomUUID()),
})
setLook(MemoryForecast.prototype, {
  text: (forecast) => forecastBundle(forecast)['text/plain'],
  bundle: forecastBundle,
})
setLook(TokenLosses.prototype, {
  text: (losses) => tokenLossesBundle(losses)['text/plain'],
  bundle: tokenLossesBundle,
})
setLook(LogitLens.prototype, {
  text: (lens) => logitLensBundle(lens)['text/plain'],
  bundle: logitLensBundle,
})
