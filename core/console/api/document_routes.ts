/** Routes that describe the API, and report whether the console works. */
import * as z from 'zod'
import { openApi } from './openapi.ts'
import { type Route, route } from './route.ts'

export function documentRoutes(routes: readonly Route[], version: string): readonly Route[] {
  const documentRoutesOnly = [
    route({
      method: 'get',
      path: '/api/health',
      access: 'public',
      summary: 'Tell a monitor that the console answers',
      answer: z.object({ status: z.literal('ok'), version: z.string() }),
      handle: () => ({ status: 'ok' as const, version }),
    }),
    route({
      method: 'get',
      path: '/api/openapi.json',
      access: 'public',
      summary: 'Describe the API as OpenAPI 3.1',
      answer: z.looseObject({}),
      handle: () => ({ ...document }),
    }),
  ]
  const document = openApi([...routes, ...documentRoutesOnly], version)
  return documentRoutesOnly
}
