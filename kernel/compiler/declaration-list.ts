/** A declaration that a cell has left to the next ones. */
export interface Declaration {
  name: string
  /** TypeScript's SymbolFlags: what the name stands for. A later value of the name leaves a type of the name as it is. */
  meaning: number
  text: string
}

/** What a cell changes: the names it declares, with their meanings, and their declarations. */
export interface DeclarationChange {
  declared: readonly (readonly [name: string, meaning: number])[]
  added: readonly Declaration[]
}

/** What the cells so far have declared, one name at a time: a name declared again loses its old declarations. */
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
