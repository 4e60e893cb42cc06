/** Prints a type as the compiler sees it, with every member: mapped types lose the comments of their members. */
import ts from 'typescript'

/** @returns the type as TypeScript, with names of the standard library only; all members are readonly */
export function expandType(checker: ts.TypeChecker, type: ts.Type, indent = ''): string {
  const print = (inner: ts.Type) => expandType(checker, inner, indent)
  if (type.isUnion() && type.types.some(({ flags }) => flags & ts.TypeFlags.Object))
    return [...new Set(type.types.map(print))].join(' | ')
  if (checker.isArrayType(type)) {
    const [item] = checker.getTypeArguments(type as ts.TypeReference)
    const readonly = type.symbol.name === 'ReadonlyArray' ? 'readonly ' : ''
    return item === undefined ? 'unknown' : `${readonly}(${print(item)})[]`
  }
  if (!(type.flags & ts.TypeFlags.Object) || type.getCallSignatures().length > 0)
    return checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation)
  return membersOf(checker, type, indent)
}

/** Prints the members of an object type in braces. */
export function membersOf(checker: ts.TypeChecker, type: ts.Type, indent = ''): string {
  const inner = `${indent}    `
  const indexes = checker.getIndexInfosOfType(type).map((info) => {
    const key = checker.typeToString(info.keyType)
    return `${inner}readonly [key: ${key}]: ${expandType(checker, info.type, inner)};`
  })
  const members = checker.getPropertiesOfType(type).map((property) => {
    const mark = property.flags & ts.SymbolFlags.Optional ? '?' : ''
    const value = expandType(checker, checker.getTypeOfSymbol(property), inner)
    return `${inner}readonly ${keyOf(property.name)}${mark}: ${value};`
  })
  const all = [...indexes, ...members]
  return all.length === 0 ? '{}' : `{\n${all.join('\n')}\n${indent}}`
}

const keyOf = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))
