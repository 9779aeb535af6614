/** `npm run build`: compiles `src/` into `dist/`. The kernels are built before, by `build:wasm`. */
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { projectFile } from './support/project.ts'

// Files of modules that are gone would still be published.
rmSync(projectFile('dist'), { recursive: true, force: true })
execFileSync(projectFile('node_modules/.bin/tsc'), ['-p', projectFile('tsconfig.build.json')], { stdio: 'inherit' })
chmodSync(projectFile('bin/tare.js'), 0o755)
