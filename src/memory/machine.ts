import { addon } from '../native/addon'
import { Sizes } from './sizes'

/** The properties of a machine that a plan depends on. Units: bytes, bytes per second, operations per second. */
export interface Machine {
  /** Bytes that the tensors of a training run may take. */
  free: number
  /** Page-locked host memory that may be used. */
  host: number
  /** Whether the device's memory is the host's, so that offloading saves nothing. */
  sharesHost: boolean
  /**
   * Whether operations wait in a queue, so that a tensor released by the host is freed after the last operation
   * that uses it.
   */
  releasesEarly: boolean
  /**
   * products: matrix products; attention: its forward, by sequence length; copies: within device memory; link:
   * to the host and back, in each direction; locking: page-locking of host memory.
   */
  rates: {
    products: number
    attention: (length: number) => number
    copies: number
    link: number
    locking: number
  }
  /** Memory of its operations and allocators. */
  sizes: Pick<Sizes, 'scratch' | 'allocation'>
}

/**
 * An H100 with its measured rates (docs/benchmarks). Other GPUs: `speed` is their rate of products relative to
 * it.
 */
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

/** The CPU. The host's memory is its own, so nothing can be offloaded. `gflops`: the rate of one matrix product. */
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
