/** Measures a deploy of 3,000 files by converge, by Capistrano over ssh to this host, and by git and tar alone. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { capistrano } from './capistrano.ts'
import { type Command, measure } from './measure.ts'
import { apart, recipe } from './peers/converge.ts'
import { put, versionOf } from './peers/types.ts'
import { programsOf } from './processes.ts'
import { Repository } from './repository.ts'
import { Results } from './results.ts'
import { hasSshd, type Sshd, startSshd } from './sshd.ts'

export const deployPhases: readonly string[] = ['first', 'changed', 'unchanged']

export interface DeployResults {
  readonly results: Results
  /** Size of the repository in MB. */
  readonly size: number
  /** Programs that an unchanged deploy of converge runs; null if strace is not available. */
  readonly programs: readonly string[] | null
  readonly missing: readonly string[]
}

interface Deployer {
  readonly name: string
  readonly command: Command
  readonly target: string
  readonly current: string
}

export async function benchDeploy(
  program: string,
  repetitions: number,
  directory: string,
  tell: (text: string) => void,
): Promise<DeployResults> {
  const scratch = `${directory}/deploy`
  for (const name of ['work', 'cap', 'converge/etc']) mkdirSync(`${scratch}/${name}`, { recursive: true })
  const repository = new Repository(scratch)
  const hasCap = versionOf('cap', '--version') !== null
  const missing = [...(hasCap ? [] : ['capistrano']), ...(hasSshd() ? [] : ['openssh-server'])]
  const sshd = missing.length === 0 ? await startSshd(scratch) : null
  try {
    const deployers = deployersOf(program, scratch, repository.bare, sshd)
    const results = new Results()
    for (let repetition = 0; repetition < repetitions; repetition++) {
      tell(`deploy, ${repetition + 1} of ${repetitions}`)
      for (const phase of deployPhases) {
        if (phase === 'changed') repository.change()
        for (const one of deployers) {
          if (phase === 'first') rmSync(one.target, { recursive: true, force: true })
          spawnSync('sync')
          results.add([phase, one.name], await measure(one.command, directory, `${scratch}/log`, 300))
          repository.verify(one.current)
        }
      }
    }
    const own = deployers.find(({ name }) => name === 'converge')
    const programs = own === undefined ? null : programsOf(own.command, directory, `${scratch}/trace`)
    return { results, size: repository.size, programs, missing }
  } finally {
    sshd?.stop()
  }
}

function deployersOf(program: string, scratch: string, repository: string, sshd: Sshd | null): Deployer[] {
  const own = `${scratch}/converge`
  const at = (name: string, target: string) => ({ name, target, current: `${target}/current` })
  const converge = at('converge', `${scratch}/target-converge`)
  const cap = at('capistrano', `${scratch}/target-cap`)
  const tar = at('git archive, tar', `${scratch}/target-tar`)
  put(`${own}/node.json`, JSON.stringify({ bench: { target: converge.target, repository } }))
  const inputs = ['--role', 'bench-deploy', '--recipes', recipe('deploy_recipe.ts'), '--json', `${own}/node.json`]
  const bare = 'mkdir -p "$1/$$" && git --git-dir="$2" archive main | tar -x -C "$1/$$" && ln -sfn "$1/$$" "$1/current"'
  return [
    { ...converge, command: { argv: [process.execPath, program, ...inputs, ...apart(own)] } },
    ...(sshd === null
      ? []
      : [{ ...cap, command: capistrano(`${scratch}/cap`, { repository, target: cap.target }, sshd) }]),
    { ...tar, command: { argv: ['sh', '-c', bare, 'sh', tar.target, repository] } },
  ]
}
