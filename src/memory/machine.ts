import { addon } from '../native/addon'
import { Sizes } from './sizes'

/** What a plan depends on of the machine it is for. Bytes, bytes a second, operations a second. */
export interface Machine {
  /** Free for a training run: what its tensors may take. */
  free: number
  /** Page-locked host memory that may be used. */
  host: number
  /** Whether that is the device's own memory, so that offloading saves nothing. */
  sharesHost: boolean
  /** Operations wait in a queue, and a tensor that was released by then is freed by the last that uses it. */
  releasesEarly: boolean
  /** Products; attention forward, by a sequence's tokens; copies in device memory; host link, each way; locking host pages. */
  rates: {
    products: number
    attention: (length: number) => number
    copies: number
    link: number
    locking: number
  }
  /** What its operations and allocators take. */
  sizes: Pick<Sizes, 'scratch' | 'allocation'>
}

/** One H100, the rates as measured (docs/benchmarks); others differ by their share of its products a second. */
export function cudaMachine(free: number, host: number, speed = 1): Machine {
  return {
    free,
    host,
    sharesHost: false,
    releasesEarly: false,
    rates: {
      products: 680e12 * speed,
      attention: (length) => (600e12 * speed * length) / (length + 850),
      copies: 2.9e12 * speed,
      link: 54e9,
      locking: 1.8e9,
    },
    sizes: new Sizes('cuda', addon()),
  }
}

/** The CPU: host memory is its own, so nothing can be offloaded. `gflops`: one product's rate. */
export function cpuMachine(free: number, gflops = 100): Machine {
  const rate = gflops * 1e9
  return {
    free,
    host: 0,
    sharesHost: true,
    releasesEarly: true,
    rates: { products: rate, attention: () => rate / 2, copies: 10e9, link: 0, locking: Infinity },
    sizes: new Sizes('cpu', addon()),
  }
}
