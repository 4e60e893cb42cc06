/** Checks that a tool did the whole work, and changes some files for the next phase. */
import * as fs from 'node:fs'
import { type State, templateText } from './state.ts'

/** @throws Error naming what differs from the declaration: content, mode or target of a link */
export function verify({ root, directories, files, links }: State): void {
  const wrong: string[] = []
  const text = templateText((name) => `@${name}@`)
  const check = (path: string, isRight: () => boolean) => {
    if (!fs.lstatSync(path, { throwIfNoEntry: false }) || !isRight()) wrong.push(path)
  }
  const mode = (path: string) => fs.lstatSync(path).mode & 0o7777
  check(root, () => mode(root) === 0o755)
  for (const path of directories) check(path, () => fs.lstatSync(path).isDirectory() && mode(path) === 0o750)
  for (const { path, svc, port, workers } of files) {
    const desired = text.replaceAll('@svc@', svc).replaceAll('@port@', `${port}`).replaceAll('@workers@', `${workers}`)
    check(path, () => mode(path) === 0o640 && fs.readFileSync(path, 'utf8') === desired)
  }
  for (const { path, target } of links) check(path, () => fs.readlinkSync(path) === target)
  if (wrong.length > 0) throw new Error(`${wrong.length} differ from the declaration; the first: ${wrong[0]}`)
}

/** Adds a line to one file in a hundred, spread over all files. */
export function drift({ files }: State): void {
  const step = Math.floor(files.length / Math.max(1, Math.floor(files.length / 100)))
  for (let index = 0; index < files.length; index += step) {
    const path = files[index]?.path
    if (path !== undefined) fs.appendFileSync(path, 'a local edit\n')
  }
}
