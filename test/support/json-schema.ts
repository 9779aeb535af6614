import { readFileSync } from 'node:fs'

/** As much of JSON Schema as the schemas in `docs/schemas` use; another keyword is an error, so that none is overlooked. */
type Schema = Readonly<Record<string, unknown>>

const NOTES: ReadonlySet<string> = new Set(['$schema', '$id', '$defs', 'title', 'description', 'default', 'examples'])

/** Makes a check out of a schema in `docs/schemas`. */
export function schemaCheck(name: string): (value: unknown) => boolean {
  const root = asSchema(JSON.parse(readFileSync(new URL(`../../docs/schemas/${name}`, import.meta.url), 'utf8')))
  return (value) => isValid(value, root, root)
}

function isValid(value: unknown, schema: Schema, root: Schema): boolean {
  return Object.entries(schema).every(
    ([keyword, rule]) => NOTES.has(keyword) || obeys(value, keyword, rule, schema, root),
  )
}

function obeys(value: unknown, keyword: string, rule: unknown, schema: Schema, root: Schema): boolean {
  const fields = isObject(value) ? Object.entries(value) : []
  const items = Array.isArray(value) ? (value as readonly unknown[]) : []
  switch (keyword) {
    case '$ref':
      return isValid(value, asSchema(asSchema(root['$defs'])[String(rule).replace('#/$defs/', '')]), root)
    case 'type':
      return typeOf(value) === rule || (rule === 'number' && typeOf(value) === 'integer')
    case 'enum':
      return asList(rule).includes(value)
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(rule), 'u').test(value)
    case 'minimum':
      return typeof value !== 'number' || value >= Number(rule)
    case 'maximum':
      return typeof value !== 'number' || value <= Number(rule)
    case 'oneOf':
      return asList(rule).filter((choice) => isValid(value, asSchema(choice), root)).length === 1
    case 'items':
      return items.every((item) => isValid(item, asSchema(rule), root))
    case 'minItems':
      return !Array.isArray(value) || items.length >= Number(rule)
    case 'maxItems':
      return items.length <= Number(rule)
    case 'required':
      return asList(rule).every((name) => !isObject(value) || String(name) in value)
    case 'minProperties':
      return !isObject(value) || fields.length >= Number(rule)
    case 'maxProperties':
      return fields.length <= Number(rule)
    case 'propertyNames':
      return fields.every(([name]) => isValid(name, asSchema(rule), root))
    case 'properties':
      return fields.every(
        ([name, field]) => !(name in asSchema(rule)) || isValid(field, asSchema(asSchema(rule)[name]), root),
      )
    case 'additionalProperties': {
      const known = isObject(schema['properties']) ? schema['properties'] : {}
      return fields.every(([name, field]) => name in known || (rule !== false && isValid(field, asSchema(rule), root)))
    }
    default:
      throw new Error(`the keyword ${keyword} is not understood here`)
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function isObject(value: unknown): value is Schema {
  return typeOf(value) === 'object'
}

function asSchema(value: unknown): Schema {
  if (!isObject(value)) throw new Error('a schema is no object')
  return value
}

function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('a keyword wants a list')
  return value
}
