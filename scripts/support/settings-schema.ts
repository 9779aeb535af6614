import { SETTINGS, type SettingType } from '../../src/cli/settings/setting-table.ts'

/** The text of `docs/schemas/config.schema.json`. */
export function settingsSchema(): string {
  const properties = Object.fromEntries(
    SETTINGS.map(({ name, type, meaning, otherwise }) => [
      name,
      { description: `${meaning}; otherwise: ${otherwise}`, ...schemaOf(type) },
    ]),
  )
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of Tare',
    type: 'object',
    additionalProperties: false,
    properties: { $schema: { type: 'string' }, ...properties },
    $defs: { platform: { type: 'string', pattern: '^[^/]+/[^/]+(/[^/]+)?$' } },
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

function schemaOf(type: SettingType): object {
  switch (type.kind) {
    case 'text':
    case 'path':
      return { type: 'string', pattern: '.' }
    case 'url':
      return { type: 'string', pattern: '^https?://.' }
    case 'boolean':
      return { type: 'boolean' }
    case 'size':
      return quantity('^[0-9]+(\\.[0-9]+)? *([KkMmGgTt]?[Bb]?|[KkMmGgTt][Ii][Bb])$')
    case 'duration':
      return quantity('^[0-9]+(\\.[0-9]+)?(ms|s|m|h)?$')
    case 'choice':
      return { enum: type.choices }
    case 'count': {
      const count = { type: 'integer', minimum: type.least, maximum: type.most }
      return type.word === undefined ? count : { oneOf: [{ enum: [type.word] }, count] }
    }
    case 'platforms': {
      const platform = { $ref: '#/$defs/platform' }
      return { oneOf: [platform, { type: 'array', minItems: 1, items: platform }] }
    }
  }
}

function quantity(pattern: string): object {
  return {
    oneOf: [
      { type: 'number', minimum: 0 },
      { type: 'string', pattern },
    ],
  }
}
