/** Exports everything that the user's own recipes import from `converge-engine`. */

export * as z from 'zod'
export type { Recipe, RecipeFunction, Role } from '../core/compile/role.ts'
export { defineStack } from '../core/fleet/stack/define.ts'
export type { StackFile } from '../core/fleet/stack/schema.ts'
export type { Host, HostReader } from '../core/host/types.ts'
export {
  type AttributeDefinition,
  defineAttributes,
  type OwnAttributes,
  secret,
} from '../core/load/own_attributes.ts'
export type { ConvergeConfig } from '../core/load/recipes.ts'
export { ConvergeError } from '../core/model/errors.ts'
export { anyHost, type DefaultedQuery, defineQuery, onlyOnHost, type Query } from '../core/model/query.ts'
export { derived, type Input, queried, type Reference, under } from '../core/model/reference.ts'
export type { Check, CommonOptions, Context, Handle } from '../core/model/resource.ts'
export { absolutePath, Duration, duration, fileMode, milliseconds, minutes, seconds } from '../core/model/units.ts'
export type { Handlers, ResourceReport, RunReport } from '../core/report/events.ts'
export type { DeployHook, DeployHookContext } from '../resources/commands/hook_script.ts'
export { type RecipeDirectory, type RecipeFile, recipeDirectory, recipeFile } from '../resources/files/recipe_files.ts'
export { readTemplate } from '../resources/files/render_template.ts'
export * from '../resources/index.ts'
export { readData } from './data.ts'
export { type NodeWith, type SiteNode as PloneNode, underPrefix as placed } from './node.ts'
export { defineResource } from './own_resource.ts'
export { type RoleAttributes, role } from './role.ts'
export * as roles from './roles.ts'
export { type HostFilter, type StackHost, type StackHosts, stack } from './stack_hosts.ts'
