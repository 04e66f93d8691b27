// Elements of an array that lie at given strides, put in row-major order.

/** A typed array. */
interface Elements {
  readonly length: number
  [index: number]: number | bigint
}

/**
 * Fills `out`, which has as many elements as `shape`, in row-major order with elements of `source`. The first one lies
 * at `offset`, and along an axis they lie `strides[axis]` elements apart.
 */
export function gatherStrided<Out extends Elements>(
  source: Elements,
  out: Out,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Out {
  const elements: Elements = out
  const index = shape.map(() => 0)
  for (let i = 0, place = offset; i < out.length; i++) {
    elements[i] = source[place]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]
      if (++index[axis] < shape[axis]) break
      place -= shape[axis] * strides[axis]
      index[axis] = 0
    }
  }
  return out
}
