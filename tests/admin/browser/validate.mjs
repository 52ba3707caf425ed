// Reads a JSON text with one page a line, says of each what is wrong with its HTML, a JSON list a line.
import { createInterface } from 'node:readline'
import { HtmlValidate } from 'html-validate'

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:standard'],
  rules: {
    // Matters of style that neither browsers nor people see.
    'no-trailing-whitespace': 'off',
    'void-style': 'off',
    'long-title': 'off',
    'require-sri': 'off',
    'no-implicit-button-type': 'off',
    // Links that look like buttons, as the Design System has them.
    'prefer-native-element': ['error', { exclude: ['button'] }],
    'tel-non-breaking': 'off',
    'attribute-boolean-style': 'off',
    'no-inline-style': 'error'
  }
})

for await (const line of createInterface({ input: process.stdin })) {
  const report = await validator.validateString(JSON.parse(line))
  const found = report.results.flatMap((result) =>
    result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId}: ${m.message}`))
  process.stdout.write(JSON.stringify(found) + '\n')
}
