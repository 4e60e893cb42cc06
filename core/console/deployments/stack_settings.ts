/** Stores what the console itself knows about a stack. */
import type { Database } from '../storage/database.ts'

export class StackSettings {
  constructor(private readonly database: Database) {}

  /** Whether a deployment needs the approval of a second person. */
  needsSecondPerson(stack: string): boolean {
    const row = this.database.one<{ second_person: number }>(
      'SELECT second_person FROM stack_settings WHERE stack = ?',
      stack,
    )
    return row?.second_person === 1
  }

  setSecondPerson(stack: string, needed: boolean): void {
    this.database.run(
      'INSERT INTO stack_settings VALUES (?, ?) ON CONFLICT (stack) DO UPDATE SET second_person = excluded.second_person',
      ...[stack, needed ? 1 : 0],
    )
  }
}
