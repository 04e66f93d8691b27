// A long regular expression written in parts, for messages that tests expect. No test is here.

/** One pattern that matches its parts one after the other. */
export function pattern(...parts: readonly RegExp[]): RegExp {
  return new RegExp(parts.map(({ source }) => source).join(''))
}
