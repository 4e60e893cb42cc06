/** Collects what is wrong with the recipes of a run. */
import { ConvergeError } from '../model/errors.ts'

interface Fault {
  readonly problem: ConvergeError
  /** Roles whose declarations do not fit together; none for a mistake at one position. */
  readonly roles: readonly string[]
}

/** Mistakes that are collected; a loop in a recipe may make any number of them. */
const mostFaults = 200

export class Faults {
  private readonly faults: Fault[] = []
  /** Roles with an event that threw: what comes after that in the event is not declared. */
  private readonly failed = new Set<string>()

  add(problem: ConvergeError): void {
    this.faults.push({ problem, roles: [] })
  }

  /** Adds what an event of a role threw. */
  addThrown(problems: readonly ConvergeError[], role: string): void {
    this.failed.add(role)
    for (const problem of problems) this.add(problem)
  }

  /** Adds a mistake in what several declarations are to each other. */
  addMismatch(problem: ConvergeError, roles: readonly string[]): void {
    this.faults.push({ problem, roles })
  }

  /**
   * Adds what is wrong with one declaration.
   * @returns a key for it that no resource has
   */
  invalid(...problems: readonly ConvergeError[]): string {
    for (const problem of problems) this.add(problem)
    return `invalid ${this.faults.length}`
  }

  /**
   * Ends a recipe that has too many mistakes.
   * @throws TOO_MANY_MISTAKES
   */
  requireRoom(): void {
    if (this.faults.length < mostFaults) return
    throw new ConvergeError(`there are at least ${mostFaults} mistakes: the rest of the recipes is not checked`, {
      code: 'TOO_MANY_MISTAKES',
      hint: 'correct the reported ones, then run again',
      usage: true,
    })
  }

  /** All but those that may follow from an event that failed. */
  problems(): readonly ConvergeError[] {
    const sound = this.faults.filter(({ roles }) => !roles.some((role) => this.failed.has(role)))
    return sound.map(({ problem }) => problem)
  }
}
