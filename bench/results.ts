/** Stores the measurements by benchmark, tool and case. */
import type { Figures, Outcome } from './measure.ts'
import { median, spread } from './table.ts'

export class Results {
  private readonly samples = new Map<string, { readonly key: readonly string[]; figures: Figures[]; late: boolean }>()

  add(key: readonly string[], outcome: Outcome): void {
    const name = key.join('\0')
    const entry = this.samples.get(name) ?? { key, figures: [], late: false }
    if (outcome === 'too slow') entry.late = true
    else entry.figures.push(outcome)
    this.samples.set(name, entry)
  }

  get(...key: string[]): readonly Figures[] {
    return this.samples.get(key.join('\0'))?.figures ?? []
  }

  /** Returns the median of one figure; null if it was not measured. */
  median(what: keyof Figures, ...key: string[]): number | null {
    const figures = this.get(...key)
    return figures.length === 0 ? null : median(figures.map((one) => one[what]))
  }

  /** Returns a row for each case: its key, and the figures. */
  rows(): string[][] {
    return [...this.samples.values()].map(({ key, figures, late }) => {
      const number = `${figures.length}${late ? ', then stopped: too slow' : ''}`
      const text = (what: keyof Figures, digits: number) =>
        figures.length === 0
          ? ''
          : spread(
              figures.map((one) => one[what]),
              digits,
            )
      return [...key, number, text('wall', 3), text('cpu', 3), text('peak', 0)]
    })
  }
}

export const figureNames = ['runs', 'wall s', 'CPU s', 'peak MiB']
