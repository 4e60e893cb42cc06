/** Collects the mistakes that several checks of one input find. */
import { type ConvergeError, describeLocation } from './errors.ts'

/**
 * The checks run one after the other, each on what the earlier ones have found to be right. A mistake at the position or in
 * the attribute of an earlier check's mistake only follows from it, and is left out.
 */
export class Findings {
  private readonly collected: ConvergeError[] = []
  private readonly marks = new Set<string>()

  /** @param before mistakes that are known and reported elsewhere */
  constructor(before: readonly ConvergeError[] = []) {
    for (const problem of before) this.mark(problem)
  }

  get problems(): readonly ConvergeError[] {
    return this.collected
  }

  /**
   * Takes in what one check has found.
   * @returns those that do not follow from earlier ones
   */
  add(problems: readonly ConvergeError[]): readonly ConvergeError[] {
    const added = problems.filter((problem) => !marksOf(problem).some((mark) => this.marks.has(mark)))
    for (const problem of added) this.mark(problem)
    this.collected.push(...added)
    return added
  }

  private mark(problem: ConvergeError): void {
    for (const mark of marksOf(problem)) this.marks.add(mark)
  }
}

/** A file without a line is left out: all mistakes of a stack.ts have the same file. */
function marksOf({ source, attribute }: ConvergeError): string[] {
  const location = source?.line === undefined || source.column === undefined ? [] : [describeLocation(source)]
  return attribute === undefined ? location : [...location, `attribute ${attribute}`]
}

/** Sorts the problems: file after file, each from top to bottom. */
export function byPosition(problems: readonly ConvergeError[]): ConvergeError[] {
  const files = [...new Set(problems.map(({ source }) => source?.file))]
  const position = ({ source }: ConvergeError) => [files.indexOf(source?.file), source?.line ?? 0, source?.column ?? 0]
  return problems.toSorted((a, b) => {
    const [one, other] = [position(a), position(b)]
    return one.map((part, index) => part - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0
  })
}
