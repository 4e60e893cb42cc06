/** Stores the settings that the console has for a stack: whether a deployment requires a second person. */
import type { Database } from '../storage/database.ts'

export class StackSettings {
  constructor(private readonly database: Database) {}

  /** Whether a deployment requires the approval of a second person. */
  requiresSecondPerson(stack: string): boolean {
    const row = this.database.one<{ second_person: number }>(
      'SELECT second_person FROM stack_settings WHERE stack = ?',
      stack,
    )
    return row?.second_person === 1
  }

  setSecondPerson(stack: string, isRequired: boolean): void {
    this.database.run(
      'INSERT INTO stack_settings VALUES (?, ?) ON CONFLICT (stack) DO UPDATE SET second_person = excluded.second_person',
      stack,
      isRequired ? 1 : 0,
    )
  }
}
