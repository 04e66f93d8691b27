// The messages between the parent and its child processes, each a line of JSON, and the interface of a backend.

import type { Transformer } from './transformer.js'

/**
 * A product C = A·Bᵀ with A (m, k) and B (n, k), from files of float32; a step of the model in a golden file;
 * or a training step of the transformer in transformer.ts.
 */
export type Job =
  | { case: 'matmul'; m: number; n: number; k: number; a: string; b: string }
  | { case: 'train-step' | 'inference-step'; golden: string }
  | { case: 'transformer-step' }

export type Request = { do: 'prepare'; job: Job } | { do: 'run'; count: number } | { do: 'peak' }

/** Named values: little-endian float32 as base64. */
export type Outputs = Record<string, string>

export type Reply =
  | { error: string }
  | { adapter: string; version: string; firstMs: number; outputs: Outputs }
  | {
      ms: number
      /** Processor time of the whole process, threads of a software adapter included. */
      cpuMs: number
      peakBytes: number | null
    }
  | { gflops: number }

/** The model, weights and batches of a golden file, as a backend gets them. */
export interface Model {
  /** By the field names of the published code. */
  config: Record<string, number | string | boolean>
  train: Record<string, number | string>
  /** Learning rates of each recorded step. */
  rates: { lr: number; puzzleLr: number }[]
  /** Initial values by their published names, without `init.`. */
  weights: Record<string, { shape: number[]; data: Float32Array }>
  batches: { inputs: Int32Array; labels: Int32Array; ids: Int32Array }[]
}

/** A case that was built and computed once. */
export interface Prepared {
  /** Milliseconds of the first run, compilation included. */
  firstMs: number
  /** The outputs that the parent checks. */
  outputs: Record<string, ArrayLike<number>>
  /** Computes it `count` times and waits for the last one. */
  run(count: number): Promise<void>
}

/** The program that a child process runs. */
export interface Backend {
  version: string
  matmul(job: { m: number; n: number; k: number; a: Float32Array; b: Float32Array }): Promise<Prepared>
  train(model: Model): Promise<Prepared>
  infer(model: Model): Promise<Prepared>
  /** Training steps by AdamW. The outputs are `loss` and `grad.NAME` of the first step. */
  transformer(problem: Transformer): Promise<Prepared>
  /** GFLOP/s of a kernel that only multiplies and adds in registers. */
  peak?(): Promise<number>
}
