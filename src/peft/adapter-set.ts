import type { LoraConfig } from './config'
import type { Injection } from './inject'

/** One adapter of a model. */
export interface Adapter {
  config: LoraConfig
  injection: Injection
}

/** The adapters of one model by name. The layers of the active one are in the model; the others are kept aside. */
export class AdapterSet {
  private readonly adapters = new Map<string, Adapter>()

  constructor(
    public activeName: string,
    first: Adapter,
  ) {
    this.adapters.set(activeName, first)
  }

  get active(): Adapter {
    return this.get(this.activeName)
  }

  get names(): string[] {
    return [...this.adapters.keys()]
  }

  /** @throws Error listing the existing adapters. */
  get(name: string): Adapter {
    const found = this.adapters.get(name)
    if (!found) throw new Error(`the model has no adapter '${name}'; it has '${this.names.join("', '")}'`)
    return found
  }

  /**
   * Adds the adapter that `make` puts on the bare model; the active adapter stays active.
   * @throws Error when the name is taken, or when adapters that train biases of the base would share them.
   */
  async add(name: string, make: () => Adapter | Promise<Adapter>): Promise<Adapter> {
    if (this.adapters.has(name)) throw new Error(`the model has an adapter '${name}' already`)
    const { active } = this
    active.injection.attach(false)
    try {
      const added = await make()
      const withBias = [active, added].find(({ config }) => config.bias !== 'none')
      added.injection.attach(false)
      if (withBias) {
        added.injection.remove()
        throw new Error(
          `bias '${withBias.config.bias}' trains biases of the base model, which several adapters would share: use 'none'`,
        )
      }
      this.adapters.set(name, added)
      return added
    } finally {
      active.injection.attach(true)
    }
  }

  activate(name: string): void {
    const next = this.get(name)
    if (name === this.activeName) return
    this.active.injection.attach(false)
    next.injection.attach(true)
    this.activeName = name
  }

  /** Frees an adapter. @throws Error when it is the active one. */
  delete(name: string): void {
    const { injection } = this.get(name)
    if (name === this.activeName)
      throw new Error(`'${name}' is the active adapter: set_adapter another one first, or unload()`)
    injection.remove()
    this.adapters.delete(name)
  }

  /** Frees the adapters that are not active. */
  deleteOthers(): void {
    for (const name of this.names) if (name !== this.activeName) this.delete(name)
  }
}
