/** containerd's filter language. */
export { type FieldReader, type Filter, labelField, parseFilters, quoteForFilter } from './filter.ts'
export { parseSelectors, type Selector, type SelectorOperator } from './selector.ts'
