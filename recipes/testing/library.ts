/** Exports both modules of the package in one, so that a recipe and its tests share one engine. */

export * as recipes from '../api.ts'
export * as testing from './index.ts'
