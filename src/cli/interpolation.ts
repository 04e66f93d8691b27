// ${…} in settings: `${.name}` is a field beside this one, `${..name}` one level up, `${a.b}` a field by its full name.
import { isRecord } from '../formats/json.js'
import { printable, shown } from '../formats/shown.js'

/** The field at a path of names; undefined where there is none. */
export function fieldAt(settings: unknown, names: readonly string[]): unknown {
  return names.reduce((node, name) => (isRecord(node) && Object.hasOwn(node, name) ? node[name] : undefined), settings)
}

/** References that lead to references more often than this are taken for a circle. */
const MAX_DEPTH = 20

/**
 * A copy of the settings with a value in place of every reference.
 * @param left names of fields at the top level that stay as they are
 * @throws on a reference to nothing, in a circle, or to what hydra alone resolves
 */
export function resolveReferences<T extends Record<string, unknown>>(settings: T, left: readonly string[]): T {
  const lookUp = (reference: string, path: readonly string[], depth: number): unknown => {
    const where = `config: ${printable(path.join('.'))} is ${shown(`\${${reference}}`)}`
    if (depth > MAX_DEPTH) throw new Error(`${where}, which points back at itself`)
    const [, dots, names] = /^(\.*)([\w.-]+)$/.exec(reference.trim()) ?? []
    if (names === undefined) throw new Error(`${where}, which hydra alone resolves — write the value itself`)
    const target = [...(dots ? path.slice(0, path.length - dots.length) : []), ...names.split('.')]
    const found = fieldAt(settings, target)
    if (found === undefined) throw new Error(`${where}, and there is no field ${printable(target.join('.'))}`)
    return resolve(found, target, depth + 1)
  }
  const resolve = (node: unknown, path: readonly string[], depth: number): unknown => {
    if (Array.isArray(node)) return node.map((item, i) => resolve(item, [...path, String(i)], depth))
    if (isRecord(node)) {
      const stays = (name: string) => path.length === 0 && left.includes(name)
      const of = ([name, value]: [string, unknown]) => [
        name,
        stays(name) ? value : resolve(value, [...path, name], depth),
      ]
      return Object.fromEntries(Object.entries(node).map(of))
    }
    if (typeof node !== 'string' || !node.includes('${')) return node
    const [, whole] = /^\$\{([^{}]*)\}$/.exec(node) ?? []
    if (whole !== undefined) return lookUp(whole, path, depth)
    return node.replace(/\$\{([^{}]*)\}/g, (_, reference: string) => String(lookUp(reference, path, depth)))
  }
  return resolve(settings, [], 0) as T
}
