// Reads an AsyncAPI document from standard input and writes what its official parser says of it, as JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(0, 'utf8'));
const operations = document === undefined ? [] : document.operations().all();
process.stdout.write(JSON.stringify({
  version: document?.version(),
  problems: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join('/') })),
  events: Object.fromEntries(operations.map((operation) => [
    operation.action(), operation.messages().all().map((message) => message.name()),
  ])),
}));
