/** Defines the parts in which the roles of apps differ: how an app is built, how it starts, how it takes traffic. */
import type { Input, Reference } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { AttributeWarning } from '../attribute_warning.ts'
import type { App } from './app.ts'
import type { Source } from './checkout.ts'
import type { DeployTarget } from './deploy_hooks.ts'
import type { Differences } from './release_attributes.ts'

/**
 * Why a release is activated. `deploy` builds the requested commit; `configure` and `rebuild` build the current commit
 * with the present attributes; `rollback` activates an existing release.
 */
export type Purpose = 'deploy' | 'configure' | 'rebuild' | 'rollback'

export type BuildStage = 'before build' | 'after build'

/** A release to activate: an existing one, or one that this run builds. */
export interface AppRelease {
  readonly path: Input<string>
  readonly commit: Input<string>
  readonly identity: Input<string>
  /** The release on the host with the data recorded by its deploy; absent if this run builds the release. */
  readonly existing?: Release
}

/** A release that this run builds. */
export interface BuiltRelease {
  readonly path: Reference<string>
  readonly commit: Reference<string>
  readonly identity: Reference<string>
}

export interface Activation {
  readonly purpose: Purpose
  /** The results of `prepare`, whose changes require a restart or reload. */
  readonly prepared: readonly Handle[]
  /** Options for every resource of the activation. */
  readonly options: CommonOptions
  /** Runs a hook of the app. */
  readonly declareHook: (name: 'before_restart' | 'after_restart', options?: CommonOptions) => void
}

/** The parts of a role, for one app on one host. `lifecycle.ts` calls them in the order of a deploy. */
export interface AppParts {
  readonly app: App
  /** Links of the app that `undeploy` removes; default: `current`. */
  readonly links?: readonly string[]

  /** Installs packages, the account, directories and services. */
  setup(): void

  /** Handles an app that this run has deployed before; returns false if the deploy must continue. */
  sharesDeploy?(purpose: Purpose): boolean

  /** Declares what a source requires, and returns it; null if the attributes name none. */
  findSource(): Source | null
  readonly noSource: AttributeWarning

  /** The rollback that `configure`, and a deploy for other apps, keep although the attributes ask for another release. */
  readonly rolledBack?: {
    /** Declares what depends on whether there is such a rollback. */
    given(declare: (isKept: boolean) => void): void
    /** Activates its release. */
    keepRelease(): void
  }

  /** Declares what must work before a release is built or activated; returns what a restart depends on. */
  prepare(options: CommonOptions): readonly Handle[]

  /** Checks the attributes before a deploy builds a release. */
  checkBeforeBuild?(): void

  /** Requires the programs that the host must have; called before and after each build. */
  requirePrograms?(stage: BuildStage): void

  /** Checks out, configures and builds a release, without marking it complete. */
  build(source: Source, purpose: Exclude<Purpose, 'rollback'>, options: CommonOptions): BuiltRelease

  /** Describes the app with this release for its hooks, its migration and its smoke test. */
  deployTarget(release?: AppRelease): DeployTarget

  /** Checks the built release before its migration. */
  checkBuild?(release: BuiltRelease, options: CommonOptions): void

  /** Prepares the migrated release for its start. */
  afterMigration?(release: BuiltRelease, options: CommonOptions): void

  /** Sends requests to the release before it becomes the current release. */
  testBeforeSwitch?(release: AppRelease): void

  /** Makes the release current, and has it serve visitors; returns what the smoke test must wait for. */
  activate(release: AppRelease, activation: Activation): readonly Handle[]

  /** Declares the scheduled jobs of the release. */
  scheduleJobs?(release: AppRelease, options: CommonOptions): void

  /**
   * Declares what depends on the differences between a release and the attributes; absent for apps that take their values
   * from these.
   */
  givenDifferences?(release: Release, declare: (differences: Differences) => void): void

  /** Records at a rollback which configuration the app leaves: that of the current release. */
  pinConfiguration?(target: Release, current: Release | undefined): void

  /**
   * Adapts the running app to the attributes. Absent for apps whose configuration is part of the release: `configure`
   * builds another release for them.
   */
  adapt?(): void

  start(): void
  restart(): void
  /** Stops the app until the next start. */
  stop(): void
  /** Removes programs, sites and jobs of the app. */
  remove(): void
}
