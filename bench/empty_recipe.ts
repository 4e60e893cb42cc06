/** Declares nothing, to measure the cost of a run alone. */
import { role } from 'converge-engine'

export default role('empty', { deploy() {} })
