/** Defines a layer of attributes: what a JSON or YAML file, the environment or a role contributes. */
import type { Operation } from 'fast-json-patch'
import type { SourceLocation } from '../model/errors.ts'
import type { WrittenNumber } from './json_text.ts'
import type { JsonObject } from './merge.ts'
import type { KeyPath } from './path.ts'

/** Lowest first; of two layers of one kind, the later one takes precedence. */
export const layerKinds = ['facts', 'defaults', 'stack', 'role', 'host', 'deployment'] as const
export type LayerKind = (typeof layerKinds)[number]

/** A mistake in the input that does not prevent a run. */
export interface NodeWarning {
  readonly code:
    | 'UNKNOWN_KEY'
    | 'DUPLICATE_KEY'
    | 'UNSAFE_KEY'
    | 'EMPTY_LAYER'
    | 'SHARED_ADDRESS'
    | 'NO_EFFECT'
    | 'NUMBER_AS_TEXT'
  readonly message: string
  readonly path: string
  /** Advice for the user, in the imperative. */
  readonly hint?: string | undefined
  readonly source?: SourceLocation | undefined
}

export interface Layer {
  readonly kind: LayerKind
  /** Name in reports: a path, or another origin. */
  readonly file: string
  /** The attributes of the layer, or null if it is a patch. */
  readonly value: JsonObject | null
  /** A JSON Patch (RFC 6902) for the merged layers below. */
  readonly patch: { readonly operations: readonly Operation[]; readonly library: PatchLibrary } | null
  /** Numbers that JavaScript prints differently; in a patch, paths start with the number of the operation, as in `locate`. */
  readonly numbers?: readonly WrittenNumber[]
  readonly warnings: readonly NodeWarning[]
  /** Returns the position of a key path; in a patch, the path starts with the number of the operation, from 0. */
  readonly locate: (path: KeyPath, part?: 'value' | 'key') => SourceLocation
}

/** The library for patches, loaded with the first patch layer. */
export type PatchLibrary = typeof import('fast-json-patch')['default']
