/** Loads `node:sqlite` without the warning of Node that it is experimental, on which an operator cannot act. */
import type { DatabaseSync } from 'node:sqlite'

export type { DatabaseSync, SqlValue, StatementSync } from 'node:sqlite'

export function openSqlite(path: string): DatabaseSync {
  const { emitWarning } = process
  process.emitWarning = () => undefined
  try {
    const { DatabaseSync: Connection } = (process as unknown as Loader).getBuiltinModule('node:sqlite')
    return new Connection(path)
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Node 22.3 and later; the types are those of Node 20. */
interface Loader {
  getBuiltinModule(name: 'node:sqlite'): { readonly DatabaseSync: typeof DatabaseSync }
}
