// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { ChatMessage } from '../data/chat-template'

/** The values of serve. */
export interface ParsedServeOptions {
  /**
   * Address to listen on; any except a local one needs api_key.
   *
   * Takes a text.
   * @default '127.0.0.1'
   */
  host: string
  /**
   * Port to listen on; 0: one that is free.
   *
   * Takes a whole number >= 0 and <= 65535.
   * @default 8000
   */
  port: number
  /**
   * Clients must send it (Authorization: Bearer ...); null: QLORA_API_KEY, else none.
   *
   * Takes a text or null.
   * @default null
   */
  api_key: string | null
  /**
   * Model name for clients; null: the last part of the model's path.
   *
   * Takes a text or null.
   * @default null
   */
  served_model_name: string | null
  /**
   * Number of answers generated at the same time; further requests wait.
   *
   * Takes a whole number >= 1.
   * @default 16
   */
  max_num_seqs: number
  /**
   * Number of requests that may wait; further ones get status 429.
   *
   * Takes a whole number >= 0.
   * @default 1024
   */
  max_queue: number
  /**
   * The most tokens of prompt and answer together; null: the model's max_position_embeddings.
   *
   * Takes a whole number >= 2 or null.
   * @default null
   */
  max_model_len: number | null
}

/** What serve takes. */
export interface ServeOptions {
  /**
   * Address to listen on; any except a local one needs api_key.
   *
   * Takes a text.
   * @default '127.0.0.1'
   */
  host?: string
  /**
   * Port to listen on; 0: one that is free.
   *
   * Takes a whole number >= 0 and <= 65535.
   * @default 8000
   */
  port?: number
  /**
   * Clients must send it (Authorization: Bearer ...); null: QLORA_API_KEY, else none.
   *
   * Takes a text or null.
   * @default null
   */
  api_key?: string | null
  /**
   * Model name for clients; null: the last part of the model's path.
   *
   * Takes a text or null.
   * @default null
   */
  served_model_name?: string | null
  /**
   * Number of answers generated at the same time; further requests wait.
   *
   * Takes a whole number >= 1.
   * @default 16
   */
  max_num_seqs?: number
  /**
   * Number of requests that may wait; further ones get status 429.
   *
   * Takes a whole number >= 0.
   * @default 1024
   */
  max_queue?: number
  /**
   * The most tokens of prompt and answer together; null: the model's max_position_embeddings.
   *
   * Takes a whole number >= 2 or null.
   * @default null
   */
  max_model_len?: number | null
}

/** The values of requests to qlora serve. */
export interface ParsedSamplingRequest {
  /**
   * The served model's name; left out: that one.
   *
   * Takes a text.
   * @default ''
   */
  model: string
  /**
   * 0: always the most probable token; null: that of the model's generation_config.json, else 1.
   *
   * Takes a number >= 0 and <= 2 or null.
   * @default null
   */
  temperature: number | null
  /**
   * Draw among the most probable tokens whose probabilities add up to this; null: that of the model's generation_config.json, else all.
   *
   * Takes a number > 0 and <= 1 or null.
   * @default null
   */
  top_p: number | null
  /**
   * Draw among the so many most probable tokens; 0 or -1: all; null: that of the model's generation_config.json, else all.
   *
   * Takes a whole number >= -1 or null.
   * @default null
   */
  top_k: number | null
  /**
   * Draw among the tokens at least this share as probable as the best.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  min_p: number
  /**
   * Above 1: earlier tokens become less likely; null: that of the model's generation_config.json.
   *
   * Takes a number > 0 or null.
   * @default null
   */
  repetition_penalty: number | null
  /**
   * Subtracted from the logit of a token for each of its occurrences in the answer.
   *
   * Takes a number >= -2 and <= 2.
   * @default 0
   */
  frequency_penalty: number
  /**
   * Subtracted from the logit of a token that occurs in the answer.
   *
   * Takes a number >= -2 and <= 2.
   * @default 0
   */
  presence_penalty: number
  /**
   * Added to the logits of tokens by id.
   *
   * Takes an object of numbers from -100 to 100 by token id.
   * @default {}
   */
  logit_bias: Record<string, number>
  /**
   * Makes sampling repeatable; null: another seed each time.
   *
   * Takes a whole number or null.
   * @default null
   */
  seed: number | null
  /**
   * Answers to each prompt.
   *
   * Takes a whole number >= 1 and <= 128.
   * @default 1
   */
  n: number
  /**
   * Text, or texts, before which an answer ends.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  stop: string | string[] | null
  /**
   * Send the answer in pieces, as server-sent events.
   *
   * Takes true or false.
   * @default false
   */
  stream: boolean
  /**
   * include_usage: the last event contains the token counts.
   *
   * Takes { include_usage } or null.
   * @default null
   */
  stream_options: { include_usage?: boolean } | null
  /**
   * Nothing is stored about users.
   *
   * Takes a text or null.
   * @default null
   */
  user: string | null
}

/** What requests to qlora serve takes. */
export interface SamplingRequest {
  /**
   * The served model's name; left out: that one.
   *
   * Takes a text.
   * @default ''
   */
  model?: string
  /**
   * 0: always the most probable token; null: that of the model's generation_config.json, else 1.
   *
   * Takes a number >= 0 and <= 2 or null.
   * @default null
   */
  temperature?: number | null
  /**
   * Draw among the most probable tokens whose probabilities add up to this; null: that of the model's generation_config.json, else all.
   *
   * Takes a number > 0 and <= 1 or null.
   * @default null
   */
  top_p?: number | null
  /**
   * Draw among the so many most probable tokens; 0 or -1: all; null: that of the model's generation_config.json, else all.
   *
   * Takes a whole number >= -1 or null.
   * @default null
   */
  top_k?: number | null
  /**
   * Draw among the tokens at least this share as probable as the best.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  min_p?: number
  /**
   * Above 1: earlier tokens become less likely; null: that of the model's generation_config.json.
   *
   * Takes a number > 0 or null.
   * @default null
   */
  repetition_penalty?: number | null
  /**
   * Subtracted from the logit of a token for each of its occurrences in the answer.
   *
   * Takes a number >= -2 and <= 2.
   * @default 0
   */
  frequency_penalty?: number
  /**
   * Subtracted from the logit of a token that occurs in the answer.
   *
   * Takes a number >= -2 and <= 2.
   * @default 0
   */
  presence_penalty?: number
  /**
   * Added to the logits of tokens by id.
   *
   * Takes an object of numbers from -100 to 100 by token id.
   * @default {}
   */
  logit_bias?: Record<string, number>
  /**
   * Makes sampling repeatable; null: another seed each time.
   *
   * Takes a whole number or null.
   * @default null
   */
  seed?: number | null
  /**
   * Answers to each prompt.
   *
   * Takes a whole number >= 1 and <= 128.
   * @default 1
   */
  n?: number
  /**
   * Text, or texts, before which an answer ends.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  stop?: string | string[] | null
  /**
   * Send the answer in pieces, as server-sent events.
   *
   * Takes true or false.
   * @default false
   */
  stream?: boolean
  /**
   * include_usage: the last event contains the token counts.
   *
   * Takes { include_usage } or null.
   * @default null
   */
  stream_options?: { include_usage?: boolean } | null
  /**
   * Nothing is stored about users.
   *
   * Takes a text or null.
   * @default null
   */
  user?: string | null
}

/** The values of POST /v1/chat/completions. */
export interface ParsedChatRequest extends ParsedSamplingRequest {
  /**
   * The conversation; content is a text, or a list of parts of type text.
   *
   * Takes a list of messages, each with a role.
   * @default []
   */
  messages: ChatMessage[]
  /**
   * The most tokens of the answer; null: what the context allows.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_completion_tokens: number | null
  /**
   * Also return the log probability of each token.
   *
   * Takes true or false.
   * @default false
   */
  logprobs: boolean
  /**
   * Number of most probable tokens to return at each position; needs logprobs.
   *
   * Takes a whole number >= 0 and <= 20 or null.
   * @default null
   */
  top_logprobs: number | null
  /**
   * Variables of the model's chat template.
   *
   * Takes an object of variables of the template, or null.
   * @default null
   */
  chat_template_kwargs: Record<string, unknown> | null
}

/** What POST /v1/chat/completions takes. */
export interface ChatRequest extends SamplingRequest {
  /**
   * The conversation; content is a text, or a list of parts of type text.
   *
   * Takes a list of messages, each with a role.
   * @default []
   */
  messages: ChatMessage[]
  /**
   * The most tokens of the answer; null: what the context allows.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  max_completion_tokens?: number | null
  /**
   * Also return the log probability of each token.
   *
   * Takes true or false.
   * @default false
   */
  logprobs?: boolean
  /**
   * Number of most probable tokens to return at each position; needs logprobs.
   *
   * Takes a whole number >= 0 and <= 20 or null.
   * @default null
   */
  top_logprobs?: number | null
  /**
   * Variables of the model's chat template.
   *
   * Takes an object of variables of the template, or null.
   * @default null
   */
  chat_template_kwargs?: Record<string, unknown> | null
  /** Another spelling of max_completion_tokens. The most tokens of the answer; null: what the context allows. */
  max_tokens?: number | null
  /** @deprecated not supported: calls of tools are not read from answers. */
  tools?: null | []
  /** @deprecated not supported: there are no tools. */
  tool_choice?: null | 'none' | 'auto'
  /** @deprecated not supported: there are no tools. */
  functions?: null | []
  /** @deprecated not supported: there are no tools. */
  function_call?: null | 'none' | 'auto'
  /** @deprecated not supported: answers are free text. */
  response_format?: null | { type: 'text' }
  /** @deprecated not supported: answers are text. */
  modalities?: null | ['text']
  /** @deprecated not supported: answers are text. */
  audio?: null
  /** @deprecated not supported: nothing is predicted. */
  prediction?: null
  /** @deprecated not supported: give chat_template_kwargs where the template has such a variable. */
  reasoning_effort?: null | 'none'
  /** @deprecated not supported: the server has no web search. */
  web_search_options?: null
  /** @deprecated not supported: there are no tools. */
  parallel_tool_calls?: null | true | false
  /** @deprecated not supported: nothing is kept. */
  store?: null | false
  /** @deprecated not supported: nothing is kept. */
  metadata?: null | Record<string, never>
  /** @deprecated not supported: there is one tier. */
  service_tier?: null | 'auto' | 'default'
}

/** The values of POST /v1/completions. */
export interface ParsedCompletionRequest extends ParsedSamplingRequest {
  /**
   * The text to continue; special tokens of the tokenizer are added.
   *
   * Takes a text, a list of texts, token ids, or a list of lists of token ids.
   * @default ''
   */
  prompt: string | string[] | number[] | number[][]
  /**
   * The most tokens of the answer; null: what the context allows.
   *
   * Takes a whole number >= 1 or null.
   * @default 16
   */
  max_tokens: number | null
  /**
   * Also return the log probability of each token, and of this number of most probable ones; null: no.
   *
   * Takes a whole number >= 0 and <= 20 or null.
   * @default null
   */
  logprobs: number | null
  /**
   * Return the prompt before the answer.
   *
   * Takes true or false.
   * @default false
   */
  echo: boolean
}

/** What POST /v1/completions takes. */
export interface CompletionRequest extends SamplingRequest {
  /**
   * The text to continue; special tokens of the tokenizer are added.
   *
   * Takes a text, a list of texts, token ids, or a list of lists of token ids.
   * @default ''
   */
  prompt: string | string[] | number[] | number[][]
  /**
   * The most tokens of the answer; null: what the context allows.
   *
   * Takes a whole number >= 1 or null.
   * @default 16
   */
  max_tokens?: number | null
  /**
   * Also return the log probability of each token, and of this number of most probable ones; null: no.
   *
   * Takes a whole number >= 0 and <= 20 or null.
   * @default null
   */
  logprobs?: number | null
  /**
   * Return the prompt before the answer.
   *
   * Takes true or false.
   * @default false
   */
  echo?: boolean
  /** @deprecated not supported: ask for n answers and choose. */
  best_of?: null | 1
  /** @deprecated not supported: answers go on at the end only. */
  suffix?: null
}
