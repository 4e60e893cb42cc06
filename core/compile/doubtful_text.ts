/** Finds texts that JavaScript makes of values that are no text, such as "undefined" in a configuration file. */
import { isPlainObject } from '../model/reference.ts'

/** A reference in JSON. */
const reference = /\(known later: [^)]*\)/
const doubtful = /\bundefined|\bNaN\b|\[object [A-Z]\w*\]/

/** Files whose text is code, where these words have a meaning. */
const code = /\.(?:[cm]?[jt]sx?|html?|vue|svelte|map)$/

const shownLength = 60

export interface DoubtfulText {
  readonly words: string
  /** The words, with the line of the text. */
  readonly text: string
}

/** @returns the first such text in the properties of a resource; null for none */
export function doubtfulText(props: Readonly<Record<string, unknown>>): DoubtfulText | null {
  const isCode = typeof props.path === 'string' && code.test(props.path)
  // A template prints no such value, and its own text may have the words.
  const { source: _, ...others } = props
  const found = firstIn(others, '', isCode ? reference : new RegExp(`${reference.source}|${doubtful.source}`))
  if (found === null) return null
  const { path, word, line } = found
  const words = `property ${path} contains "${word}"`
  return { words, text: line === word ? words : `${words}: ${line}` }
}

/** @returns the first such word in a message of a recipe; null for none */
export function doubtfulWord(message: string): string | null {
  return new RegExp(`${reference.source}|${doubtful.source}`).exec(message)?.[0] ?? null
}

interface Found {
  readonly path: string
  readonly word: string
  readonly line: string
}

function firstIn(value: unknown, path: string, pattern: RegExp): Found | null {
  if (typeof value === 'string') return inText(value, path, pattern)
  if (!isPlainObject(value) && !Array.isArray(value)) return null
  for (const [key, child] of Object.entries(value)) {
    const found = firstIn(child, path === '' ? key : `${path}.${key}`, pattern)
    if (found !== null) return found
  }
  return null
}

function inText(text: string, path: string, pattern: RegExp): Found | null {
  const match = pattern.exec(text)
  if (match === null) return null
  const line = text.slice(text.lastIndexOf('\n', match.index) + 1).split('\n', 1)[0] ?? ''
  return { path, word: match[0], line: line.length > shownLength ? `${line.slice(0, shownLength)}...` : line }
}
