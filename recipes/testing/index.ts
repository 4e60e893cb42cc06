/** Exports the test kit of recipes: `converge-engine/testing`. */

export type { PackageContent } from './debian.ts'
export {
  type CommandScript,
  type ExpectedFile,
  type GivenAccount,
  type GivenFile,
  TestHost,
  type TestHostOptions,
} from './host.ts'
export { type ContractCase, type ContractTest, resourceContract } from './resource_contract.ts'
export { converge, plan, type RoleTestOptions, verify } from './role_run.ts'
export { assertSnapshot } from './snapshot.ts'
export type { ResourceName, TestedResource, TestRun } from './test_run.ts'
export type { GivenService, ServiceState } from './units.ts'
