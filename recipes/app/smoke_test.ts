/** Declares the smoke test of an app, and refuses a release that has failed it. */
import type { Recipe } from '../../core/compile/role.ts'
import { derived, queried } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import { release_trial } from '../../resources/releases/release_trial.ts'
import { smoke_test } from '../../resources/releases/smoke_test.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { commandOf, type DeployedRelease, type DeployTarget } from './deploy_hooks.ts'
import { hostOf } from './health_request.ts'

interface SmokeTestOptions extends CommonOptions {
  /** Whether a failure rolls the app back, if its attributes request that. */
  readonly rollBackOnFailure: boolean
  readonly when: readonly Handle[]
}

/** Declares the test `deploy.<app>.smoke_test` of the release that became current. */
export function declareSmokeTest(
  r: Recipe<SiteNode>,
  node: SiteNode,
  target: DeployTarget,
  release: DeployedRelease,
  { rollBackOnFailure, ...options }: SmokeTestOptions,
): void {
  const trial = smokeTestOf(target)
  if (trial === null) return
  const { timeout: _, ...account } = commandOf(node, target, release)
  smoke_test(r, {
    ...account,
    ...trial,
    commit: release.commit,
    rollback: rollBackOnFailure && target.app.attributes.smoke_test?.rollback_on_failure === true,
    live: derived(queried(currentReleaseOf(target.app)), (current) => current?.path),
    ...options,
  })
}

/** Refuses a release that has failed this test before, unless the operator allows a retry. */
export function refuseFailedRelease(
  r: Recipe<SiteNode>,
  node: SiteNode,
  target: DeployTarget,
  release: DeployedRelease,
  guard: CommonOptions = {},
): void {
  const trial = smokeTestOf(target)
  if (trial === null || node.run.options.retryFailed === true) return
  const { name, current } = target.app
  release_trial(r, { app: name, release: release.path, current, ...trial, ...guard })
}

/** Returns the requests and commands of `deploy.<app>.smoke_test`; null without one. */
function smokeTestOf(target: DeployTarget) {
  const test = target.app.attributes.smoke_test
  if (test === undefined) return null
  const requests = test.http.flatMap(({ port, host, path, status, contains, headers }) =>
    (port ? [port] : target.ports).map((requestPort) => ({
      port: requestPort,
      host: port === null && host === loopback ? (target.address ?? loopback) : host,
      path,
      statusMin: status.min,
      statusMax: status.max,
      headers: withHost(headers, port === null ? target.host : isAddress(host) ? target.domain : undefined),
      ...(contains ? { contains } : {}),
    })),
  )
  return {
    requests,
    commands: isSet(test.command) ? [test.command] : [],
    deadline: seconds(test.deadline_seconds),
  }
}

const loopback = '127.0.0.1'

function withHost(headers: Readonly<Record<string, string>>, host: string | undefined): Record<string, string> {
  return host === undefined || hostOf(headers) !== undefined ? { ...headers } : { Host: host, ...headers }
}

/** Decides whether a host is given by its address, and not by a name that the Host header can use. */
function isAddress(host: string): boolean {
  return host === 'localhost' || /^[\d.]+$/.test(host) || host.includes(':')
}
