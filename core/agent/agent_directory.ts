/** Stores what the agent of a host knows: its keys, its bus, and the newest rollout that it has accepted. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type EnrolmentAnswer, enrolmentAnswer } from '../bus/protocol.ts'
import { makeDirectories } from '../host/directories.ts'
import { replaceFile } from '../host/replace_file.ts'
import { ConvergeError } from '../model/errors.ts'

const keys = z.object({
  /** Seed of the NKEY. */
  seed: z.string(),
  /** Private age key. */
  identity: z.string(),
})
export type AgentKeys = z.output<typeof keys>

const enrolmentWithKeys = enrolmentAnswer.extend(keys.shape)

export const defaultAgentDirectory = '/var/lib/converge/agent'

export class AgentDirectory {
  constructor(readonly path: string) {}

  /** Directory of the journal: one directory for each command. */
  get commands(): string {
    return this.file('commands')
  }

  /** Checks that the keys can be stored here, before the host enrols with them. */
  prepare(): void {
    makeDirectories(this.path, 0o700)
    makeDirectories(this.commands, 0o700)
    replaceFile(this.file('enrolment.new'), '')
  }

  /** Stores the keys with what the control plane has answered, in one file: a host has both of one enrolment, or neither. */
  saveEnrolment(value: EnrolmentAnswer, keys: AgentKeys): void {
    const isOtherControl = this.isEnrolled && this.load().control !== value.control
    replaceFile(this.file('agent.json'), `${JSON.stringify({ ...value, ...keys }, null, 2)}\n`)
    rmSync(this.file('enrolment.new'), { force: true })
    // Another control plane counts its rollouts from 1.
    if (isOtherControl) rmSync(this.file('revision'), { force: true })
  }

  get isEnrolled(): boolean {
    return existsSync(this.file('agent.json'))
  }

  /** @throws NOT_ENROLLED */
  load(): EnrolmentAnswer & AgentKeys {
    if (!this.isEnrolled)
      throw new ConvergeError(`this host is not enrolled: ${this.file('agent.json')} does not exist`, {
        code: 'NOT_ENROLLED',
        hint: 'print a token on the computer of the control plane with converge agent invite HOST, then run here: converge agent enrol TOKEN',
        usage: true,
      })
    return enrolmentWithKeys.parse(JSON.parse(readFileSync(this.file('agent.json'), 'utf8')))
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
