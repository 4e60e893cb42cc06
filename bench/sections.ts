/** Measures the sections of a report one after the other, reports missing programs first, and stores each result. */

export interface Section {
  readonly title: string
  readonly about: string
  /** Requirements that this host lacks, as messages; empty if the section can be measured. */
  readonly missing: () => readonly string[]
  /** @returns the table of the section */
  readonly measure: () => Promise<string>
}

interface Options {
  readonly tell: (text: string) => void
  /** Stores the report with the sections so far. */
  readonly keep: (sections: readonly string[]) => void
}

/** @returns whether every section was measured */
export async function measureSections(sections: readonly Section[], { tell, keep }: Options): Promise<boolean> {
  const missing = new Map(sections.map((section) => [section, section.missing()]))
  for (const [{ title }, reasons] of missing)
    if (reasons.length > 0) tell(`cannot measure "${title}": ${reasons.join('; ')}`)
  const texts: string[] = []
  let complete = true
  for (const section of sections) {
    const reasons = missing.get(section) ?? []
    tell(section.title)
    const found = reasons.length > 0 ? reasons.join('; ') : await measured(section)
    if (typeof found === 'string') {
      complete = false
      tell(`not measured: ${found}`)
      texts.push(`## ${section.title}`, `Not measured: ${found}.`)
    } else texts.push(`## ${section.title}`, section.about, found.table)
    keep(texts)
  }
  return complete
}

async function measured({ measure }: Section): Promise<{ readonly table: string } | string> {
  try {
    return { table: await measure() }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
