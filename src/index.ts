// The public door of webgpu-trm: the model, its training and its answers. The engine alone is webgpu-trm/engine, puzzles are webgpu-trm/data.
export { Engine } from './engine/index.js'
export { checkConfig, DEFAULTS, type TrmConfig } from './trm/config.js'
export { precisionOf, Trm, type AskedPrecision, type Carry, type Outputs, type Precision } from './trm/model.js'
export { train, type TrainOptions, type TrainingReport } from './trm/train.js'
export { planMemory, type MemoryOptions, type MemoryPlan } from './trm/memory.js'
export { readTraining, type TrainingState } from './trm/resume.js'
export { Trainer, TRAINER_DEFAULTS, type Stage, type TrainerOptions, type TrainingMetrics } from './trm/trainer.js'
export { evaluate, type Answers, type EvaluateOptions, type Evaluation, type StepEvaluation } from './trm/evaluate.js'
export { type InferenceOptions } from './trm/rollouts.js'
export { solve, type SolveOptions, type SolveStep } from './trm/solve.js'
export {
  loadCheckpoint,
  readCheckpoint,
  readCheckpointConfig,
  saveCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointOptions,
} from './trm/checkpoint.js'
export { readTorch, type ForeignModel } from './trm/foreign.js'
export { inferConfig } from './trm/infer-config.js'
export { writeTorch } from './formats/torch-write.js'
export { readAll, type ByteSource, type ReadAllOptions } from './formats/source.js'
export { configFromOfficial, configToOfficial } from './trm/official.js'
export { mergeSettings, presets, resolveRun, type RunConfig as Run, type RunSettings } from './trm/run.js'
export { verify, type Verification, type VerifyOptions, type VerifyRow } from './trm/verify.js'
