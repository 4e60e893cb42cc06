/** Completes command lines in a shell: prints the completion script, and the candidates for the word at the cursor. */
import { lifecycleEvents } from '../../compile/role.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Catalogue } from '../catalogue.ts'
import { allOptions, type CommandFamily, type CommandSpec, commands } from '../command_specs/list.ts'
import { commandNamed, commandsOf, familyNamed, firstWords, parseArguments, variantOptions } from './parse.ts'

/** The flag that the scripts pass before the words up to the cursor; the program prints one candidate a line. */
export const completionFlag = '--complete'

const bash = `_converge() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(converge ${completionFlag} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]#=}"))
}
complete -o bashdefault -o default -F _converge converge
`

const zsh = `#compdef converge
_converge() {
  local -a found
  found=(\${(f)"$(converge ${completionFlag} "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -- $found; else _files; fi
}
compdef _converge converge
`

/** @param shell bash or zsh; undefined for the shell that the environment names */
export function completionScript(shell: string | undefined): string {
  const name = shell ?? (process.env.SHELL?.endsWith('zsh') ? 'zsh' : 'bash')
  if (name === 'bash') return bash
  if (name === 'zsh') return zsh
  throw new ConvergeError(`there is no completion for ${name}`, {
    code: 'USAGE',
    hint: 'name bash or zsh: converge completion bash',
    usage: true,
  })
}

/**
 * @param words after the program's name, the last one at the cursor
 * @returns the candidates; none to let the shell complete files
 */
export async function complete<N>(words: readonly string[], catalogue: Catalogue<N>): Promise<readonly string[]> {
  // Bash breaks `--role=web` into three words.
  const known = words.filter((word, at) => word !== '=' || at === words.length - 1)
  const current = known.at(-1) === '=' ? '' : (known.at(-1) ?? '')
  const before = known.slice(0, -1)
  const command = before.flatMap((word, at) => commandNamed(word) ?? commandNamed(`${word} ${before[at + 1]}`) ?? [])[0]
  const others = command === undefined ? [] : variantOptions(command)
  const variant = others.find((name) => before.some((word) => word.startsWith(`--${name}`)))
  const spec = variant === undefined ? command : commandNamed(`${command?.name} --${variant}`)
  const option = optionNamed(before.at(-1))
  if (option !== undefined) return optionCandidates(option, { current, before }, catalogue)
  if (current.startsWith('-'))
    return [...new Set([...Object.keys((spec ?? commands[0])?.options ?? {}), ...others, 'help'])].map(
      (name) => `--${name}`,
    )
  if (spec !== undefined) return positionalCandidates(spec, before, catalogue)
  const family = familyNamed(before.at(-1) ?? '')
  return family === undefined ? firstWords() : secondWords(family)
}

function secondWords(family: CommandFamily): readonly string[] {
  return commandsOf(family).map(({ name }) => name.slice(family.name.length + 1))
}

/** Returns the name of an option whose value is the next word. */
function optionNamed(word = ''): string | undefined {
  const found = [...allOptions].find(([name, { alias }]) => word === `--${name}` || word === `-${alias}`)
  return found?.[1].type === 'boolean' ? undefined : found?.[0]
}

interface Words {
  /** The word at the cursor. */
  readonly current: string
  readonly before: readonly string[]
}

async function optionCandidates<N>(option: string, { current, before }: Words, catalogue: Catalogue<N>) {
  // `zeo-server,zeo-c`: each candidate starts with the text before the comma.
  const listBefore = current.slice(0, current.lastIndexOf(',') + 1)
  if (option === 'role') return Object.keys(catalogue.roles).map((name) => `${listBefore}${name}`)
  if (option === 'event') return lifecycleEvents.map((name) => `${listBefore}${name}`)
  if (option === 'explain') return Object.keys(await catalogue.schemas())
  if (option === 'to' && before.includes('rollback') && !before.includes('stack'))
    return (await releasesFor(before, catalogue)).map((name) => `${listBefore}${name}`)
  const choices = allOptions.get(option)?.choices
  if (choices !== undefined || !before.includes('stack')) return choices ?? []
  const { stackNames } = await import('../stack/completion.ts')
  return (await stackNames(option, before)).map((name) => `${listBefore}${name}`)
}

/** Lists releases; none if the words name no roles or the files cannot be read: completion reports no errors. */
async function releasesFor<N>(before: readonly string[], catalogue: Catalogue<N>): Promise<readonly string[]> {
  try {
    const { releaseIds } = await import('../commands/status.ts')
    return await releaseIds(parseArguments(before.slice(0, -1), Object.keys(catalogue.roles)).args, catalogue)
  } catch {
    return []
  }
}

async function positionalCandidates<N>(
  spec: CommandSpec,
  before: readonly string[],
  catalogue: Catalogue<N>,
): Promise<readonly string[]> {
  const last = before.at(-1) ?? ''
  const family = familyNamed(last)
  if (spec.kind === 'help' && family !== undefined) return secondWords(family)
  if (last !== spec.name.split(' ').at(-1)) return []
  if (spec.kind === 'resources') return Object.keys(await catalogue.resources()).sort()
  if (spec.kind === 'help') return firstWords()
  return spec.kind === 'completion' ? ['bash', 'zsh'] : (spec.argument?.choices ?? [])
}
