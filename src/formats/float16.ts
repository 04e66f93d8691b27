// IEEE 754 binary16 from and to wider numbers: 1 sign bit, 5 of exponent, 10 of fraction.

/** The values of binary16 bits, exactly. */
export function float16ToFloat32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = valueOf(bits[i])
  return values
}

/** The nearest binary16 bits, ties to even; a value that is too large becomes infinite. */
export function float32ToFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const bits = new Uint16Array(wide.length)
  for (let i = 0; i < bits.length; i++) bits[i] = nearest(wide[i])
  return bits
}

function valueOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** From the bits of a float32. */
function nearest(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size > 0x7f800000) return sign | 0x7e00
  // From 65520 on the nearest is 65536, which float16 does not have.
  if (size >= 0x477ff000) return sign | 0x7c00
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13)
  // Below 2^-14: multiples of 2^-24.
  const shift = 126 - (size >>> 23)
  if (shift > 24) return sign
  const fraction = (size & 0x7fffff) | 0x800000
  const half = 1 << (shift - 1)
  const kept = fraction >>> shift
  const rest = fraction & (2 * half - 1)
  return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0))
}
