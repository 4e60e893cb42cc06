/** Which apps the roles of a host deploy, as they say themselves when they are compiled. */
import { compile } from '../../compile/compile.ts'
import { nodeDocuments, rolesOf } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { documentLayer } from '../../node/layers.ts'
import type { StackInputs } from './inputs.ts'
