import type { DeflateKernelName, DeflateParameters } from './deflate-kernel.ts'

/** What the self-checks encode: enough that every level searches it. */
export const KNOWN_INPUT: string =
  'kernels are pure: bytes in, bytes out, and no policy, no policy, no policy at all; ' +
  'and of the bytes that come out none depends on the machine: bytes in, bytes out.'

/** Parameters, and the hexadecimal deflate stream of `KNOWN_INPUT`: what the real encoder wrote. */
export const KNOWN_ANSWERS: Readonly<
  Record<DeflateKernelName, readonly { readonly parameters: DeflateParameters; readonly stream: string }[]>
> = {
  'go-deflate': [
    {
      parameters: { family: 0, level: -2, parameter: 0 },
      stream:
        '04c0e16dc4200c86e155de015007b84e03e4ab824a6c14cc0f6f7fcfbf5ed3dcd457acf3ea43cbd06658a16568e3270ad52ecc593e47cf8239cbe7e8593067f91c3da9419df3976a17fe47dca2656813770dba3fc24f606ee2d2925d1b37e2164fedf7307d6819da0c2bb40c6dfcc4cf370000ffff',
    },
    {
      parameters: { family: 0, level: 1, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e010000ffff',
    },
    {
      parameters: { family: 0, level: 2, parameter: 0 },
      stream:
        '6ccdc1adc3201084e156a600f40a78a9660313818267112c07771fc9f2d1b7fff069e6cb29f6059bc4d893ff789fc185a67497ef483015c831bcb77ca6c78405acf7d765fd83a8bc17a25a20fb41f80ec845140eaa2cb82e7758ae4dcfe77fbf000000ffff',
    },
    {
      parameters: { family: 0, level: 6, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e010000ffff',
    },
  ],
  'klauspost-deflate': [
    {
      parameters: { family: 6, level: 5, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e0300',
    },
    {
      parameters: { family: 13, level: 5, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e0300',
    },
    {
      parameters: { family: 17, level: 1, parameter: 0 },
      stream:
        '6ccdb10d03211483e1553cc029035ca6790147a0707e081ec56d9f862652baafb1ff0f87d8266c107d0d9e78ddc189aa63cb571c3065c8d1bdd5741f7f090b586b4f9832fc8d28dc0f512c90fc227c05e422323b95275c88425c964a15cf3df8893fbe0300',
    },
    {
      parameters: { family: 17, level: 4, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e0300',
    },
    {
      parameters: { family: 17, level: 5, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e0300',
    },
    {
      parameters: { family: 17, level: 6, parameter: 0 },
      stream:
        '6ccdc1adc3201084e156a600f40a78a9660313818267112c07771fc9f2d1b7fff069e6cb29f6059bc4d893ff789fc185a67497ef483015c831bcb77ca6c78405acf7d765fd83a8bc17a25a20fb41f80ec845140eaa2cb82e7758ae4dcfe77fbf0100',
    },
    {
      parameters: { family: 17, level: 9, parameter: 0 },
      stream:
        '6c8dc10dc32010045bd902500a48aab9c046a0e03d04e787bb8f62f9e9df3c46335f4eb12fd824c63ef9c4fb082e34a58b7c8f0453811cc37bcb47ba4558c07a7f9dae7f10955721aa05b26ffcb720175138a8b2e03abdcd726dba9f3f7e0300',
    },
  ],
  'zlib-deflate': [
    {
      parameters: { family: 0, level: 1, parameter: 9 },
      stream:
        '6d8dc10dc42010035b71012805e4aad9804fa0835d049b47ba3f14e5999f258fc73f0e659d9041f47370c77139278a8627d9e901a2096ae8564bbcc26b8438a4d6cfcdda179ef9183caf2a5a23966b6d9548ecd434617a734d622efa7ebefd01',
    },
    {
      parameters: { family: 0, level: 6, parameter: 8 },
      stream:
        '6d8dc10d843010035b710111051cd52c894f8908bb51581e744f403cf959f278bcb22beb0ee9443b3a7f584ee78ea2e14d76788068821a9ad512cff019210ea9757e58fbc3335f83e75145db78bbc64089c4464d43ae0fb749cc45bfcfa70b',
    },
    {
      parameters: { family: 1, level: 3, parameter: 0 },
      stream:
        '6d8dc10dc42010035b71012805e4aad9804fa0835d049b47ba3f14e5999f258fc73f0e659d9041f47370c77139278a8627d9e901a2096ae8564bbcc26b8438a4d6cfcdda179ef9183caf2a5a23966b6d9548ecd434617a734d622efa7ebefd01',
    },
    {
      parameters: { family: 1, level: 9, parameter: 0 },
      stream:
        '6d8dc10d843010035b710111051cd52c894f8908bb51581e744f403cf959f278bcb22beb0ee9443b3a7f584ee78ea2e14d76788068821a9ad512cff019210ea9757e58fbc3335f83e75145db78bbc64089c4464d43ae0fb749cc45bfcfa70b',
    },
  ],
}
