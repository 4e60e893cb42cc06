/** Completes names of a stack in a shell: reads the keys of its file, and fetches or runs nothing in it. */
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readInputFile } from '../../host/input_file.ts'
import { isObject, type JsonObject } from '../../node/merge.ts'
import { parseLayer } from '../../node/parse_layer.ts'

/** The names of stack files that converge finds without --stack. */
export const stackFileNames = ['stack.yaml', 'stack.yml', 'stack.json', 'stack.jsonc', 'stack.ts']

const parts: Readonly<Record<string, string>> = {
  host: 'hosts',
  limit: 'hosts',
  layer: 'layers',
  app: 'apps',
  environment: 'environments',
}

/**
 * @param option without its dashes
 * @param words of the command line, up to the cursor
 * @returns possible values of the option; none if no stack can be read, or if the stack file is a program
 */
export async function stackNames(option: string, words: readonly string[]): Promise<readonly string[]> {
  const part = parts[option]
  if (part === undefined && option !== 'to') return []
  const at = words.findLastIndex((word) => word === '--stack' || word === '-s')
  const attachedValue = words.find((word) => word.startsWith('--stack='))?.slice('--stack='.length)
  const named = attachedValue ?? (at < 0 ? undefined : words[at + 1])
  for (const file of (named === undefined ? stackFileNames : [named]).filter((name) => !name.endsWith('.ts'))) {
    const stack = await keysIn(file)
    if (stack === null) continue
    if (part === undefined) return recordedCommits(dirname(file))
    const { environments } = stack
    const overlays = isObject(environments) ? Object.values(environments).filter(isObject) : []
    return [
      ...new Set([stack, ...overlays].flatMap(({ [part]: value }) => (isObject(value) ? Object.keys(value) : []))),
    ]
  }
  return []
}

/** Lists the commits of the recorded deployments, newest first, as targets of a rollback. */
async function recordedCommits(directory: string): Promise<readonly string[]> {
  const { listDeployments } = await import('../../fleet/records/history.ts')
  const records = await readdir(`${directory}/.converge`).catch(() => [])
  const all = records.flatMap((name) => listDeployments(`${directory}/.converge/${name}`, 20))
  const latestFirst = all.toSorted((a, b) => (a.started < b.started ? 1 : -1))
  return [...new Set(latestFirst.flatMap(({ commits }) => Object.values(commits)))]
}

/** Returns null for a missing or unreadable file: completion reports no errors. */
async function keysIn(file: string): Promise<JsonObject | null> {
  try {
    return (await parseLayer({ text: readInputFile(file).toString('utf8'), file, kind: 'stack' })).value
  } catch {
    return null
  }
}
