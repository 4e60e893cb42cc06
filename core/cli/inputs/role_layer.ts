/** Builds the layer of attributes that a role sets. */
import type { Role } from '../../compile/role.ts'
import type { Layer } from '../../node/layer.ts'
import { objectLayer } from '../../node/parse_layer.ts'

/** Builds the layer; a mistake in the attributes of a user's role is reported at the line of the role. */
export function roleLayer<N>({ name, attributes, source }: Role<N>): Layer {
  const file = `role ${name}`
  return { ...objectLayer(attributes, file, 'role'), locate: () => source?.() ?? { file } }
}
