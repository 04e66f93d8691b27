// Numbers and adapters as people read them, on the command line, in benches and in the page.

/** Seconds as 4 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const s = Math.round(seconds)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** Seconds to two digits, as 0.41 ms, 85 ms, 960 ms, 1.2 s, 130 s. */
export function briefly(seconds: number): string {
  const [value, unit] = seconds < 1 ? [1000 * seconds, 'ms'] : [seconds, 's']
  return `${Number(value.toPrecision(2))} ${unit}`
}

/** A share, or a dash where there is none. */
export function percent(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`
}

/** What follows an adapter's name where kernels run without bounds checks. */
export function withoutChecks(boundsChecks: boolean): string {
  return boundsChecks ? '' : ', without bounds checks'
}

/** Bytes as 1.5 MB, 120 MB, 2.3 GB. */
export function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
