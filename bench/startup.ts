/** Measures the cost of converge without work: its help, and a run of a role that declares nothing. */
import { mkdirSync } from 'node:fs'
import { type Command, measure } from './measure.ts'
import { apart, recipe } from './peers/converge.ts'
import { Results } from './results.ts'

export async function benchStartup(program: string, repetitions: number, directory: string): Promise<Results> {
  const root = `${directory}/startup`
  mkdirSync(`${root}/etc`, { recursive: true })
  const node = process.execPath
  const empty = ['--role', 'empty', '--recipes', recipe('empty_recipe.ts'), ...apart(root)]
  const cases: Record<string, Command> = {
    'node -e 0': { argv: [node, '-e', '0'] },
    'converge --help': { argv: [node, program, '--help'] },
    'an empty run': { argv: [node, program, ...empty] },
  }
  const results = new Results()
  for (let repetition = -1; repetition < repetitions; repetition++)
    for (const [name, command] of Object.entries(cases)) {
      const outcome = await measure(command, directory, `${root}/log`, 60)
      // The first run fills caches.
      if (repetition >= 0) results.add([name], outcome)
    }
  return results
}
