/** Prints for a person or a program. Nothing else in this folder writes to the terminal, so nothing else has to make text safe for it. */
import { printable, printableJson } from '../report/printable.ts'

/** @param color whether our own colours are in the text */
export function print(text: string, color = false): void {
  process.stdout.write(printable(text, color))
}

/** The same on standard error. */
export function printError(text: string, color = false): void {
  process.stderr.write(printable(text, color))
}

/** One value as JSON; on several lines where a person may read it. */
export function printJson(value: unknown, space?: number): void {
  process.stdout.write(`${printableJson(value, space)}\n`)
}

/** Content of a file: to a pipe as it is, to a terminal made printable. */
export function printContent(text: string): void {
  process.stdout.write(process.stdout.isTTY ? printable(text, false) : text)
}
