/** Prints for a person or a program: makes text safe for a terminal, and decides whether it has colours. */
import { printable, printableJson } from '../report/printable.ts'

/** @param color whether the text contains colours that converge added */
export function print(text: string, color = false): void {
  process.stdout.write(printable(text, color))
}

/** Prints on standard error. */
export function printError(text: string, color = false): void {
  process.stderr.write(printable(text, color))
}

/** Prints one value as JSON; on several lines if a person may read it. */
export function printJson(value: unknown, space?: number): void {
  process.stdout.write(`${printableJson(value, space)}\n`)
}

/** Prints the content of a file: unchanged to a pipe, made printable for a terminal. */
export function printContent(text: string): void {
  process.stdout.write(process.stdout.isTTY ? printable(text, false) : text)
}

/** Decides whether output to a stream has colours, if no option does. */
export function useColor(stream: NodeJS.WriteStream): boolean {
  if (process.env.NO_COLOR) return false
  return process.env.FORCE_COLOR
    ? process.env.FORCE_COLOR !== '0'
    : stream.isTTY === true && process.env.TERM !== 'dumb'
}
