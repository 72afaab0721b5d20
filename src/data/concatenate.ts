import { checkNames } from '../options/parse'
import { Dataset } from './dataset'
import { columnTypes, mergeTypes, typeText } from './features'

/**
 * The rows of several data sets, one after the other (`axis` 0), or their columns side by side (1). A column
 * that one of them lacks is null there.
 *
 * @throws Error naming the column whose types do not agree, or for axis 1 the numbers of rows.
 */
export function concatenate_datasets(dsets: readonly Dataset[], options: { axis?: 0 | 1 } = {}): Dataset {
  checkNames<{ axis?: 0 | 1 }>('concatenate_datasets', options, ['axis'], {
    info: { default: null, reason: 'data sets here have no info.' },
    split: { default: null, reason: 'data sets here have no split name.' },
  })
  const [first] = dsets
  if (!Array.isArray(dsets) || first === undefined)
    throw new TypeError('[concatenate_datasets] needs a list of at least one Dataset')
  const odd = dsets.findIndex((one) => !(one instanceof Dataset))
  if (odd >= 0)
    throw new TypeError(
      `[concatenate_datasets] number ${odd} of the list is no Dataset; take a split out of a DatasetDict first`,
    )
  return (options.axis ?? 0) === 1 ? sideBySide(dsets) : inARow(dsets)
}

function inARow(dsets: readonly Dataset[]): Dataset {
  const types = columnTypes([], [])
  for (const [i, dataset] of dsets.entries()) {
    const rows = dataset.to_list()
    for (const [name, type] of Object.entries(columnTypes(rows, dataset.column_names))) {
      const before = types[name]
      const merged = before ? mergeTypes(before, type) : type
      if (before && typeText(merged).includes('mixed') && !typeText(before).includes('mixed'))
        throw new TypeError(
          `[concatenate_datasets] column '${name}' is ${typeText(type)} in number ${i} of the list, ${typeText(before)} before`,
        )
      types[name] = merged
    }
  }
  const rows = dsets.flatMap((dataset) => dataset.to_list())
  if (rows.length > 0) return Dataset.from_list(rows)
  return Dataset.from_dict(Object.fromEntries(Object.keys(types).map((name) => [name, []])))
}

function sideBySide(dsets: readonly Dataset[]): Dataset {
  const columns: Record<string, unknown[]> = {}
  for (const dataset of dsets) {
    if (dataset.length !== dsets[0]!.length)
      throw new Error(
        `[concatenate_datasets] axis 1 needs as many rows in each: ${dsets.map((one) => one.length).join(', ')}`,
      )
    for (const [name, values] of Object.entries(dataset.to_dict())) {
      if (Object.hasOwn(columns, name))
        throw new Error(`[concatenate_datasets] two data sets have a column '${name}'`)
      columns[name] = values
    }
  }
  return Dataset.from_dict(columns)
}
