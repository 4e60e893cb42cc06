/** Tests the phases around a deploy for every kind of web app: hooks, a migration, a smoke test, the rollback. */
import { readFileSync, rmSync } from 'node:fs'
import type { Test } from 'tap'
import type { JsonObject } from '../../../core/node/merge.ts'
import { failureOf } from '../../support/contract.ts'
import type { WebApp } from './web_app.ts'

const hooks = ['before_migrate', 'before_symlink', 'before_restart', 'after_restart'] as const

export interface PhaseTest {
  /** Commits a version that its page displays, with additional files. */
  readonly publish: (version: string, files: Readonly<Record<string, string>>) => void
  /** A file of the release that begins with the first argument of `publish`. */
  readonly file: string
  /** Path of the page; default: / */
  readonly path?: string
  readonly json?: JsonObject
}

export async function checkDeployPhases(
  t: Test,
  app: WebApp,
  { publish, file, path = '/', json = {} }: PhaseTest,
): Promise<void> {
  const notes = `${app.directory}/shared/moments`
  const note = (what: string) => `echo "${what} $(cut -d ' ' -f 1 ${file})" >> '${notes}'`
  const takeNotes = () => {
    const all = readFileSync(notes, 'utf8').trim().split('\n')
    rmSync(notes)
    return all
  }
  const phasesOf = (version: string) =>
    ['before_migrate', 'migration', ...hooks.slice(1)].map((what) => `${what} ${version}`)
  const smoke_test = { http: [{ path, contains: 'moments' }], command: note('smoke'), rollback_on_failure: true }
  const own = { migrate: true, migrate_command: note('migration'), smoke_test: { ...smoke_test, deadline_seconds: 20 } }
  const given = { json: { ...json, deploy: { app: own } } }
  publish('moments', Object.fromEntries(hooks.map((hook) => [`deploy/${hook}`, `#!/bin/sh\n${note(hook)}\n`])))
  await app.done(t, ['deploy'], given)
  t.strictSame(takeNotes(), [...phasesOf('moments'), 'smoke moments'])
  t.equal((await app.run(['deploy'], given)).report.outcome, 'unchanged', 'each phase runs once')
  publish('worse', {})
  const shortDeadline = {
    json: { ...json, deploy: { app: { ...own, smoke_test: { ...smoke_test, deadline_seconds: 1 } } } },
  }
  const failure = failureOf((await app.run(['deploy'], shortDeadline)).report)
  t.match(failure, { code: 'SMOKE_TEST_FAILED', recovery: 'rollback' })
  t.strictSame(takeNotes(), phasesOf('worse'))
  await app.done(t, ['rollback'], shortDeadline)
  t.match((await app.page(path)).body, /moments/)
  t.strictSame(
    takeNotes(),
    ['before_restart moments', 'after_restart moments', 'smoke moments'],
    'a rollback runs no migration',
  )
  rmSync(`${app.repository}/deploy`, { recursive: true })
}
