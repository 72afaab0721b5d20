/** A declaration of a cell that later cells can use. */
export interface Declaration {
  name: string
  /**
   * TypeScript's SymbolFlags: the kind of the name. A later value with the same name does not replace a type
   * with that name.
   */
  meaning: number
  text: string
}

/** What a cell changes: the names that it declares with their kinds, and their declarations. */
export interface DeclarationChange {
  declared: readonly (readonly [name: string, meaning: number])[]
  added: readonly Declaration[]
}

/** The declarations of the cells so far, by name: a name that is declared again loses its old declarations. */
export class DeclarationList {
  constructor(private kept: readonly Declaration[] = []) {}

  get all(): readonly Declaration[] {
    return this.kept
  }

  get text(): string {
    return this.kept.map(({ text }) => text).join('\n')
  }

  apply({ declared, added }: DeclarationChange): void {
    const meanings = new Map(declared)
    const kept = this.kept.filter(({ name, meaning }) => ((meanings.get(name) ?? 0) & meaning) === 0)
    this.kept = [...kept, ...added]
  }
}
