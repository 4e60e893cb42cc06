/** Reads from a webhook which commit of which branch it is about, and whether its checks have succeeded. */
import * as z from 'zod'
import type { HeaderReader, Sender } from './signature.ts'

/** `push`: deploy when commits arrive; `checks`: when the checks of a commit have succeeded. */
export const triggers = ['push', 'checks'] as const
export type Trigger = (typeof triggers)[number]

export interface CommitEvent {
  readonly trigger: Trigger
  readonly branch: string
  readonly commit: string
}

const commit = z.string().regex(/^[0-9a-f]{40,64}$/)
const branchRef = z.string().transform((ref) => ref.replace(/^refs\/heads\//, ''))

const githubPush = z.object({ ref: z.string(), after: commit, deleted: z.boolean().optional() })
const githubChecks = z.object({
  action: z.string(),
  check_suite: z.object({ head_branch: z.string().nullable(), head_sha: commit, conclusion: z.string().nullable() }),
})
const gitlabPush = z.object({ ref: z.string(), checkout_sha: commit.nullable() })
const gitlabPipeline = z.object({
  object_attributes: z.object({ ref: z.string(), sha: commit, status: z.string(), tag: z.boolean().optional() }),
})
const generic = z.object({ branch: branchRef, commit, checks: z.boolean().default(false) })

/**
 * @param body the parsed body
 * @returns null for an event that is about no commit of a branch, such as a ping or a removed branch
 */
export function commitEvent(sender: Sender, header: HeaderReader, body: unknown): CommitEvent | null {
  switch (sender) {
    case 'github':
      return githubEvent(header('x-github-event') ?? '', body)
    case 'gitlab':
      return gitlabEvent(header('x-gitlab-event') ?? '', body)
    case 'generic': {
      const { data } = generic.safeParse(body)
      return data ? { trigger: data.checks ? 'checks' : 'push', branch: data.branch, commit: data.commit } : null
    }
  }
}

function githubEvent(name: string, body: unknown): CommitEvent | null {
  if (name === 'push') {
    const { data } = githubPush.safeParse(body)
    return data === undefined || data.deleted ? null : ofBranch('push', data.ref, data.after)
  }
  if (name !== 'check_suite') return null
  const { data } = githubChecks.safeParse(body)
  if (data?.action !== 'completed' || data.check_suite.conclusion !== 'success') return null
  const { head_branch: branch, head_sha } = data.check_suite
  return branch === null ? null : { trigger: 'checks', branch, commit: head_sha }
}

function gitlabEvent(name: string, body: unknown): CommitEvent | null {
  if (name === 'Push Hook') {
    const { data } = gitlabPush.safeParse(body)
    return data === undefined || data.checkout_sha === null ? null : ofBranch('push', data.ref, data.checkout_sha)
  }
  if (name !== 'Pipeline Hook') return null
  const { data } = gitlabPipeline.safeParse(body)
  if (data?.object_attributes.status !== 'success' || data.object_attributes.tag) return null
  return { trigger: 'checks', branch: data.object_attributes.ref, commit: data.object_attributes.sha }
}

/** Tags have other references. */
function ofBranch(trigger: Trigger, ref: string, commit: string): CommitEvent | null {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1]
  return branch === undefined ? null : { trigger, branch, commit }
}
