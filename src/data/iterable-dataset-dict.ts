import { unknownNameError } from '../options/nearest'
import type { IterableDataset } from './iterable-dataset'
import { splitAccess } from './split-access'

class Splits extends Map<string, IterableDataset> {
  constructor(splits?: Iterable<readonly [string, IterableDataset]>) {
    super(splits ?? [])
    return splitAccess(this, 'IterableDatasetDict')
  }

  /** The split of this name. Throws for an unknown name, listing the known ones. */
  override get(split: string): IterableDataset {
    const dataset = super.get(split)
    if (dataset === undefined) throw unknownNameError('IterableDatasetDict', split, [...this.keys()], 'split')
    return dataset
  }
}

/** Streamed splits by name: `parts['train']`, `const { train } = parts`, `parts.get('train')`. */
export type IterableDatasetDict = Splits & { readonly [split: string]: IterableDataset }

interface IterableDatasetDictConstructor {
  new (splits?: Iterable<readonly [string, IterableDataset]>): IterableDatasetDict
  readonly prototype: IterableDatasetDict
}

export const IterableDatasetDict: IterableDatasetDictConstructor =
  Splits as unknown as IterableDatasetDictConstructor
Object.defineProperty(Splits, 'name', { value: 'IterableDatasetDict' })
