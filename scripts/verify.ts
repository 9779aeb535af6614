/** `npm run verify`: all that a change must pass. Goes on after a failure, so that one run tells everything. */
import { spawnSync } from 'node:child_process'

const STEPS = [
  'typecheck',
  'lint',
  'check:deps',
  'build',
  'check:exports',
  'test',
  // After the tests: those that pages name as proofs need not run again.
  'check:docs',
  'test:package',
  'test:peers',
] as const

const results = STEPS.map((step) => {
  console.log(`\n── ${step}`)
  const begun = performance.now()
  const { status } = spawnSync('npm', ['run', '-s', step], { stdio: 'inherit' })
  return { step, isGood: status === 0, seconds: (performance.now() - begun) / 1000 }
})

console.log('\n── summary')
for (const { step, isGood, seconds } of results) {
  console.log(`${isGood ? 'passed' : 'FAILED'}  ${step.padEnd(14)}${seconds.toFixed(1).padStart(7)} s`)
}
if (results.some((result) => !result.isGood)) process.exitCode = 1
