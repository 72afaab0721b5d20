import type { DataCollatorForCompletionOnlyLM } from './completion-only'
import type { DataCollator } from './own'
import type {
  DataCollatorForLanguageModeling,
  DataCollatorForSeq2Seq,
  DataCollatorWithPadding,
} from './plain'

/** What SFTTrainer's data_collator may be. */
export type AnyCollator =
  | DataCollator
  | DataCollatorForCompletionOnlyLM
  | DataCollatorForLanguageModeling
  | DataCollatorForSeq2Seq
  | DataCollatorWithPadding
