import { unknownNameError } from '../options/nearest'
import type { Dataset } from './dataset'
import type { FilterOptions, MapOptions } from './dataset-options'
import type { Row } from './rows'
import { saveDict } from './save-dataset'
import { splitAccess } from './split-access'

/** A function for `map`: the columns of its result are added to the row. */
type RowFunction = (row: Row, index: never) => unknown

class Splits extends Map<string, Dataset> {
  constructor(splits?: Iterable<readonly [string, Dataset]>) {
    super(splits ?? [])
    return splitAccess(this, 'DatasetDict')
  }

  /** The split of this name. Throws for an unknown name, listing the known ones. */
  override get(split: string): Dataset {
    const dataset = super.get(split)
    if (dataset === undefined) throw unknownNameError('DatasetDict', split, [...this.keys()], 'split')
    return dataset
  }

  /** Rows of each split. */
  get num_rows(): Record<string, number> {
    return this.of((dataset) => dataset.num_rows)
  }

  /** Column names of each split. */
  get column_names(): Record<string, readonly string[]> {
    return this.of((dataset) => dataset.column_names)
  }

  /** {@link Dataset.map} of every split. */
  map(fn: RowFunction, options: MapOptions = {}): Promise<DatasetDict> {
    return this.mapped((dataset) => dataset.map(fn as never, options))
  }

  /** {@link Dataset.filter} of every split. */
  filter(fn: RowFunction, options: FilterOptions = {}): Promise<DatasetDict> {
    return this.mapped((dataset) => dataset.filter(fn as never, options))
  }

  /** {@link Dataset.shuffle} of every split, with the same seed. */
  shuffle(options: { seed?: number } = {}): DatasetDict {
    return this.each((dataset) => dataset.shuffle(options))
  }

  /** {@link Dataset.sort} of every split. */
  sort(...by: Parameters<Dataset['sort']>): DatasetDict {
    return this.each((dataset) => dataset.sort(...by))
  }

  remove_columns(names: string | readonly string[]): DatasetDict {
    return this.each((dataset) => dataset.remove_columns(names))
  }

  select_columns(names: string | readonly string[]): DatasetDict {
    return this.each((dataset) => dataset.select_columns(names))
  }

  rename_column(from: string, to: string): DatasetDict {
    return this.each((dataset) => dataset.rename_column(from, to))
  }

  rename_columns(names: Readonly<Record<string, string>>): DatasetDict {
    return this.each((dataset) => dataset.rename_columns(names))
  }

  /** Writes every split into a folder of its name, like Python's `datasets`; `load_from_disk` reads it. */
  save_to_disk(
    folder: string,
    options: { num_shards?: Readonly<Record<string, number>> } = {},
  ): Promise<void> {
    return saveDict(this, folder, options)
  }

  private of<T>(value: (dataset: Dataset) => T): Record<string, T> {
    return Object.fromEntries([...this].map(([name, dataset]) => [name, value(dataset)]))
  }

  private each(change: (dataset: Dataset) => Dataset): DatasetDict {
    return new DatasetDict([...this].map(([name, dataset]) => [name, change(dataset)]))
  }

  private async mapped(change: (dataset: Dataset) => Promise<Dataset>): Promise<DatasetDict> {
    const result = new DatasetDict()
    for (const [name, dataset] of this) result.set(name, await change(dataset))
    return result
  }
}

/**
 * Splits by name, like Python's `DatasetDict`: `parts['train']`, `parts.train`, `const { train, test } =
 * parts`, `parts.get('train')`. An unknown name throws and lists the known ones. It is also a `Map` from name
 * to data set. Use `get` for a split that has the name of a method (`map`, `size`, ...).
 */
export type DatasetDict<Split extends string = string> = Splits & { readonly [name: string]: Dataset } & {
  readonly [name in Split]: Dataset
}

interface DatasetDictConstructor {
  new <Split extends string = string>(splits?: Iterable<readonly [Split, Dataset]>): DatasetDict<Split>
  readonly prototype: DatasetDict
}

export const DatasetDict: DatasetDictConstructor = Splits as unknown as DatasetDictConstructor
Object.defineProperty(Splits, 'name', { value: 'DatasetDict' })
