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

/** The options of `load_dataset`, with the names of `datasets`. */
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
      doc: "Files or patterns (*, **, ?, [...], {a,b}), for 'train' or by split; null: those of the folder or its card.",
    },
    data_dir: {
      schema: textOrNull,
      default: null,
      doc: 'Folder inside the data set; with a format name, the folder of data_files.',
    },
    split: {
      schema: textOrNull,
      input: "'train' | 'validation' | 'test' | (string & {}) | null",
      default: null,
      doc: "Which rows, such as 'train', 'train[:200]', 'train[10%:20%]' or 'train+test'; null: all splits, as a DatasetDict.",
    },
    streaming: {
      schema: z.boolean(),
      default: false,
      doc: 'Read the files in pieces while the rows are used, as an IterableDataset; necessary if they do not fit in memory.',
    },
    field: {
      schema: textOrNull,
      default: null,
      doc: 'Key of the rows in a JSON file; null: the file itself has one object per line or is one array of objects.',
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
      'Called while files are downloaded, with the bytes received and the total.',
    ),
    signal,
  },
  refused: {
    keep_in_memory: { default: null, neutral: [true, false], reason: `${inMemory}.` },
    trust_remote_code: { default: false, reason: 'no code of a repository is ever run.' },
    download_config: { default: null, reason: 'give token, cache_dir and revision themselves.' },
    download_mode: {
      default: null,
      neutral: ['reuse_dataset_if_exists', 'reuse_cache_if_exists'],
      reason: 'files are downloaded when the hub has others than the cache.',
    },
    features: { default: null, reason: 'types are those of the files.' },
    save_infos: { default: false, reason: 'nothing is kept beside the files.' },
    storage_options: { default: null, neutral: [{}], reason: 'files are local or on the hub.' },
    verification_mode: {
      default: null,
      neutral: ['basic_checks', 'all_checks', 'no_checks'],
      reason: 'size and hash of downloads are always checked.',
    },
    column_names: {
      default: null,
      reason: 'columns are named by the first line of a CSV file; see rename_column.',
    },
    num_proc: { default: null, neutral: [1], reason: 'files are read one after the other.' },
  },
}
