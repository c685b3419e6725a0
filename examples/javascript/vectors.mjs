// Runs the verifier on the vectors: node vectors.mjs FILE. Every digest, clause, signer and verdict must agree.
import { readFileSync } from 'node:fs'
import { Refusal, brokenClause, digest, signer, types, verify } from './verify.mjs'

const vectors = JSON.parse(readFileSync(process.argv[2], 'utf8'))
let checked = 0
const wrong = []
const same = (what, got, expected) => {
  checked += 1
  if (String(got).toLowerCase() !== String(expected).toLowerCase()) wrong.push(`${what}: got ${got}, expected ${expected}`)
}
const verdict = async (action) => {
  try { return ['null', await action()] } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return [error.check, 'null']
  }
}

for (const each of vectors.threads) same('threadId', digest(each.domain, 'Terms', vectors.namedTerms[each.terms]), each.threadId)
for (const each of vectors.structs)
  if (each.type in types) same(each.type, digest(vectors.domain, each.type, each.value), each.digest)
for (const each of vectors.commitments) same('clause', brokenClause(vectors.namedTerms[each.terms], each.value), each.clause)
for (const each of vectors.signatures) {
  const [, who] = await verdict(() => signer(each.digest, each.signature))
  same(`signature ${each.reason ?? ''}`, who, each.signer)
}
for (const each of vectors.agreements) {
  const [check, hash] = await verdict(() => verify(vectors.domain, vectors.namedTerms[each.terms], each.bytes))
  same(`${each.what}: check`, check, each.check)
  same(`${each.what}: digest`, hash, each.digest)
}
console.log(`${checked} checks, ${wrong.length} wrong`)
for (const line of wrong) console.log(line)
process.exitCode = wrong.length || !checked ? 1 : 0
