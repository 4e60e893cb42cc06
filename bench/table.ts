/** Formats figures: medians with their range, and Markdown tables. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  if (low === undefined || high === undefined) throw new Error('no figures, no median')
  return (low + high) / 2
}

/** Formats `0.123 (0.110–0.150)`: the median, and the range of several values. */
export function spread(values: readonly number[], digits: number): string {
  const middle = median(values).toFixed(digits)
  if (values.length === 1) return middle
  return `${middle} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Formats how much longer the other takes, such as `2 times`. */
export function times(other: number, own: number): string {
  return `${(other / own).toFixed(1)} times`
}
