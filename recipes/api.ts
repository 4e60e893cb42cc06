/** What recipes of one's own import from `converge-engine`. */

export * as z from 'zod'
export { type Recipe, type RecipeFunction, type Role, role } from '../core/compile/recipe.ts'
export type { Host, HostReader } from '../core/host/types.ts'
export type { ConvergeConfig } from '../core/load/recipes.ts'
export { ConvergeError } from '../core/model/errors.ts'
export { derived, type Input, type Reference, under } from '../core/model/reference.ts'
export { type Check, type CommonOptions, type Context, defineResource, type Handle } from '../core/model/resource.ts'
export { absolutePath, Duration, duration, fileMode, milliseconds, minutes, seconds } from '../core/model/units.ts'
export type { Handlers, ResourceReport, RunReport } from '../core/report/events.ts'
export * from '../resources/index.ts'
export { readTemplate } from '../resources/templates.ts'
export { type PloneNode, placed } from './node.ts'
