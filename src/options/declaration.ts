/** What a zod schema offers to this folder. Written out so that public declaration files need no zod. */
export interface Schema<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: { message: string }[] } }
}

/**
 * One option, declared once: parsing, `--help`, defaults, error messages, the interfaces that editors show and
 * docs/options.md all read it.
 */
export interface Option<T> {
  readonly schema: Schema<T>
  readonly default: T
  /** One or two sentences: what it does, unit, what null means. */
  readonly doc: string
  /** TypeScript type of the value; by default what the schema says. */
  readonly type?: string
  /** TypeScript type of what may be given, where it is wider than the value's. */
  readonly input?: string
  /** It has to be given. */
  readonly required?: true
  /** Every value is accepted and changes nothing; `doc` says why. */
  readonly inert?: true
  /** It changes nothing in the reference either: not told. */
  readonly silent?: true
  /** Other spellings of this option. */
  readonly aliases?: Readonly<Record<string, Alias>>
}

/** Another spelling of an option. */
export interface Alias {
  /** Converts its value to the option's. */
  convert(value: unknown): unknown
  /** TypeScript type of its value, where it is not the option's. */
  readonly type?: string
  /** Beside the option's own name it counts for nothing, with a warning; else the two must agree. */
  readonly yields?: true
}

/** An option of the reference libraries that this version does not implement: only values that ask for nothing pass. */
export interface Refused {
  /** Value reported by `to_dict`, and always accepted. */
  readonly default: unknown
  /** Further values that ask for nothing. `null` and `undefined` always do. */
  readonly neutral?: readonly unknown[]
  /** TypeScript type, where more values compile than pass; the error at run time then says why. */
  readonly type?: string
  /** Completes the sentence "... is not supported: ". */
  readonly reason: string
}

/** The options of one class, `T` being the values after parsing. */
export interface OptionSet<T> {
  /** Class name, opens every error message. */
  readonly owner: string
  readonly options: { readonly [K in keyof T]-?: Option<T[K]> }
  readonly refused: Readonly<Record<string, Refused>>
}

/** A plain renaming. */
export const renamed: Alias = { convert: (value) => value }

/** The declarations by name, for code that walks over them. */
export function optionTable(set: OptionSet<object>): Readonly<Record<string, Option<unknown>>> {
  return set.options as Record<string, Option<unknown>>
}

/** Every spelling that `parseOptions` knows: options, their aliases, refused ones. */
export function knownNames(set: OptionSet<object>): string[] {
  const names = Object.entries(optionTable(set)).flatMap(([name, option]) => [
    name,
    ...Object.keys(option.aliases ?? {}),
  ])
  return [...names, ...Object.keys(set.refused)]
}
