// What needs no compiling: the Design System's script, and ours. Last, a digest of all that it was made from.
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'

const to = '../receiver/admin/static/'
copyFileSync('node_modules/govuk-frontend/dist/govuk/govuk-frontend.min.js', to + 'govuk-frontend.js')
for (const name of ['admin.js', 'begin.js', 'favicon.svg']) copyFileSync(name, to + name)

// As build_pages.py works it out.
const found = createHash('sha256')
for (const entry of readdirSync('.', { withFileTypes: true }).filter((e) => e.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
  found.update(entry.name)
  found.update(readFileSync(entry.name))
}
writeFileSync(to + 'made-from.txt', found.digest('hex') + '\n')
