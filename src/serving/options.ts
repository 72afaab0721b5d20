import { z } from 'zod'
import type { OptionSet } from '../options/declaration'
import { count, countOrNull, text, textOrNull } from '../options/schemas'
import type { ParsedServeOptions } from './options.generated'

/** The options of `serve`, in addition to model and tokenizer. */
export const serveOptionSet: OptionSet<ParsedServeOptions> = {
  owner: 'serve',
  options: {
    host: {
      schema: text,
      default: '127.0.0.1',
      doc: 'Address to listen on; any except a local one needs api_key.',
    },
    port: {
      schema: z.int().min(0).max(65535),
      default: 8000,
      doc: 'Port to listen on; 0: one that is free.',
    },
    api_key: {
      schema: textOrNull,
      default: null,
      doc: 'Clients must send it (Authorization: Bearer ...); null: QLORA_API_KEY, else none.',
    },
    served_model_name: {
      schema: textOrNull,
      default: null,
      doc: "Model name for clients; null: the last part of the model's path.",
    },
    max_num_seqs: {
      schema: count(1),
      default: 16,
      doc: 'Number of answers generated at the same time; further requests wait.',
    },
    max_queue: {
      schema: count(0),
      default: 1024,
      doc: 'Number of requests that may wait; further ones get status 429.',
    },
    max_model_len: {
      schema: countOrNull(2),
      default: null,
      doc: "The most tokens of prompt and answer together; null: the model's max_position_embeddings.",
    },
  },
  refused: {},
}
