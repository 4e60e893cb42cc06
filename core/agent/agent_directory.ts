/** Stores what the agent of a host knows: its keys, its bus, and the newest rollout that it has accepted. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { makeDirectories } from '../host/directories.ts'
import { replaceFile } from '../host/replace_file.ts'
import { ConvergeError } from '../model/errors.ts'

const enrolment = z.object({
  stack: z.string(),
  host: z.string(),
  address: z.string(),
  port: z.number(),
  /** PEM of the certificate of the bus. */
  certificate: z.string(),
  /** Public NKEY of the control plane. */
  control: z.string(),
})
export type Enrolment = z.output<typeof enrolment>

export interface AgentKeys {
  /** Seed of the NKEY. */
  readonly seed: string
  /** Private age key. */
  readonly identity: string
}

export const defaultAgentDirectory = '/var/lib/converge/agent'

export class AgentDirectory {
  constructor(readonly path: string) {}

  /** Directory of the journal: one directory for each command. */
  get commands(): string {
    return this.file('commands')
  }

  /** Stores the keys before the host enrols: only their public halves leave it. */
  saveKeys({ seed, identity }: AgentKeys): void {
    makeDirectories(this.path, 0o700)
    makeDirectories(this.commands, 0o700)
    replaceFile(this.file('host.seed'), `${seed}\n`)
    replaceFile(this.file('age.key'), `${identity}\n`)
  }

  saveEnrolment(value: Enrolment): void {
    replaceFile(this.file('agent.json'), `${JSON.stringify(value, null, 2)}\n`)
  }

  /** @throws NOT_ENROLLED */
  load(): Enrolment & AgentKeys {
    if (!existsSync(this.file('agent.json')))
      throw new ConvergeError(`this host is not enrolled: ${this.file('agent.json')} does not exist`, {
        code: 'NOT_ENROLLED',
        hint: 'print a token on the computer of the control plane with converge agent invite HOST, then run here: converge agent enrol TOKEN',
        usage: true,
      })
    const read = (name: string) => readFileSync(this.file(name), 'utf8')
    return {
      ...enrolment.parse(JSON.parse(read('agent.json'))),
      seed: read('host.seed').trim(),
      identity: read('age.key').trim(),
    }
  }

  /** Number of the newest rollout that the host has accepted. */
  revision(): number {
    const file = this.file('revision')
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  }

  saveRevision(revision: number): void {
    replaceFile(this.file('revision'), `${revision}\n`)
  }

  private file(name: string): string {
    return join(this.path, name)
  }
}
