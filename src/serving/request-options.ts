import { z } from 'zod'
import type { Option, OptionSet, Refused } from '../options/declaration'
import { flag, nameOrNames, real, realOrNull, text, textOrNull } from '../options/schemas'
import type { ParsedChatRequest, ParsedCompletionRequest, ParsedSamplingRequest } from './options.generated'

const ids = z.array(z.int().min(0)).min(1)

/**
 * Options of both routes, with OpenAI's names; top_k, min_p, repetition_penalty are those of other local
 * servers.
 */
const samplingOptions: { [K in keyof ParsedSamplingRequest]: Option<ParsedSamplingRequest[K]> } = {
  model: { schema: text, default: '', doc: "The served model's name; left out: that one." },
  temperature: {
    schema: realOrNull({ min: 0, max: 2 }),
    default: null,
    doc: "0: always the most probable token; null: that of the model's generation_config.json, else 1.",
  },
  top_p: {
    schema: realOrNull({ above: 0, max: 1 }),
    default: null,
    doc: "Draw among the most probable tokens whose probabilities add up to this; null: that of the model's generation_config.json, else all.",
  },
  top_k: {
    schema: z.int().min(-1).nullable(),
    default: null,
    doc: "Draw among the so many most probable tokens; 0 or -1: all; null: that of the model's generation_config.json, else all.",
  },
  min_p: {
    schema: real({ min: 0, max: 1 }),
    default: 0,
    doc: 'Draw among the tokens at least this share as probable as the best.',
  },
  repetition_penalty: {
    schema: realOrNull({ above: 0 }),
    default: null,
    doc: "Above 1: earlier tokens become less likely; null: that of the model's generation_config.json.",
  },
  frequency_penalty: {
    schema: real({ min: -2, max: 2 }),
    default: 0,
    doc: 'Subtracted from the logit of a token for each of its occurrences in the answer.',
  },
  presence_penalty: {
    schema: real({ min: -2, max: 2 }),
    default: 0,
    doc: 'Subtracted from the logit of a token that occurs in the answer.',
  },
  logit_bias: {
    schema: z
      .record(z.string().regex(/^\d+$/), z.number().min(-100).max(100))
      .describe('an object of numbers from -100 to 100 by token id'),
    default: {},
    doc: 'Added to the logits of tokens by id.',
    type: 'Record<string, number>',
  },
  seed: {
    schema: z.int().nullable(),
    default: null,
    doc: 'Makes sampling repeatable; null: another seed each time.',
  },
  n: { schema: z.int().min(1).max(128), default: 1, doc: 'Answers to each prompt.' },
  stop: {
    schema: nameOrNames,
    default: null,
    doc: 'Text, or texts, before which an answer ends.',
  },
  stream: { schema: flag, default: false, doc: 'Send the answer in pieces, as server-sent events.' },
  stream_options: {
    schema: z
      .object({ include_usage: z.boolean().optional() })
      .nullable()
      .describe('{ include_usage } or null') as never,
    default: null,
    doc: 'include_usage: the last event contains the token counts.',
    type: '{ include_usage?: boolean } | null',
  },
  user: { schema: textOrNull, default: null, inert: true, doc: 'Nothing is stored about users.' },
}

export const samplingRequestSet: OptionSet<ParsedSamplingRequest> = {
  owner: 'requests to qlora serve',
  options: samplingOptions,
  refused: {},
}

const notBuilt = (reason: string, value: unknown = null, ...neutral: unknown[]): Refused => ({
  default: value,
  neutral,
  reason,
})

export const chatRequestSet: OptionSet<ParsedChatRequest> = {
  owner: 'POST /v1/chat/completions',
  options: {
    messages: {
      schema: z
        .array(z.looseObject({ role: z.string() }))
        .min(1)
        .describe('a list of messages, each with a role') as never,
      default: [],
      required: true,
      doc: 'The conversation; content is a text, or a list of parts of type text.',
      type: 'ChatMessage[]',
    },
    ...samplingOptions,
    max_completion_tokens: {
      schema: z.int().min(1).nullable(),
      default: null,
      doc: 'The most tokens of the answer; null: what the context allows.',
      aliases: { max_tokens: { convert: (value) => value } },
    },
    logprobs: { schema: flag, default: false, doc: 'Also return the log probability of each token.' },
    top_logprobs: {
      schema: z.int().min(0).max(20).nullable(),
      default: null,
      doc: 'Number of most probable tokens to return at each position; needs logprobs.',
    },
    chat_template_kwargs: {
      schema: z
        .record(z.string(), z.unknown())
        .nullable()
        .describe('an object of variables of the template, or null') as never,
      default: null,
      doc: "Variables of the model's chat template.",
      type: 'Record<string, unknown> | null',
    },
  },
  refused: {
    tools: notBuilt('calls of tools are not read from answers.', null, []),
    tool_choice: notBuilt('there are no tools.', null, 'none', 'auto'),
    functions: notBuilt('there are no tools.', null, []),
    function_call: notBuilt('there are no tools.', null, 'none', 'auto'),
    response_format: notBuilt('answers are free text.', null, { type: 'text' }),
    modalities: notBuilt('answers are text.', null, ['text']),
    audio: notBuilt('answers are text.'),
    prediction: notBuilt('nothing is predicted.'),
    reasoning_effort: notBuilt(
      'give chat_template_kwargs where the template has such a variable.',
      null,
      'none',
    ),
    web_search_options: notBuilt('the server has no web search.'),
    parallel_tool_calls: notBuilt('there are no tools.', null, true, false),
    store: notBuilt('nothing is kept.', null, false),
    metadata: notBuilt('nothing is kept.', null, {}),
    service_tier: notBuilt('there is one tier.', null, 'auto', 'default'),
  },
}

export const completionRequestSet: OptionSet<ParsedCompletionRequest> = {
  owner: 'POST /v1/completions',
  options: {
    prompt: {
      schema: z
        .union([z.string(), z.array(z.string()).min(1), ids, z.array(ids).min(1)])
        .describe('a text, a list of texts, token ids, or a list of lists of token ids'),
      default: '',
      required: true,
      doc: 'The text to continue; special tokens of the tokenizer are added.',
      type: 'string | string[] | number[] | number[][]',
    },
    ...samplingOptions,
    max_tokens: {
      schema: z.int().min(1).nullable(),
      default: 16,
      doc: 'The most tokens of the answer; null: what the context allows.',
    },
    logprobs: {
      schema: z.int().min(0).max(20).nullable(),
      default: null,
      doc: 'Also return the log probability of each token, and of this number of most probable ones; null: no.',
    },
    echo: { schema: flag, default: false, doc: 'Return the prompt before the answer.' },
  },
  refused: {
    best_of: notBuilt('ask for n answers and choose.', null, 1),
    suffix: notBuilt('answers go on at the end only.'),
  },
}
