// Light, dark, or as the system says: a button that goes round, and remembers.
import { byId } from './element.js'

const THEMES = { system: '◐', light: '☀', dark: '☾' } as const
type Theme = keyof typeof THEMES
const KEY = 'webgpu-trm theme'

export function wireTheme(): void {
  const button = byId('theme')
  const names = Object.keys(THEMES) as Theme[]
  const remembered = localStorage.getItem(KEY)
  let theme = names.find(name => name === remembered) ?? 'system'
  const apply = () => {
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    button.textContent = THEMES[theme]
    button.setAttribute('aria-label', `Colours: ${theme === 'system' ? 'as the system' : theme}`)
    button.title = button.getAttribute('aria-label')!
    dispatchEvent(new Event('themechange'))
  }
  button.addEventListener('click', () => {
    theme = names[(names.indexOf(theme) + 1) % names.length]
    localStorage.setItem(KEY, theme)
    apply()
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')))
  apply()
}
