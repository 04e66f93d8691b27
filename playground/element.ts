// Elements of the page: found by id, made from attributes and children, and text that people read.

/** The element with that id, which the page's markup has. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const found = document.getElementById(id)
  if (!found) throw new Error(`page: no element "${id}" in its markup`)
  return found as Type
}

type Attribute = string | number | boolean | undefined | ((event: Event) => void)

/** A new element. Functions become listeners, `true` an attribute without value; `false` and undefined leave it out. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, Attribute> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value)
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children)
  return made
}

/** Shows a message, or hides its place. */
export function say(place: HTMLElement, message: string | undefined): void {
  place.textContent = message ?? ''
  place.hidden = !message
}

export const number = (value: number): string => value.toLocaleString('en')

/** A number of things in words: "1 cell", "3 cells". */
export const count = (value: number, thing: string): string => `${number(value)} ${value === 1 ? thing : `${thing}s`}`

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Saves bytes as a file on the visitor's machine. */
export function download(name: string, bytes: BlobPart, type = 'application/octet-stream'): void {
  const url = URL.createObjectURL(new Blob([bytes], { type }))
  element('a', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** A button that opens a file picker. */
export function takePicks(button: HTMLElement, input: HTMLInputElement, take: (file: File) => void): void {
  button.addEventListener('click', () => input.click())
  input.addEventListener('change', () => {
    const [file] = input.files ?? []
    if (file) take(file)
    input.value = ''
  })
}

/** An area that files can be dropped on; an area inside of it keeps its own. */
export function takeDrops(area: HTMLElement, take: (file: File) => void): void {
  const mark = (isOver: boolean) => (event: Event) => {
    event.preventDefault()
    area.classList.toggle('over', isOver)
  }
  area.addEventListener('dragover', mark(true))
  area.addEventListener('dragleave', mark(false))
  area.addEventListener('drop', event => {
    mark(false)(event)
    event.stopPropagation()
    const [file] = event.dataTransfer?.files ?? []
    if (file) take(file)
  })
}
