import { logger } from '../logging'
import { alpacaPrompt, alpacaTexts, alpacaTurns, isAlpaca } from './alpaca'
import { type ChatMessage } from './chat-template'
import { stringOf } from './column-text'
import { type Dataset, type Row } from './dataset'
import { type PreTrainedTokenizer } from './tokenizer'
import { templateOptionsOf, turnsOf } from './turns'

/** The text of one row, before tokenization. */
export interface RowText {
  text: string
  /** The part before the completion, if only the completion is trained on. */
  prompt?: string
  /** Character ranges of `text` to train on, if not all of it. */
  spans?: [number, number][]
}

/** TRL's settings for reading raw texts. */
export interface DatasetKwargs {
  /** false: the tokenizer's special tokens are not added to raw texts. Default: true. */
  add_special_tokens?: boolean
  /** false: the end token is not added to raw texts that lack it. Default: true. */
  append_concat_token?: boolean
  /** true: the rows already have input_ids. Default: decided by the columns. */
  skip_prepare_dataset?: boolean
}

/**
 * The text of a row; or, as TRL's older trainers called it, of an object of columns the list of its rows'
 * texts.
 */
export type FormattingFunc = (row: Row) => string | readonly string[] | Promise<string | readonly string[]>

export interface RowTextOptions {
  /** Name of the data set in messages. */
  dataset_name: string
  dataset_text_field: string
  /** null: true for rows with prompt and completion. */
  completion_only_loss: boolean | null
  assistant_only_loss: boolean
  /** Makes the text of a row, in place of `dataset_text_field`. */
  formatting_func?: FormattingFunc | undefined
  dataset_kwargs?: DatasetKwargs | null | undefined
}

export interface RowReader {
  /** Rendered conversations contain their special tokens; raw text gets the tokenizer's. */
  add_special_tokens: boolean
  read(row: Row, index: number): Promise<RowText>
}

/**
 * Chooses how to read rows from their columns, as TRL does: `formatting_func`; `prompt` and `completion`;
 * `messages`, or ShareGPT's `conversations`; the text column; else Alpaca's `instruction`, `input` and `output`,
 * read as prompt and completion: turns if the tokenizer has a chat template, else Stanford's text. A conversion is
 * logged once. Raw texts and completions get the end token if they lack it.
 *
 * @throws Error listing the columns when none fits, or when `assistant_only_loss` is set for plain text.
 */
export function rowReader(
  dataset: Dataset,
  tokenizer: PreTrainedTokenizer,
  options: RowTextOptions,
): RowReader {
  const { dataset_name, dataset_text_field, assistant_only_loss, formatting_func } = options
  const has = (name: string): boolean => dataset.column_names.includes(name)
  const first = dataset.length > 0 ? dataset.at(0) : {}
  const eos = tokenizer.eos_token
  const { add_special_tokens = true, append_concat_token = true } = options.dataset_kwargs ?? {}
  const ended = (text: string): string =>
    eos === null || !append_concat_token || text.endsWith(eos) ? text : text + eos

  const isCompletion = has('prompt') && has('completion')
  const turnColumns = ['messages', 'conversations'].filter(has)
  const turns =
    turnColumns.find((name) => Array.isArray(first[name])) ??
    (has(dataset_text_field) ? undefined : turnColumns[0])
  const chat = !formatting_func && (isCompletion ? Array.isArray(first['prompt']) : turns !== undefined)
  const alpaca =
    !formatting_func && !isCompletion && turns === undefined && !has(dataset_text_field) && isAlpaca(has)
  const asTurns = alpaca && tokenizer.chat_template !== null
  if (assistant_only_loss && !chat && !asTurns) {
    throw new Error(
      `[SFT] assistant_only_loss needs conversations (a column 'messages' or 'conversations'). Columns of the ${dataset_name} data set: ${dataset.column_names.join(', ')}`,
    )
  }
  if (formatting_func) {
    return {
      add_special_tokens,
      read: async (row, i) => ({ text: ended(await formatted(formatting_func, row, i)) }),
    }
  }
  if (isCompletion) {
    const onlyCompletion = options.completion_only_loss ?? true
    return chat
      ? chatCompletions(tokenizer, onlyCompletion, assistant_only_loss)
      : textCompletions(onlyCompletion, ended, add_special_tokens)
  }
  if (turns !== undefined) {
    if ((first[turns] as Row[] | undefined)?.[0]?.['from'] !== undefined)
      logger.warning_once(
        `[SFT] the ${dataset_name} data set has ShareGPT's turns in '${turns}': from and value are read as role and content, the roles stay as they are`,
      )
    return {
      add_special_tokens: false,
      read: async (row, i) =>
        conversation(tokenizer, row, i, turnsOf(row[turns], turns, i), assistant_only_loss),
    }
  }
  if (alpaca) {
    logger.warning_once(
      `[SFT] the ${dataset_name} data set has Alpaca's columns: instruction and input are read as the prompt, output as the completion, ` +
        (asTurns
          ? "with the tokenizer's chat template"
          : "with Stanford Alpaca's words, for the tokenizer has no chat template"),
    )
    const onlyCompletion = options.completion_only_loss ?? true
    if (asTurns) {
      const reader = chatCompletions(tokenizer, onlyCompletion, assistant_only_loss)
      return {
        ...reader,
        read: async (row, i) => reader.read({ ...row, ...alpacaTurns(alpacaTexts(row, i)) }, i),
      }
    }
    const reader = textCompletions(onlyCompletion, ended, add_special_tokens)
    return {
      ...reader,
      read: async (row, i) => {
        const texts = alpacaTexts(row, i)
        return reader.read({ prompt: alpacaPrompt(texts), completion: texts.output }, i)
      },
    }
  }
  if (!has(dataset_text_field)) {
    throw new Error(
      `[SFT] the ${dataset_name} data set has no column '${dataset_text_field}' (dataset_text_field), and neither 'messages' nor 'conversations' nor 'prompt' and ` +
        `'completion' nor 'instruction' and 'output'. Its columns: ${dataset.column_names.join(', ') || 'none'}`,
    )
  }
  return {
    add_special_tokens,
    read: async (row, i) => ({ text: ended(stringOf(row[dataset_text_field], dataset_text_field, i)) }),
  }
}

/**
 * Calls formatting_func. If it returns a list, or fails for a row, it expects columns and gets a table of this
 * row alone.
 */
async function formatted(format: FormattingFunc, row: Row, index: number): Promise<string> {
  // A function of columns may fail when it gets a row, for instance on the length of a number.
  const [direct, failed] = await Promise.resolve()
    .then(() => format(row))
    .then((text) => [text, undefined] as const)
    .catch((error: unknown) => [undefined, error] as const)
  if (typeof direct === 'string') return direct
  const columns = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]]))
  if (!Array.isArray(direct) && failed === undefined) return stringOf(direct, 'formatting_func', index)
  const texts = await Promise.resolve()
    .then(() => format(columns))
    .catch((error: unknown) => {
      throw failed ?? error
    })
  if (!Array.isArray(texts)) {
    if (failed !== undefined) throw failed
    return stringOf(direct, 'formatting_func', index)
  }
  if (texts.length !== 1)
    throw new TypeError(
      `[SFT] row ${index}: formatting_func gave ${texts.length} texts for a table of one row, needs one`,
    )
  return stringOf(texts[0], 'formatting_func', index)
}

function textCompletions(
  onlyCompletion: boolean,
  ended: (text: string) => string,
  add_special_tokens: boolean,
): RowReader {
  return {
    add_special_tokens,
    read: async (row, i) => {
      const prompt = stringOf(row['prompt'], 'prompt', i)
      const text = prompt + ended(stringOf(row['completion'], 'completion', i))
      return onlyCompletion ? { text, prompt } : { text }
    },
  }
}

function chatCompletions(
  tokenizer: PreTrainedTokenizer,
  onlyCompletion: boolean,
  assistantOnly: boolean,
): RowReader {
  return {
    add_special_tokens: false,
    read: async (row, i) => {
      const prompt = turnsOf(row['prompt'], 'prompt', i)
      const whole = await conversation(
        tokenizer,
        row,
        i,
        [...prompt, ...turnsOf(row['completion'], 'completion', i)],
        assistantOnly,
      )
      if (!onlyCompletion) return whole
      const opened = await tokenizer.apply_chat_template(prompt, {
        tokenize: false,
        add_generation_prompt: true,
        ...templateOptionsOf(row, i),
      })
      return { ...whole, prompt: opened }
    },
  }
}

async function conversation(
  tokenizer: PreTrainedTokenizer,
  row: Row,
  index: number,
  messages: ChatMessage[],
  assistantOnly: boolean,
): Promise<RowText> {
  const options = templateOptionsOf(row, index)
  if (!assistantOnly)
    return { text: await tokenizer.apply_chat_template(messages, { tokenize: false, ...options }) }
  const { text, spans, marked } = tokenizer.assistant_spans(messages, options)
  // Ranges that the template marks are the answers exactly; derived ranges reach to the start of the next turn.
  if (marked) return { text, spans }
  return {
    text,
    spans: spans.map(([start, end]) => [start, start + spoken(text.slice(start, end), tokenizer)]),
  }
}

/** Length of a turn without the white space after its end token, where generation stops. */
function spoken(turn: string, tokenizer: PreTrainedTokenizer): number {
  const trimmed = turn.trimEnd()
  return tokenizer.all_special_tokens.some((token) => trimmed.endsWith(token)) ? trimmed.length : turn.length
}
