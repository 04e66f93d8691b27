declare module '*.wgsl' {
  const source: string
  export default source
}

/**
 * Set by the bundler: what is built goes to browsers, which have neither lavapipe nor subgroup matrices. Kernels that need these, or that others replace,
 * and what only they use, stand in branches that this constant rules out, so that the package for browsers comes without them.
 */
declare const FOR_BROWSERS: boolean
