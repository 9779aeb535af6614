/** Images converted to OCI as containers/image does it. */
export { ociConfigOfDocker } from './oci-config.ts'
export { isSchema1, type LayerFacts, schema1AsOci, type Schema1Options } from './schema1-source.ts'
export { type ConvertedImage, convertToOci, type ConvertToOciOptions } from './to-oci.ts'
