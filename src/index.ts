// The public door of webgpu-trm: the model, its training and its answers; webgpu-trm/engine and /data are the others.
export { Engine } from './engine/index.js'
export { checkConfig, DEFAULTS, type TrmConfig } from './trm/config.js'
export { precisionOf, Trm, type AskedPrecision, type Carry, type Outputs, type Precision } from './trm/model.js'
export { train, type TrainOptions, type TrainingReport } from './trm/training/train.js'
export { planMemory, type MemoryOptions, type MemoryPlan } from './trm/training/memory.js'
export { readTraining, type TrainingState } from './trm/training/resume.js'
export { TRAINER_DEFAULTS, type Stage, type TrainerOptions } from './trm/training/options.js'
export { Trainer, type TrainingMetrics } from './trm/training/trainer.js'
export {
  evaluate,
  type Answers,
  type EvaluateOptions,
  type Evaluation,
  type StepEvaluation,
} from './trm/answers/evaluate.js'
export { answer, type AnswerOptions, type PuzzleAnswer } from './trm/answers/answer.js'
export { type LossOutputs, type LossType, type Puzzles, type Slots } from './trm/slots.js'
export { type Call, type Net, type Recursion } from './trm/architectures.js'
export { type InferenceOptions } from './trm/answers/rollouts.js'
export { solve, type SolveOptions, type SolveStep } from './trm/answers/solve.js'
export {
  loadCheckpoint,
  readCheckpoint,
  readCheckpointConfig,
  saveCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointOptions,
} from './trm/published/checkpoint.js'
export { readTorch, type ForeignModel } from './trm/published/foreign.js'
export { inferConfig } from './trm/published/infer-config.js'
export { writeTorch } from './formats/torch-write.js'
export { readAll, type ByteSource, type ReadAllOptions } from './formats/source.js'
export { configFromOfficial, configToOfficial } from './trm/published/names.js'
export { mergeSettings, presets, resolveRun, type RunConfig, type RunSettings } from './trm/published/settings.js'
export { verify, type Verification, type VerifyOptions } from './verify/verify.js'
export { type VerifyRow } from './verify/golden.js'
