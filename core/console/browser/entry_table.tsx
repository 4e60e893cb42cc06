/** A table of entries, each with a button that removes it, such as the tokens of a stack. */
import type { ComponentChildren } from 'preact'
import { call } from './api.ts'
import { ActionForm, Failure, type useLoaded } from './parts.tsx'

interface Entry {
  readonly id: number | string
  readonly name: string
}

interface EntryTableProps<T extends Entry> {
  /** What the entries are, as the label of the table: `Tokens`. */
  readonly label: string
  /** Text that replaces a table without entries. */
  readonly none: string
  /** The path of the entries in the API. */
  readonly path: string
  readonly loaded: Pick<ReturnType<typeof useLoaded<T[]>>, 'value' | 'error' | 'reload'>
  readonly columns: readonly string[]
  /** The content of the columns. */
  readonly cells: (entry: T) => readonly ComponentChildren[]
  /** Null if the reader may not remove entries. */
  readonly remove: { readonly label: string; readonly question: (entry: T) => string } | null
}

export function EntryTable<T extends Entry>({ label, none, path, loaded, columns, cells, remove }: EntryTableProps<T>) {
  const { value: entries, error, reload } = loaded
  return (
    <>
      <Failure error={error} />
      {entries?.length === 0 && <p class="quiet">{none}</p>}
      {entries && entries.length > 0 && (
        <section class="scroll" tabIndex={0} aria-label={label}>
          <table>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
                {remove && (
                  <th scope="col">
                    <span class="hidden">Action</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.id}>
                  {cells(entry).map((cell, index) => (
                    <td key={columns[index]}>{cell}</td>
                  ))}
                  {remove && (
                    <td>
                      <ActionForm
                        label={remove.label}
                        subject={entry.name}
                        kind="danger"
                        onSubmit={async () => {
                          if (!confirm(remove.question(entry))) return
                          await call('DELETE', `${path}/${entry.id}`)
                          reload()
                        }}
                      />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}
