/** Describes the routes as OpenAPI 3.1. */
import * as z from 'zod'
import { problemDescriptions, problemSchema } from './problem.ts'
import type { Route } from './route.ts'

export function openApi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'converge console',
      version,
      description: 'See and deploy the stacks of a console. Log in for a session, or send a token.',
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: '__Host-converge' },
        token: { type: 'http', scheme: 'bearer' },
      },
    },
  }
}

function operation(route: Route): object {
  const { summary, access, params, query, body, answer, contentType = 'application/json', status = 200 } = route
  const parameters = [
    ...Object.entries(params).map(([name, schema]) => ({
      name,
      in: 'path',
      required: true,
      schema: schemaOf(schema, 'input'),
    })),
    ...Object.entries(query).map(([name, schema]) => ({
      name,
      in: 'query',
      required: !schema.safeParse(undefined).success,
      schema: schemaOf(schema, 'input'),
    })),
  ]
  const json = (schema: object) => ({ 'application/json': { schema } })
  const problems = Object.entries(problemDescriptions).map(([code, description]) => [
    code,
    { description, content: json({ $ref: '#/components/schemas/Problem' }) },
  ])
  return {
    summary,
    description: `Needs: ${access === 'public' ? 'nothing' : access === 'signed' ? 'a signature' : access}.`,
    ...(access === 'public' || access === 'signed' ? {} : { security: [{ session: [] }, { token: [] }] }),
    parameters,
    ...(body === null ? {} : { requestBody: { required: true, content: json(schemaOf(body, 'input')) } }),
    responses: {
      [status]:
        status === 302
          ? { description: 'Sends the browser to the pages' }
          : { description: 'Done', content: { [contentType]: { schema: schemaOf(answer, 'output') } } },
      ...Object.fromEntries(problems),
    },
  }
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
