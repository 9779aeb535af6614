/** HTTP as registries need it: pools, proxies, TLS settings, retries, redirects that keep secrets at home. */
export { type CertificateDirectory, type ClientCertificate, readCertificateDirectory } from './certificates.ts'
export { HttpClient, type HttpClientOptions, type HttpRequest, type StreamedBody } from './http-client.ts'
export { type DisposableBody, HttpResponse, type ResponseHeaders } from './http-response.ts'
export { networkError } from './network-error.ts'
export { isLoopbackHost, printableUrl } from './printable-url.ts'
export { type Environment, proxyFor } from './proxy.ts'
export { isRetryableStatus, type RetryOptions, RetryPolicy } from './retry.ts'
export { SYSTEM_TIMING, type Timing } from './timing.ts'
