/** Parses the JSON that the read-only commands print on a host: revisions and releases. */
import * as z from 'zod'
import { ConvergeError } from '../model/errors.ts'
import { omitUndefined } from '../model/omit_undefined.ts'
import type { CurrentRelease } from './types.ts'

/** Names and commits. The length is limited, because the host decides what it sends, and the report keeps it. */
const shortText = z.string().max(1000)

/** A word for the command line of git or svn on other hosts: it is no option and has no control characters. */
const commandWord = shortText.regex(/^(?!-)[^\x00-\x1f\x7f-\x9f]*$/)

const revisions = z.array(
  z.object({
    app: shortText,
    revision: commandWord,
    /** Null where the source has no commit, as for a directory. */
    commit: commandWord.nullable(),
    /** Why the commit may be out of date: the host could not ask the repository. */
    unconfirmed: shortText.optional(),
  }),
)
export type Revision = z.output<typeof revisions>[number]

/** An id that the rollout puts into the command line of a rollback. */
const releaseId = shortText.regex(/^[\w.-]+$/)

const releases = z.object({
  apps: z.array(
    z.object({
      name: shortText,
      /** In the order of their numbers. */
      releases: z.array(
        z.object({
          id: releaseId,
          commit: shortText,
          /** Of the commit; an earlier version of converge does not send it. */
          subject: shortText.optional(),
          current: z.boolean(),
          complete: z.boolean().default(true),
          /** Whether a rollback goes to this release; an earlier version of converge does not send it. */
          previous: z.boolean().optional(),
        }),
      ),
    }),
  ),
})

export type AppReleases = z.output<typeof releases>['apps'][number]

/**
 * Parses the answer of `converge revisions`.
 * @param answer one document, or one a line
 * @throws REMOTE_FAILED
 */
export function parseRevisions(answer: unknown): readonly Revision[] {
  return parseAnswer(revisions, Array.isArray(answer) ? answer : [answer], 'revisions')
}

/**
 * Parses the answer of `converge releases`.
 * @throws REMOTE_FAILED
 */
export function parseReleases(answer: unknown): readonly AppReleases[] {
  return parseAnswer(releases, answer, 'releases').apps.map(({ name, releases }) => {
    return { name, releases: releases.toSorted((a, b) => Number.parseInt(a.id, 10) - Number.parseInt(b.id, 10)) }
  })
}

export function currentReleases(apps: readonly AppReleases[]): readonly CurrentRelease[] {
  return apps.map(({ name, releases }) => {
    const current = releases.find((release) => release.current)
    const { id = null, commit = null, subject } = current ?? {}
    return { app: name, release: id, commit, ...omitUndefined({ subject }) }
  })
}

/** Validates the answer of a host, because it may go into a command line of other hosts. */
function parseAnswer<S extends z.ZodType>(schema: S, answer: unknown, command: string): z.output<S> {
  const result = schema.safeParse(answer)
  if (result.success) return result.data
  throw new ConvergeError(`converge ${command} printed an answer of unknown form on the host`, {
    code: 'REMOTE_FAILED',
    output: (JSON.stringify(answer) ?? 'nothing').slice(0, 400),
    hint: 'remove what your recipes print to standard output, or print it to standard error: console.error',
  })
}
