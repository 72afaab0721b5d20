// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.

/** The values of load_dataset. */
export interface ParsedLoadDatasetOptions {
  /**
   * Configuration of a data card that lists several; null: the default one.
   *
   * Takes a text or null.
   * @default null
   */
  name: string | null
  /**
   * Files or patterns (*, **, ?, [...], {a,b}), for 'train' or by split; null: those of the folder or its card.
   *
   * Takes a file or pattern, a list of them, either of these by split, or null.
   * @default null
   */
  data_files: string | string[] | Record<string, string | string[]> | null
  /**
   * Folder inside the data set; with a format name, the folder of data_files.
   *
   * Takes a text or null.
   * @default null
   */
  data_dir: string | null
  /**
   * Which rows, such as 'train', 'train[:200]', 'train[10%:20%]' or 'train+test'; null: all splits, as a DatasetDict.
   *
   * Takes a text or null.
   * @default null
   */
  split: string | null
  /**
   * Read the files in pieces while the rows are used, as an IterableDataset; necessary if they do not fit in memory.
   *
   * Takes true or false.
   * @default false
   */
  streaming: boolean
  /**
   * Key of the rows in a JSON file; null: the file itself has one object per line or is one array of objects.
   *
   * Takes a text or null.
   * @default null
   */
  field: string | null
  /**
   * Character between the fields of CSV files; null: a comma, in .tsv files a tab.
   *
   * Takes one character, no quote and no line end, or null.
   * @default null
   */
  delimiter: string | null
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir: string | null
  /**
   * Called while files are downloaded, with the bytes received and the total.
   *
   * Takes a function.
   */
  progress: ((state: { filename: string; received: number; total: number }) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What load_dataset takes. */
export interface LoadDatasetOptions {
  /**
   * Configuration of a data card that lists several; null: the default one.
   *
   * Takes a text or null.
   * @default null
   */
  name?: string | null
  /**
   * Files or patterns (*, **, ?, [...], {a,b}), for 'train' or by split; null: those of the folder or its card.
   *
   * Takes a file or pattern, a list of them, either of these by split, or null.
   * @default null
   */
  data_files?: string | readonly string[] | Record<string, string | readonly string[]> | null
  /**
   * Folder inside the data set; with a format name, the folder of data_files.
   *
   * Takes a text or null.
   * @default null
   */
  data_dir?: string | null
  /**
   * Which rows, such as 'train', 'train[:200]', 'train[10%:20%]' or 'train+test'; null: all splits, as a DatasetDict.
   *
   * Takes a text or null.
   * @default null
   */
  split?: 'train' | 'validation' | 'test' | (string & {}) | null
  /**
   * Read the files in pieces while the rows are used, as an IterableDataset; necessary if they do not fit in memory.
   *
   * Takes true or false.
   * @default false
   */
  streaming?: boolean
  /**
   * Key of the rows in a JSON file; null: the file itself has one object per line or is one array of objects.
   *
   * Takes a text or null.
   * @default null
   */
  field?: string | null
  /**
   * Character between the fields of CSV files; null: a comma, in .tsv files a tab.
   *
   * Takes one character, no quote and no line end, or null.
   * @default null
   */
  delimiter?: string | null
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision?: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token?: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir?: string | null
  /**
   * Called while files are downloaded, with the bytes received and the total.
   *
   * Takes a function.
   */
  progress?: (state: { filename: string; received: number; total: number }) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** Another spelling of delimiter. Character between the fields of CSV files; null: a comma, in .tsv files a tab. */
  sep?: string | null
  /** @deprecated not supported: data sets are read into memory. */
  keep_in_memory?: null | true | false
  /** @deprecated not supported: no code of a repository is ever run. */
  trust_remote_code?: false | null
  /** @deprecated not supported: give token, cache_dir and revision themselves. */
  download_config?: null
  /** @deprecated not supported: files are downloaded when the hub has others than the cache. */
  download_mode?: null | 'reuse_dataset_if_exists' | 'reuse_cache_if_exists'
  /** @deprecated not supported: types are those of the files. */
  features?: null
  /** @deprecated not supported: nothing is kept beside the files. */
  save_infos?: false | null
  /** @deprecated not supported: files are local or on the hub. */
  storage_options?: null | Record<string, never>
  /** @deprecated not supported: size and hash of downloads are always checked. */
  verification_mode?: null | 'basic_checks' | 'all_checks' | 'no_checks'
  /** @deprecated not supported: columns are named by the first line of a CSV file; see rename_column. */
  column_names?: null
  /** @deprecated not supported: files are read one after the other. */
  num_proc?: null | 1
}
