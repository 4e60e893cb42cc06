/** A recipe that declares nothing: what a run costs by itself. */
import { role } from 'converge-engine'

export default role('empty', { deploy() {} })
