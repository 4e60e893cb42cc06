/** Creates one release: a commit checked out into a directory, with links to what it shares with other releases. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { digestOf } from '../../core/model/json.ts'
import { Unknown } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { releaseFor } from '../releases/release_selection.ts'
import { bootId, listReleases, nextId, type Release } from '../releases/releases.ts'
import { buildRelease, predictRelease } from './build_release.ts'
import { commitsBetween } from './commits_between.ts'
import { type GitReleaseProps, gitReleaseProps } from './props.ts'
import { createMirror, type DesiredRelease, desiredCommit } from './source.ts'

const state = z.strictObject({
  release: z.string().nullable(),
  commit: z.string().nullable(),
  identity: z.string().nullable(),
  checkedOut: z.boolean(),
  /** The commit recorded for the revision, for a time when the remote cannot be reached. */
  noted: z.string().nullable(),
  wanted: z.strictObject({
    id: z.string().nullable(),
    commit: z.string().nullable(),
    identity: z.string().nullable(),
    /** Whether the remote itself named the commit in this run. */
    asked: z.boolean(),
  }),
})
export type GitReleaseState = z.output<typeof state>

export interface Outputs {
  /** The directory of the release. */
  path: string
  id: string
  commit: string
  identity: string
}

export const git_release = defineResource(
  {
    type: 'git_release',
    doc: 'Checks a commit out into a release directory of its own; one with the same commit and inputs is used again.',
    mirrors: "Chef's deploy resource, git-clone(1)",
    examples: [
      {
        into: '/srv/www/site/releases',
        shared: '/srv/www/site/shared',
        current: '/srv/www/site/current',
        repository: 'https://git.example.com/site.git',
        revision: 'main',
        user: 'deploy',
        links: { log: 'var/log' },
        inputs: { 'deploy.cfg': '[buildout]\nextends = buildout.cfg\n' },
      },
    ],
    reach: 'paths',
    key: (props) => props.into,
    props: gitReleaseProps,
    state,
    readsAhead: true,
    isBuiltInSteps: true,
  },
  {
    async read(host, props, context): Promise<GitReleaseState> {
      const releases = listReleases(host, props.into, props.current)
      const { commit, recordedCommit: noted, wasQueried: asked } = await desiredCommit(host, props, releases, context)
      const { release, ...target } = desiredRelease(host, props, releases, commit)
      return {
        release: release?.id ?? null,
        commit: release?.commit ?? null,
        identity: release?.identity ?? null,
        checkedOut: release !== null,
        noted,
        wanted: { ...target, asked },
      }
    },
    desired(_, { noted, wanted: target }): GitReleaseState {
      const { id, commit, identity, asked } = target
      return { release: id, commit, identity, checkedOut: true, noted: asked ? commit : noted, wanted: target }
    },
    async apply(host, props, { desired }, context) {
      const settle = (commit: string) =>
        desiredRelease(host, props, listReleases(host, props.into, props.current), commit)
      await buildRelease(host, props, desired.wanted, settle, context)
    },
    predict(host, props, { now, desired }) {
      const { id, commit, identity } = desired.wanted
      if (!now.checkedOut && id !== null && commit !== null && identity !== null)
        predictRelease(host, props, { id, commit, identity })
    },
    words: ({ revision }, { now, desired }) =>
      now.checkedOut
        ? 'noted what the remote says'
        : `new release ${desired.release ?? '(known in the run)'} of ${revision}`,
    async commits(host, props, { now, desired }, context) {
      const from = listReleases(host, props.into, props.current).find(({ current }) => current)?.commit
      // A short commit is complete only after the fetch, and then in no state of this change.
      const to = desired.commit
      if (now.checkedOut || props.scmType === 'directory' || from === undefined || from === null || to === null)
        return null
      return commitsBetween(host, createMirror(host, props, context), { from, to }, context)
    },
    outputs: ({ into }, { release, commit, identity }): Outputs => ({
      path: requireKnown(release === null ? null : `${into}/${release}`, into),
      id: requireKnown(release, into),
      commit: requireKnown(commit, into),
      identity: requireKnown(identity, into),
    }),
    fingerprint: (_, { release, identity }) => [identity, release],
    placeholders: ({ into }) => ({
      path: `${into}/<release>`,
      id: '<release>',
      commit: '<commit>',
      identity: '<identity>',
    }),
  },
)

/** Returns the release for a commit: an existing one, or the one to create. */
function desiredRelease(
  host: HostReader,
  props: GitReleaseProps,
  releases: readonly Release[],
  commit: string | null,
): DesiredRelease & { readonly release: Release | null } {
  if (commit === null) return { release: null, id: null, commit, identity: null }
  const { inputs, links, purge, submodules } = props
  const identity = digestOf({ commit, inputs, links, purge, submodules })
  const current = releases.find((release) => release.current)
  // With `pin: 'current'` the current release is meant, not a later release of the same commit that was rolled back.
  const stays = props.pin === 'current' && !props.always && current?.identity === identity
  const { always, reuse } = props
  const release = stays ? current : releaseFor(releases, { identity, always, reuse }, bootId(host))
  return { release, id: release?.id ?? nextId(host, props.into, commit), commit, identity }
}

/** Returns the value; in a dry run, one that depends on a short commit is unknown until a fetch. */
function requireKnown(value: string | null, into: string): string {
  return value ?? (new Unknown(`git_release ${into}`) as unknown as string)
}
