import type { DataCollatorForCompletionOnlyLM } from './completion-only'
import type { DataCollator } from './own'
import type {
  DataCollatorForLanguageModeling,
  DataCollatorForSeq2Seq,
  DataCollatorWithPadding,
} from './plain'

/** The values that SFTTrainer accepts as data_collator. */
export type AnyCollator =
  | DataCollator
  | DataCollatorForCompletionOnlyLM
  | DataCollatorForLanguageModeling
  | DataCollatorForSeq2Seq
  | DataCollatorWithPadding
