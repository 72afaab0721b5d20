import { z } from 'zod'

import type { DownloadProgress } from '../files/hub'
import { optionalFunction, signal } from '../options/call'
import { type OptionSet, renamed } from '../options/declaration'
import { hubSettings } from '../options/hub'
import { textOrNull } from '../options/schemas'
import type { ParsedLoadDatasetOptions } from './options.generated'

const patterns = z.union([z.string(), z.array(z.string())])
const inMemory = 'data sets are read into memory'
const { revision, token, cache_dir } = hubSettings

/** What `load_dataset` takes besides the path, with the names of `datasets`. */
export const loadDatasetOptionSet: OptionSet<ParsedLoadDatasetOptions> = {
  owner: 'load_dataset',
  options: {
    name: {
      schema: textOrNull,
      default: null,
      doc: 'Configuration of a data card that lists several; null: the default one.',
    },
    data_files: {
      schema: z
        .union([patterns, z.record(z.string(), patterns)])
        .nullable()
        .describe('a file or pattern, a list of them, either of these by split, or null'),
      input: 'string | readonly string[] | Record<string, string | readonly string[]> | null',
      default: null,
      doc: "Files or patterns (*, **, ?, [...], {a,b}), for 'train' or by split; null: what the folder or its card says.",
    },
    data_dir: {
      schema: textOrNull,
      default: null,
      doc: 'Folder inside the data set; with a format name, the folder that data_files are in.',
    },
    split: {
      schema: textOrNull,
      input: "'train' | 'test' | 'validation' | (string & {}) | null",
      default: null,
      doc: "Which rows, such as 'train', 'train[:200]', 'train[10%:20%]' or 'train+test'; null: all splits, as a DatasetDict.",
    },
    delimiter: {
      schema: z
        .string()
        .regex(/^[^"\r\n]$/)
        .nullable()
        .describe('one character, no quote and no line end, or null'),
      default: null,
      doc: 'Character between the fields of CSV files; null: a comma, in .tsv files a tab.',
      aliases: { sep: renamed },
    },
    revision,
    token,
    cache_dir,
    progress: optionalFunction<DownloadProgress>(
      '(state: { filename: string; received: number; total: number }) => void',
      'Called while files are downloaded, with the bytes received and those in all.',
    ),
    signal,
  },
  refused: {
    streaming: { default: false, reason: `${inMemory}; take a part with split: 'train[:1000]'.` },
    keep_in_memory: { default: null, neutral: [true, false], reason: `${inMemory}.` },
    trust_remote_code: { default: false, reason: 'no code of a repository is ever run.' },
    num_proc: { default: null, neutral: [1], reason: 'files are read one after the other.' },
  },
}
