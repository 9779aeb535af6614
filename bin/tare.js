#!/usr/bin/env node
// Written so that an old Node can parse it: the check has to run before anything newer is loaded.
var wanted = [24, 15, 0]
var running = process.versions.node.split('.').map(Number)

function isOlder(at) {
  if (at === wanted.length || running[at] > wanted[at]) return false
  return running[at] < wanted[at] || isOlder(at + 1)
}

if (isOlder(0)) {
  console.error('tare: needs Node.js ' + wanted.join('.') + ' or newer, this is ' + process.versions.node)
  process.exitCode = 2
} else {
  void import('../dist/cli/main.js')
}
