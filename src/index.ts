// The public door of webgpu-trm: the model, its training and its answers. The engine alone is webgpu-trm/engine, puzzles are webgpu-trm/data.
export { Engine } from './engine/index.js'
export { checkConfig, DEFAULTS, type TrmConfig } from './trm/config.js'
export { Trm, type Carry, type Heads } from './trm/model.js'
export { Trainer, TRAINER_DEFAULTS, type TrainerOptions, type TrainingMetrics } from './trm/trainer.js'
export { loadCheckpoint, saveCheckpoint } from './trm/checkpoint.js'
export { configFromOfficial, configToOfficial } from './trm/official.js'
export { verify, type Verification, type VerifyRow } from './trm/verify.js'
