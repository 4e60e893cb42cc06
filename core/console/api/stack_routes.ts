/** Routes that show the stacks of the console. */
import * as z from 'zod'
import { asConvergeError } from '../../model/errors.ts'
import type { Audit } from '../access/audit.ts'
import { levels } from '../access/levels.ts'
import type { StackSettings } from '../deployments/stack_settings.ts'
import type { DeploymentStore } from '../deployments/store.ts'
import type { RepositoryReader } from '../stack/repository_reader.ts'
import type { StackReader } from '../stack/stack_reader.ts'
import { deploymentAnswer, withoutPlan } from './deployment_answer.ts'
import { Problem } from './problem.ts'
import { accountOf, type Route, route, type StackSources, sourceOf } from './route.ts'

export interface StackServices {
  readonly stacks: StackSources
  readonly reader: StackReader
  readonly repositories: RepositoryReader
  readonly store: DeploymentStore
  readonly settings: StackSettings
  readonly audit: Audit
}

const ref = z.object({ name: z.string(), commit: z.string() })
const stackPath = { stack: z.string() }
const settingsSchema = z.strictObject({ secondPerson: z.boolean() })

export function stackRoutes({ stacks, reader, repositories, store, settings, audit }: StackServices): readonly Route[] {
  const source = (name: string) => sourceOf(stacks, name)
  return [
    route({
      method: 'get',
      path: '/api/stacks',
      access: 'account',
      summary: 'List the stacks that you may see, each with its last deployments',
      answer: z.array(z.object({ name: z.string(), level: z.enum(levels), deployments: z.array(deploymentAnswer) })),
      handle: (request) => {
        const { levelOf } = accountOf(request)
        return [...stacks.keys()]
          .map((name) => ({ name, level: levelOf(name), deployments: store.list(name, 5).map(withoutPlan) }))
          .filter(({ level }) => level !== 'deny')
      },
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}',
      access: 'show',
      summary: 'Show layers, hosts and apps of a stack',
      params: stackPath,
      answer: z.object({
        name: z.string(),
        level: z.enum(levels),
        secondPerson: z.boolean(),
        layers: z.array(
          z.looseObject({
            name: z.string(),
            title: z.string(),
            roles: z.array(z.string()),
            hosts: z.array(z.string()),
          }),
        ),
        hosts: z.array(
          z.looseObject({
            name: z.string(),
            address: z.string(),
            layers: z.array(z.string()),
            roles: z.array(z.string()),
            status: z.string(),
          }),
        ),
        apps: z.array(z.looseObject({ name: z.string() })),
      }),
      handle: async (request) => {
        const { stack: name } = request.params
        const { layers, hosts, apps } = await reader.show(source(name))
        const level = accountOf(request).levelOf(name)
        return { name, level, secondPerson: settings.requiresSecondPerson(name), ...mutable({ layers, hosts, apps }) }
      },
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/apps/{app}/revisions',
      access: 'deploy',
      summary: 'List branches, tags and recent commits of the repository of an app',
      params: { ...stackPath, app: z.string() },
      answer: z.object({
        branches: z.array(ref),
        tags: z.array(ref),
        commits: z.array(z.object({ commit: z.string(), subject: z.string(), author: z.string(), time: z.string() })),
        /** Why the repository could not be read: the hosts may still be able to. */
        unreadable: z.string().nullable(),
      }),
      handle: async ({ params }) => {
        const { apps } = await reader.show(source(params.stack))
        const { repository } = apps.find(({ name }) => name === params.app) ?? {}
        if (typeof repository !== 'string')
          throw new Problem(404, 'NOT_FOUND', `${params.stack} has no app ${params.app} with a repository`)
        try {
          return { ...mutable(await repositories.revisions(repository)), unreadable: null }
        } catch (thrown) {
          const { code, message, hint = '' } = asConvergeError(thrown)
          if (code !== 'REPOSITORY_UNREADABLE') throw thrown
          return { branches: [], tags: [], commits: [], unreadable: `${message}; ${hint}` }
        }
      },
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/records',
      access: 'show',
      summary: 'List the recorded deployments of a stack, also those from a command line, newest first',
      params: stackPath,
      query: { limit: z.coerce.number().int().min(1).max(100).default(20) },
      answer: z.array(z.looseObject({})),
      handle: async ({ params, query }) => {
        const records = await reader.records(source(params.stack), query.limit)
        return records as Record<string, unknown>[]
      },
    }),
    route({
      method: 'get',
      path: '/api/stacks/{stack}/settings',
      access: 'show',
      summary: 'Show the settings of a stack',
      params: stackPath,
      answer: settingsSchema,
      handle: ({ params }) => ({ secondPerson: settings.requiresSecondPerson(source(params.stack).name) }),
    }),
    route({
      method: 'patch',
      path: '/api/stacks/{stack}',
      access: 'manage',
      summary: 'Change the settings of a stack',
      params: stackPath,
      body: settingsSchema,
      answer: settingsSchema,
      handle: (request) => {
        const { stack } = request.params
        source(stack)
        settings.setSecondPerson(stack, request.body.secondPerson)
        const { account, via } = accountOf(request)
        const entry = { action: 'settings changed', stack, detail: request.body }
        audit.add({ actor: account, via, address: request.address, ...entry })
        return request.body
      },
    }),
  ]
}

/** Copies a value that was read from JSON, without `readonly`. */
function mutable<T>(value: T): Mutable<T> {
  return value as Mutable<T>
}

type Mutable<T> = T extends readonly (infer E)[]
  ? Mutable<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T
