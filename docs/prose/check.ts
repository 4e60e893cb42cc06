/**
 * Checks the prose of the project (pages, comments, messages) against docs/prose/rules.yml.
 * Arguments: the files to check; without any, all files. docs/prose/exceptions.txt lists the words that stay.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findingsIn } from './findings.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const findingsOf = (path: string) =>
  findingsIn(readFileSync(`${project}/${path}`, 'utf8'), extname(path) === '.md' ? 'page' : 'code')

const named = process.argv.slice(2)
const exceptions = new Set(readFileSync(`${project}/docs/prose/exceptions.txt`, 'utf8').split('\n'))
const tracked = execFileSync('git', ['ls-files', '*.md', '*.ts', '*.mjs'], { cwd: project, encoding: 'utf8' })
let count = 0
for (const path of named.length > 0 ? named : tracked.trim().split('\n'))
  for (const { line, message } of await findingsOf(path)) {
    if (exceptions.has(`${path}: ${message.replace(/ =>.*|: split.*/, '')}`)) continue
    count++
    process.stdout.write(`${path}:${line}: ${message}\n`)
  }
if (count > 0) {
  process.stderr.write(`${count} findings; the rules are in docs/prose/rules.yml\n`)
  process.exitCode = 1
}
